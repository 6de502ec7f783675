"""Who withdraws, what stays, and what an attack still finds."""

import numpy as np
import pytest

from course_utils import datasets
from course_utils.labs import membership, miniature, opting_out
from course_utils.labs.miniature import LabError

DATA = datasets.load("pixels10", num_train=128, num_test=20)
SETTINGS = {"num_withdrawals": 2, "num_pictures": 6, "num_copies": 3}


@pytest.fixture(scope="module")
def shadows():
    return membership.train_shadows(DATA, seeds=[3], num_train=64, num_shadows=6, epochs=4)


def withdrawal(shadows, network=1):
    hers = opting_out._draw(shadows[0], network, 6)
    return opting_out._Withdrawal(shadows[0], network, hers)


def test_a_trace_is_the_share_of_pairs_above_minus_below():
    assert opting_out.trace(np.array([2.0, 0.0]), np.array([1.0, 1.0, 1.0, 3.0])) == (3 - 5) / 8
    assert opting_out.trace(np.array([1.0]), np.array([1.0, 1.0])) == 0


def test_a_person_is_found_by_the_mean_of_her_scores():
    generator = np.random.default_rng(0)
    strangers = np.arange(100.0)
    assert opting_out.is_found(np.full(10, 80.0), strangers, generator=generator)
    assert not opting_out.is_found(np.full(10, 55.0), strangers, generator=generator)
    assert not opting_out.is_found(np.full(10, 10.0), strangers, generator=generator)


def test_a_stranger_is_found_about_once_in_twenty():
    generator = np.random.default_rng(1)
    draws = [generator.normal(size=60) for _ in range(400)]
    found = [opting_out.is_found(one[:10], one[10:], generator=generator) for one in draws]
    assert (
        0.02 < np.mean(found) < 0.13
    )  # her ten are no part of the fifty, which makes it a bit more


def test_her_pictures_go_and_so_do_copies_of_hers_under_other_names():
    owners = np.array(["Ada", "Ben", "Cy", "Ben", "Ada"])
    copy_of = np.array([-1, -1, 1, 0, -1])
    assert opting_out.who_stays(owners, copy_of, "Ada").tolist() == [0, 1, 1, 0, 0]
    assert opting_out.who_stays(owners, copy_of, "Ben").tolist() == [1, 0, 0, 0, 1]
    assert opting_out.who_stays(owners, copy_of, "Eve").all()


def test_a_person_has_pictures_that_the_network_learnt_from(shadows):
    one, other = withdrawal(shadows), withdrawal(shadows, network=2)
    assert len(set(one.hers)) == 6
    assert shadows[0].members[1][one.hers].all()
    assert not one.strangers[one.hers].any()
    assert set(one.hers) | set(one.rest) == set(np.flatnonzero(shadows[0].members[1]))
    assert not set(one.hers) & set(one.rest)
    assert set(one.hers) != set(other.hers)


def test_training_anew_sees_only_those_who_stay(shadows, monkeypatch):
    seen = []
    train = miniature.train

    def watch(data, **settings):
        seen.append(data.train)
        return train(data, **settings)

    monkeypatch.setattr(miniature, "train", watch)
    opting_out.measure(shadows, conditions=["retrained", "copies stay"], **SETTINGS)
    assert sorted(len(split) for split in seen) == [58, 58, 61, 61]
    pool = shadows[0].pool.train.images
    for network in (0, 1):
        hers = pool[opting_out._draw(shadows[0], network, 6)].reshape(6, -1).tolist()
        left = [
            sum(one in split.images.reshape(len(split), -1).tolist() for one in hers)
            for split in seen
        ]
        assert 0 in left
        assert 3 in left


def test_without_withdrawing_training_anew_gives_the_same_network(shadows):
    one = withdrawal(shadows)
    everybody = np.flatnonzero(shadows[0].members[1])
    answers = opting_out._retrain(one, everybody).predict(shadows[0].pool.train.images)
    np.testing.assert_array_equal(answers, shadows[0].probabilities[1])


def test_training_on_lowers_the_loss_of_those_who_stay_and_climbing_raises_hers(shadows):
    one = withdrawal(shadows)
    network, pool = shadows[0].networks[1], shadows[0]
    tuner = opting_out._Tuner(network)

    def losses():
        answers = tuner.predict(pool.pool.train.images)
        each = -np.log(answers[np.arange(128), pool.labels] + 1e-9)
        return each[one.rest].mean(), each[one.hers].mean(), each[one.strangers].mean()

    rest, hers, strangers = losses()
    opting_out._train_on(tuner, one)
    assert losses()[0] < rest
    tuner.hold(network)
    np.testing.assert_allclose(losses(), (rest, hers, strangers), rtol=1e-5)
    opting_out._climb_away(tuner, one)
    assert losses()[1] > (hers + strangers) / 2


def test_a_row_for_each_seed_and_condition(shadows):
    table = opting_out.measure(shadows, **SETTINGS).set_index("condition")
    assert list(table.index) == list(opting_out.CONDITIONS)
    assert (table.seed == 3).all()
    assert table.trace.between(-1, 1).all()
    assert table.found.isin([0, 0.5, 1]).all()
    others = ~shadows[0].members[:2]
    right = shadows[0].probabilities[:2].argmax(axis=2) == shadows[0].labels
    assert table.accuracy["before"] == pytest.approx(right[others].mean())
    assert table.trace["before"] > table.trace["retrained"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_withdrawals": 7}, "num_withdrawals is 7; each is from another of the pool's 6"),
        ({"num_withdrawals": 0}, "num_withdrawals is 0"),
        ({"num_pictures": 33}, "num_pictures is 33; of the 64 .* can have 2 to 32"),
        ({"num_pictures": 1}, "num_pictures is 1"),
        ({"num_copies": 6}, "num_copies is 6; of 6 pictures, copies of 1 to 5 can stay"),
        ({"conditions": ["hoped"]}, "unknown condition 'hoped'; there are before, retrained"),
    ],
)
def test_what_does_not_fit_is_refused(shadows, settings, message):
    with pytest.raises(LabError, match=message):
        opting_out.measure(shadows, **SETTINGS | settings)
