"""When a person withdraws her pictures, does an attack on the network still find them?

A person is nothing but an owner here: twenty of the pictures that a network has learnt from, drawn
at random. She withdraws, and the network is trained anew without her, or made to forget her in one
of two cheaper ways. The attack is :mod:`course_utils.labs.membership`'s likelihood ratio, and what
it says of her pictures is compared with what it says of pictures that the network never saw.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.labs import membership, miniature
from course_utils.labs.membership import Floats, Shadows
from course_utils.labs.miniature import LabError, Network

if TYPE_CHECKING:
    import tensorflow as tf

NUM_PICTURES = 20  # of the person who withdraws
NUM_COPIES = 10  # of them, where copies stay under another name
NUM_WITHDRAWALS = 4  # for each pool, each from another network
FALSE_ALARMS = 0.05  # the share of groups of strangers taken for members, where a person is found

Condition = Literal["before", "retrained", "copies stay", "trained on", "climbed away"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

# Larger steps wreck the networks, which know their pictures by heart.
_RATE = 0.01
_AWAY = 0.3  # how much the withdrawn pictures count, against as many of the others
_MAX_STEPS = 60

_PREDICT_BATCH = 250  # pictures
_NUM_GROUPS = 1000  # of strangers, to compare a person with


@dataclass(frozen=True)
class _Withdrawal:
    """One person who withdraws from one network."""

    shadows: Shadows
    network: int
    hers: NDArray[np.int64]  # places of her pictures in the pool

    @property
    def strangers(self) -> NDArray[np.bool_]:
        """(num_pictures,) what the network never saw."""
        strangers: NDArray[np.bool_] = ~self.shadows.members[self.network]
        return strangers

    @property
    def rest(self) -> NDArray[np.int64]:
        """Places of the others' pictures that the network learnt from."""
        return np.setdiff1d(np.flatnonzero(self.shadows.members[self.network]), self.hers)


def measure(
    shadows: Iterable[Shadows],
    *,
    num_withdrawals: int = NUM_WITHDRAWALS,
    num_pictures: int = NUM_PICTURES,
    num_copies: int = NUM_COPIES,
    conditions: Iterable[Condition] = CONDITIONS,
) -> pd.DataFrame:
    """Let a person withdraw from some networks, and attack what is made of them.

    Args:
        shadows: from :func:`membership.train_shadows`.
        num_withdrawals: for each pool, each from another of its networks.
        num_pictures: of the person, from 2.
        num_copies: how many of them stay under another name, from 1 and fewer than she has.
        conditions: "before" she withdraws; "retrained" without her pictures, from the same first
            weights; the same where "copies stay"; "trained on" for one more pass over the others'
            pictures; "climbed away": steps that raise the loss on her pictures and lower it on the
            others', until the network is no surer of hers than of pictures it never saw.

    Returns:
        One row per seed and condition, the mean over the withdrawals: ``seed``, ``condition``,
        ``trace`` (how much more often than not a picture of hers gets a higher likelihood ratio
        than one that the network never saw, −1 to 1), ``either_way`` (the same for how unusual the
        confidence is, too high or too low, for a network that never saw the picture), ``found``
        (share of the withdrawals in which her pictures' mean ratio is higher than that of 95 % of
        random groups of as many strangers' pictures) and ``accuracy`` on pictures that the network
        never saw.

    Raises:
        LabError: more withdrawals than networks, or more pictures than can be withdrawn.
    """
    shadows = list(shadows)
    wanted = list(conditions)
    unknown = [one for one in wanted if one not in CONDITIONS]
    if unknown:
        raise LabError(f"unknown condition {unknown[0]!r}; there are {', '.join(CONDITIONS)}")
    for pool in shadows:
        _check(pool, num_withdrawals, num_pictures, num_copies)
    withdrawals = [
        _Withdrawal(pool, network, _draw(pool, network, num_pictures))
        for pool in shadows
        for network in range(num_withdrawals)
    ]
    tuners: list[_Tuner] = []  # those that nobody uses meanwhile

    def run(withdrawal: _Withdrawal) -> list[dict[str, Any]]:
        pool, number = withdrawal.shadows, withdrawal.network
        images = pool.pool.train.images

        def retrain(stay: NDArray[np.int64]) -> NDArray[np.float32]:
            return _retrain(withdrawal, stay).predict(images)

        def tune(change: Callable[[_Tuner], None]) -> NDArray[np.float32]:
            tuner = tuners.pop() if tuners else _Tuner(pool.networks[number])
            tuner.hold(pool.networks[number])
            change(tuner)
            answers = tuner.predict(images)
            tuners.append(tuner)
            return answers

        ways: dict[Condition, Callable[[], NDArray[np.float32]]] = {
            "before": lambda: pool.probabilities[number],
            "retrained": lambda: retrain(withdrawal.rest),
            "copies stay": lambda: retrain(
                np.sort(np.concatenate([withdrawal.rest, withdrawal.hers[:num_copies]]))
            ),
            "trained on": lambda: tune(lambda tuner: _train_on(tuner, withdrawal)),
            "climbed away": lambda: tune(lambda tuner: _climb_away(tuner, withdrawal)),
        }
        return [
            {"seed": pool.seed, "condition": one, **_attack(withdrawal, ways[one]())}
            for one in wanted
        ]

    table = miniature.table(run, withdrawals, label="pool × withdrawal")
    return table.groupby(["condition", "seed"], sort=False).mean().reset_index()


def who_stays(
    owners: NDArray[Any], copy_of: NDArray[np.int64], person: object
) -> NDArray[np.bool_]:
    """Which pictures stay when a person withdraws: neither hers, nor copies of hers.

    Args:
        owners: (n,) whose pictures they are.
        copy_of: (n,) the place of the picture that each is a copy of, or -1.
        person: who withdraws.
    """
    hers = np.asarray(owners) == person
    copies = np.asarray(copy_of) >= 0
    goes: NDArray[np.bool_] = hers | (copies & hers[copy_of])
    return ~goes


def _check(pool: Shadows, num_withdrawals: int, num_pictures: int, num_copies: int) -> None:
    num_networks, size = pool.members.shape
    if not 1 <= num_withdrawals <= num_networks:
        raise LabError(
            f"num_withdrawals is {num_withdrawals}; each is from another of the pool's "
            f"{num_networks} networks"
        )
    most = size // 2 - miniature.SMALLEST_NUM_TRAIN
    if not 2 <= num_pictures <= most:
        raise LabError(
            f"num_pictures is {num_pictures}; of the {size // 2} pictures that a network learns "
            f"from a person can have 2 to {most}, so that one batch stays"
        )
    if not 1 <= num_copies < num_pictures:
        raise LabError(
            f"num_copies is {num_copies}; of {num_pictures} pictures, copies of 1 to "
            f"{num_pictures - 1} can stay"
        )


def _draw(pool: Shadows, network: int, num_pictures: int) -> NDArray[np.int64]:
    generator = np.random.default_rng([pool.seed, network])
    members = np.flatnonzero(pool.members[network])
    return generator.choice(members, num_pictures, replace=False)


def _retrain(withdrawal: _Withdrawal, stay: NDArray[np.int64]) -> Network:
    """Train anew on what stays, from the weights that the network began with."""
    pool = withdrawal.shadows
    return miniature.train(
        replace(pool.pool, train=pool.pool.train.take(stay)),
        seed=len(pool.members) * pool.seed + withdrawal.network,
        epochs=pool.epochs,
        recipe=pool.recipe,
    )


def _attack(withdrawal: _Withdrawal, answers: NDArray[np.float32]) -> dict[str, float]:
    """What an attack on a network that answers so finds of the person."""
    pool, target, strangers = withdrawal.shadows, withdrawal.network, withdrawal.strangers
    scaled = membership.scale(pool.probabilities, pool.labels)
    asked = membership.scale(answers, pool.labels)
    ratios = membership.ratio(scaled, pool.members, target=target, asked=asked)
    oddness = membership.oddness(scaled, pool.members, target=target, asked=asked)
    right = answers.argmax(axis=1) == pool.labels
    generator = np.random.default_rng([pool.seed, target])
    return {
        "trace": trace(ratios[withdrawal.hers], ratios[strangers]),
        "either_way": trace(oddness[withdrawal.hers], oddness[strangers]),
        "found": float(is_found(ratios[withdrawal.hers], ratios[strangers], generator=generator)),
        "accuracy": float(right[strangers].mean()),
    }


def trace(hers: Floats, strangers: Floats) -> float:
    """The share of pairs in which her picture scores higher, minus that in which it scores lower.

    Args:
        hers: (n,) scores of her pictures.
        strangers: (m,) scores of others.

    Returns:
        From −1 to 1; 0 where the scores tell nothing of whose picture it is. It is 2 AUC − 1.
    """
    return 2 * membership.auc(hers, strangers) - 1


def is_found(hers: Floats, strangers: Floats, *, generator: np.random.Generator) -> bool:
    """Whether the mean of her scores is higher than that of 95 % of groups of strangers' scores.

    Args:
        hers: (n,) scores of her pictures.
        strangers: (m,) scores of others, as many or more.
        generator: draws the groups, of n each.
    """
    order = generator.random((_NUM_GROUPS, len(strangers))).argpartition(len(hers) - 1, axis=1)
    groups = strangers[order[:, : len(hers)]].mean(axis=1)
    return bool(np.mean(groups < hers.mean()) > 1 - FALSE_ALARMS)


def _train_on(tuner: "_Tuner", withdrawal: _Withdrawal) -> None:
    """One pass over the pictures of those who stay."""
    size = miniature.SMALLEST_NUM_TRAIN
    order = _generator(withdrawal).permutation(withdrawal.rest)
    for start in range(0, len(order) - size + 1, size):
        tuner.step(withdrawal.shadows, order[start : start + size], np.empty(0, np.int64))


def _climb_away(tuner: "_Tuner", withdrawal: _Withdrawal) -> None:
    """Raise the loss on her pictures to that on strangers' while holding on to the others'."""
    pool, generator = withdrawal.shadows, _generator(withdrawal)
    told = pool.confidences[withdrawal.network][withdrawal.strangers]
    goal = -np.log(np.maximum(told, 1e-9)).mean()
    for _ in range(_MAX_STEPS):
        some = generator.choice(withdrawal.rest, miniature.SMALLEST_NUM_TRAIN, replace=False)
        if tuner.step(pool, some, withdrawal.hers) >= goal:
            break


def _generator(withdrawal: _Withdrawal) -> np.random.Generator:
    return np.random.default_rng([withdrawal.shadows.seed, withdrawal.network, 1])


class _Tuner:
    """A Keras model that takes single steps of gradient descent, its normalisation held fast."""

    def __init__(self, network: Network) -> None:
        import keras
        import tensorflow as tf

        self._model = network.to_keras()
        self._optimizer = keras.optimizers.SGD(_RATE)
        self._optimizer.build(self._model.trainable_variables)
        self._descend = tf.function(self._take_step, reduce_retracing=True)
        self._answer = tf.function(
            lambda images: self._model(images, training=False), reduce_retracing=True
        )

    def hold(self, network: Network) -> None:
        """Begin with the weights of a network."""
        self._model.set_weights(network.weights)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = np.array_split(np.asarray(images), -(-len(images) // _PREDICT_BATCH))
        return np.concatenate([self._answer(part).numpy() for part in parts])

    def step(self, pool: Shadows, down: NDArray[np.int64], up: NDArray[np.int64]) -> float:
        """Lower the loss on some pictures and raise it on others.

        Returns:
            The mean loss on the latter, before the step.
        """
        chosen = np.concatenate([down, up])
        weights = np.concatenate(
            [np.full(len(down), 1 / len(down)), np.full(len(up), -_AWAY / max(1, len(up)))]
        )
        losses = self._descend(
            np.asarray(pool.pool.train.images[chosen]),
            pool.labels[chosen],
            weights.astype(np.float32),
        ).numpy()
        return float(losses[len(down) :].mean()) if len(up) else 0.0

    def _take_step(
        self, images: "tf.Tensor", labels: "tf.Tensor", weights: "tf.Tensor"
    ) -> "tf.Tensor":
        import keras
        import tensorflow as tf

        with tf.GradientTape() as tape:
            answers = self._model(images, training=False)
            losses = keras.losses.sparse_categorical_crossentropy(labels, answers)
            loss = tf.reduce_sum(losses * weights)
        gradients = tape.gradient(loss, self._model.trainable_variables)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return losses
