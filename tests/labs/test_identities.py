"""A recogniser of drawn creatures: its rates, its threshold, searches and gates."""

import numpy as np
import pandas as pd
import pytest

from course_utils.datasets.base import ImageSplit
from course_utils.labs import identities
from course_utils.labs.drawn import creatures
from course_utils.labs.miniature import LabError

TINY = {"num_known": 20, "num_views": 8, "epochs": 1, "false_match_rate": 0.05}


def pairs(scores, mated, groups):
    return pd.DataFrame({"score": scores, "mated": np.array(mated, bool), "group": groups})


def test_all_pairs_are_compared_once_by_the_cosine_of_their_angle():
    embeddings = identities.unit(np.array([[3.0, 4.0], [4.0, 3.0], [0.0, 2.0]]))
    attributes = pd.DataFrame({"identity": [7, 7, 9], "group": ["plain", "plain", "varied"]})
    found = identities.compare(embeddings, attributes)
    np.testing.assert_allclose(found.score, [0.96, 0.8, 0.6], atol=1e-6)
    assert list(found.mated) == [True, False, False]
    assert list(found.group) == ["plain", "mixed", "mixed"]


def test_the_rates_are_shares_of_non_mated_and_of_mated_comparisons():
    plain = pairs([0.9, 0.5, 0.4, 0.1, 0.9, 0.3], [0, 0, 0, 0, 1, 1], "plain")
    varied = pairs([0.2, 0.1, 0.8], [0, 0, 1], "varied")
    mixed = pairs([0.5], [0], "mixed")
    found = identities.match_rates(pd.concat([plain, varied, mixed]), 0.5).set_index("group")
    assert list(found.index) == ["plain", "varied", "all"]
    assert list(found.false_match_rate) == [2 / 4, 0, 3 / 7]
    assert list(found.false_non_match_rate) == [1 / 2, 0, 1 / 3]
    assert list(found.non_mated) == [4, 2, 7]
    assert list(found.mated) == [2, 1, 3]


def test_a_group_without_mated_comparisons_has_no_rate():
    with pytest.raises(LabError, match="group 'varied' needs two pictures of one creature"):
        identities.match_rates(
            pd.concat([pairs([0.1, 0.9], [0, 1], "plain"), pairs([0.1], [0], "varied")]), 0.5
        )


def test_the_threshold_lets_the_share_of_non_mated_comparisons_match():
    scores = np.random.default_rng(0).permutation(np.arange(1000)) / 1000
    comparisons = pairs([*scores, 5.0], [0] * 1000 + [1], "plain")
    threshold = identities.find_threshold(comparisons, 0.02)
    assert threshold == 0.98
    assert (scores >= threshold).mean() == 0.02


@pytest.mark.parametrize(
    ("rate", "reason"),
    [(0.001, "set by 1 of 1,000 non-mated"), (0.0, "is 0.0; it lies"), (1.0, "is 1.0; it lies")],
)
def test_a_threshold_needs_comparisons_enough(rate, reason):
    with pytest.raises(LabError, match=reason):
        identities.find_threshold(pairs(np.arange(1000.0), [0] * 1000, "plain"), rate)


def test_known_creatures_are_plain_as_often_as_told():
    known = identities.known_identities(0.1, num_known=60)
    assert len(set(known)) == 60
    assert list(creatures.groups_of(known)).count("plain") == 6


@pytest.mark.parametrize(
    ("share", "reason"),
    [(0.0, "plain_share is 0.0"), (1.0, "plain_share is 1.0"), (0.001, "leaves a group out")],
)
def test_both_groups_are_trained_on(share, reason):
    with pytest.raises(LabError, match=reason):
        identities.known_identities(share)


def recogniser_of(embeddings, threshold):
    """One creature for each two rows."""
    number = len(embeddings)
    tested = ImageSplit(
        np.zeros((number, 1, 1, 3), np.uint8),
        np.zeros(number, np.int64),
        pd.DataFrame({"identity": np.arange(number) // 2, "group": "plain"}),
    )
    return identities.Recogniser(None, threshold, tested, np.asarray(embeddings, np.float32))


def test_a_search_returns_somebody_ever_more_often():
    embeddings = identities.unit(np.random.default_rng(1).normal(size=(40, 3)))
    found = identities.search(recogniser_of(embeddings, 0.7), seed=0, gallery_sizes=[1, 3, 10])
    assert list(found.gallery_size) == [1, 3, 10]
    assert found.measured.is_monotonic_increasing
    rate = found["if independent"][0]
    np.testing.assert_allclose(found["if independent"], 1 - (1 - rate) ** np.array([1, 3, 10]))
    assert abs(found.measured[0] - rate) < 0.1


@pytest.mark.parametrize(("threshold", "expected"), [(1.5, 0), (-1.5, 1)])
def test_a_search_with_a_threshold_beyond_all_scores(threshold, expected):
    embeddings = identities.unit(np.random.default_rng(1).normal(size=(20, 3)))
    found = identities.search(recogniser_of(embeddings, threshold), seed=0, gallery_sizes=[2])
    assert found.measured[0] == expected


@pytest.mark.parametrize("sizes", [[0], [1, 10], []])
def test_a_gallery_leaves_somebody_to_search_with(sizes):
    with pytest.raises(LabError, match="between 1 and 9"):
        identities.search(recogniser_of(np.eye(20), 0.5), seed=0, gallery_sizes=sizes)


def test_a_gate_in_numbers_of_passers_by():
    found = identities.gate(
        base_rate=0.0001, hit_rate=0.99, false_alarm_rate=0.001, num_passing=1_000_000
    ).iloc[0]
    assert found.sought == 100
    assert found.found == 99
    assert found.false_alarms == pytest.approx(999.9)
    assert found.right == pytest.approx(99 / 1098.9)


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        ({"base_rate": 2}, "base_rate is 2"),
        ({"hit_rate": -0.1}, "hit_rate is -0.1"),
        ({"false_alarm_rate": 0, "hit_rate": 0}, "no alarm ever goes off"),
    ],
)
def test_a_gate_needs_shares(rates, reason):
    with pytest.raises(LabError, match=reason):
        identities.gate(**{"base_rate": 0.1, "hit_rate": 0.9, "false_alarm_rate": 0.01, **rates})


def test_measured_by_share_seed_and_group():
    runs = identities.measure(seeds=[0, 1], plain_shares=[0.5], **TINY)
    assert list(runs.seed) == [0, 0, 0, 1, 1, 1]
    assert list(runs.group) == ["plain", "varied", "all"] * 2
    assert runs.false_match_rate.between(0, 1).all()
    assert runs.false_non_match_rate.between(0, 1).all()
    overall = runs[runs.group == "all"].false_match_rate
    assert (overall - 0.05).abs().max() < 0.03  # on other creatures than it was set for
    wide = runs.pivot_table("false_match_rate", index="seed", columns="group")
    difference = identities.differences(runs).set_index("seed").difference
    np.testing.assert_allclose(difference, wide.plain - wide.varied)
    found = identities.measure_search(seeds=[0, 1], gallery_sizes=[5], **TINY)
    assert list(found.seed) == [0, 1]


def test_an_embedding_has_length_one_and_the_last_layer_is_left_off():
    recogniser = identities.build(seed=0, **TINY)
    found = recogniser.embeddings
    assert found.shape == (identities.NUM_TESTED * identities.NUM_TEST_VIEWS, 48)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_nobody_searches_who_is_enrolled():
    everybody_differs = np.repeat(np.eye(10), 2, axis=0)
    found = identities.search(recogniser_of(everybody_differs, 0.9), seed=0, gallery_sizes=[2, 8])
    assert list(found.measured) == [0, 0]
