"""Attacks on networks with overfitting and without, and the arithmetic that they stand on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from course_utils import datasets
from course_utils.labs import membership, miniature
from course_utils.labs.membership import OVERFIT, Shadows
from course_utils.labs.miniature import LabError

DATA = datasets.load("pixels10", num_train=140, num_test=20)
SMALL = {"num_train": 32, "num_shadows": 6}


@pytest.fixture(scope="module")
def shadows():
    return membership.train_shadows(DATA, seeds=[4, 7], epochs=6, **SMALL)


def make_shadows(members, probabilities, labels):
    members, probabilities = np.array(members, bool), np.array(probabilities, np.float32)
    pool = replace(DATA, train=replace(DATA.train.take(np.arange(len(labels))), labels=labels))
    return Shadows(0, pool, members, probabilities, (), 1, OVERFIT)


def test_the_halves_are_drawn_at_random_and_come_with_their_opposites():
    halves = membership.draw_halves(40, 6, seed=3)
    assert (halves.sum(axis=1) == 20).all()
    assert (halves[::2] == ~halves[1::2]).all()
    assert (halves[0] != halves[2]).any()
    assert (halves[0] != membership.draw_halves(40, 6, seed=4)[0]).any()


def test_each_seed_has_pictures_of_its_own(shadows):
    first, second = (pool.pool.train.images.reshape(64, -1).tolist() for pool in shadows)
    assert not any(image in second for image in first)
    assert [pool.seed for pool in shadows] == [4, 7]
    assert shadows[0].members.shape == (6, 64)
    assert shadows[0].probabilities.shape == (6, 64, 10)


def test_a_network_learns_from_its_half_and_no_other_picture(shadows):
    pool = shadows[1]
    half = replace(DATA, train=pool.pool.train.take(np.flatnonzero(pool.members[2])))
    alone = miniature.train(half, seed=6 * 7 + 2, epochs=6, recipe=OVERFIT)
    answers = alone.predict(pool.pool.train.images)
    np.testing.assert_array_equal(answers, pool.probabilities[2])


def test_accuracy_is_counted_on_members_and_on_others():
    answers = [[[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]]
    pool = make_shadows([[1, 1, 0, 0]], answers, np.array([0, 1, 1, 1]))
    found = pool.accuracies().iloc[0]
    assert (found.on_members, found.on_others) == (0.5, 0.5)
    np.testing.assert_allclose(pool.confidences, [[0.9, 0.1, 0.8, 0.4]])


def test_confidences_are_spread_out_and_stay_finite():
    probabilities = np.array([[0.8, 0.2], [0.25, 0.75], [1.0, 0.0], [0.0, 1.0]])
    found = membership.scale(probabilities, np.array([0, 0, 0, 0]), least=0.01)
    ends = np.log(1 / 0.01)
    np.testing.assert_allclose(found, [np.log(4), -np.log(3), ends, -ends])


def test_less_is_told():
    answers = np.array([[0.62, 0.33, 0.05]], np.float32)
    assert membership.tell_less(answers, "all") is answers
    np.testing.assert_allclose(membership.tell_less(answers, "one decimal"), [[0.6, 0.3, 0.0]])
    np.testing.assert_allclose(membership.tell_less(answers, "top class"), [[1, 0, 0]])
    with pytest.raises(LabError, match="'nothing'; it is one of all, one decimal, top class"):
        membership.tell_less(answers, "nothing")


# Networks 0 and 1 are attacked or opposite; of the others, 2 and 4 saw picture 0, 3 and 5 did not.
MEMBERS = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], bool)
SCALED = np.array([[4.0, 0.5], [9.0, 9.0], [3.0, 0.0], [1.0, 5.0], [5.0, 2.0], [-1.0, 7.0]])


def test_the_ratio_compares_with_networks_that_saw_the_picture_and_that_did_not():
    # Means in: 4 and 6; means out: 0 and 1. All squares are 1, so both spreads are √(4 / 2).
    density = stats.norm(0, np.sqrt(2)).logpdf
    expected = [density(4 - 4) - density(4 - 0), density(0.5 - 6) - density(0.5 - 1)]
    np.testing.assert_allclose(membership.ratio(SCALED, MEMBERS, target=0), expected, rtol=1e-6)
    assert expected[0] > 0 > expected[1]


def test_the_target_and_its_opposite_teach_the_attacker_nothing():
    other = SCALED.copy()
    other[:2] = 100
    asked = membership.ratio(other, MEMBERS, target=0, asked=SCALED[0])
    np.testing.assert_allclose(asked, membership.ratio(SCALED, MEMBERS, target=0))


def test_oddness_is_the_distance_from_networks_that_did_not_see_it():
    found = membership.oddness(SCALED, MEMBERS, target=0, asked=np.array([3.0, -2.0]))
    np.testing.assert_allclose(found, np.array([3, 3]) / np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize(("fpr", "found"), [(0, 0.25), (0.2, 0.5), (0.39, 0.5), (0.4, 1), (0.9, 1)])
def test_members_found_at_a_price(fpr, found):
    members, others = np.array([10.0, 8.0, 7.0, 6.0]), np.array([1.0, 9.0, 5.0, 7.0, 3.0])
    assert membership.tpr_at_fpr(members, others, fpr) == found


def test_nobody_is_found_where_all_scores_are_the_same():
    assert membership.tpr_at_fpr(np.zeros(5), np.zeros(5), 0.5) == 0


def test_a_price_is_a_share():
    with pytest.raises(LabError, match=r"fpr is 1; it is a share of the others, from 0 to below 1"):
        membership.tpr_at_fpr(np.zeros(2), np.zeros(2), 1)


def test_the_auc_is_the_share_of_pairs_in_the_right_order_and_half_of_the_ties():
    assert membership.auc(np.array([3.0, 1.0]), np.array([2.0, 1.0, 0.0])) == (3 + 1.5) / 6


def test_an_attack_is_averaged_over_the_networks_of_a_pool(shadows):
    table = membership.attack(shadows).set_index(["seed", "attack"])
    assert list(table.index) == [(s, a) for s in (4, 7) for a in ("threshold", "ratio")]
    scores = membership.score(shadows[0], "threshold")
    each = [
        membership.auc(one[who], one[~who])
        for one, who in zip(scores, shadows[0].members, strict=True)
    ]
    assert table.auc[4, "threshold"] == pytest.approx(np.mean(each))
    assert table.found.between(0, 1).all()


def test_networks_that_know_their_pictures_by_heart_give_them_away(shadows):
    trained = pd.concat([pool.accuracies() for pool in shadows])
    assert trained.on_members.mean() > trained.on_others.mean() + 0.2
    assert (membership.attack(shadows).auc > 0.6).all()


def test_curves_rise_with_the_share_that_may_be_accused(shadows):
    table = membership.curves(shadows, fprs=[0.1, 0.5])
    wide = table.pivot_table("found", index=["seed", "attack"], columns="fpr")
    assert wide.shape == (4, 2)
    assert (wide[0.5] >= wide[0.1]).all()
    at_one = membership.curves(shadows, fprs=[membership.FPR]).found
    np.testing.assert_allclose(at_one, membership.attack(shadows).found)


def test_a_defence_is_trained_on_the_same_halves_or_tells_less(shadows, monkeypatch):
    table = membership.defend(shadows).pivot_table(index=["defence", "seed"], columns="attack")
    assert table.index.get_level_values("defence").nunique() == len(membership.DEFENCES)
    bare = table.loc["nothing"]
    for defence in ("few epochs", "augmentation", "label smoothing"):
        assert (table.loc[defence].auc != bare.auc).all(axis=None)
    for defence in ("answers of one decimal", "answers of the top class"):
        assert (table.loc[defence].accuracy == bare.accuracy).all(axis=None)
        assert (table.loc[defence].auc.ratio != bare.auc.ratio).all()
    seen = []
    monkeypatch.setattr(
        membership, "_train", lambda *given, **options: seen.append(given) or shadows
    )
    membership.defend(shadows, defences=["augmentation"])
    assert all(one is pool.members for one, pool in zip(seen[0][2], shadows, strict=True))


def test_a_defence_keeps_what_else_the_networks_had(shadows, monkeypatch):
    seen = {}

    def train(*given, **options):
        seen.update(options)
        return shadows

    monkeypatch.setattr(membership, "_train", train)
    membership.defend(shadows, defences=["label smoothing"])
    assert seen == {"epochs": 6, "recipe": replace(OVERFIT, label_smoothing=0.2)}
    membership.defend(shadows, defences=["few epochs"])
    assert seen == {"epochs": membership.FEW_EPOCHS, "recipe": OVERFIT}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_train": 36}, "pixels10 has 140 training pictures, and 2 pools of 72 need 144"),
        ({"num_train": 31}, "num_train is 31; a network learns from at least 32"),
        ({"num_shadows": 7}, "num_shadows is 7; it is an even number from 6"),
        ({"num_shadows": 4}, "num_shadows is 4; it is an even number from 6"),
        ({"seeds": [1, 1]}, r"seeds are \[1, 1\]; .* each is there once"),
        ({"seeds": []}, "there is at least one"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(LabError, match=message):
        membership.train_shadows(DATA, **{"seeds": [0, 1], **SMALL, **settings})


def test_what_is_unknown_is_refused(shadows):
    with pytest.raises(LabError, match="unknown defence 'hope'; there are nothing, few epochs"):
        membership.defend(shadows, defences=["hope"])
    with pytest.raises(LabError, match="attack is 'guess'; it is one of threshold, ratio"):
        membership.score(shadows[0], "guess")
    with pytest.raises(LabError, match="no networks to defend"):
        membership.defend([])
