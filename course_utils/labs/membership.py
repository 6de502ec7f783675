"""Does a network give away which pictures it was trained on?

Every network is a shadow of the others: several are trained on random halves of one pool of
pictures, and each is attacked with what the others say. The pictures a network did not learn from
are the "others" that an attack must not accuse, and the test pictures of its accuracy.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from course_utils import training
from course_utils.datasets.base import ImageDataset
from course_utils.labs import miniature
from course_utils.labs.miniature import LabError, Network

EPOCHS = 5  # until nearly every picture has been learnt by heart
FEW_EPOCHS = 2
SMOOTHING = 0.2
FPR = 0.01  # the share of others that an attack may accuse
MIN_SHADOWS = 6  # whoever attacks one network has two that saw a picture, and two that did not

# Nothing that keeps a network from learning its pictures by heart.
OVERFIT = replace(miniature.RECIPE, name="overfit", mirror=False, shift=0, label_smoothing=0.0)

Floats = NDArray[np.float64]
Attack = Literal["threshold", "ratio"]
ATTACKS: tuple[Attack, ...] = get_args(Attack)
Answers = Literal["all", "one decimal", "top class"]
Defence = Literal[
    "nothing",
    "few epochs",
    "augmentation",
    "label smoothing",
    "answers of one decimal",
    "answers of the top class",
]
DEFENCES: tuple[Defence, ...] = get_args(Defence)

_LEAST = 1e-6  # of a probability, so that its logit is finite
_LEAST_TOLD = 0.05  # of one that was told to one decimal, which may be off by as much


@dataclass(frozen=True, eq=False)
class Shadows:
    """Networks that learnt from random halves of one pool, and their answers to the whole of it.

    Networks 0 and 1 have learnt from opposite halves, and so have 2 and 3, and so on.

    Attributes:
        seed: fixes the halves, and all that the networks' seeds fix.
        pool: a data set whose training pictures are the pool.
        members: (num_shadows, num_pictures) which network learnt from which picture.
        probabilities: (num_shadows, num_pictures, num_classes) what they answer.
        networks: the networks themselves.
        epochs: passes over the pictures.
        recipe: how they were trained.
    """

    seed: int
    pool: ImageDataset
    members: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    networks: tuple[Network, ...]
    epochs: int
    recipe: training.Recipe

    @property
    def labels(self) -> NDArray[np.int64]:
        """(num_pictures,) the true classes."""
        return self.pool.train.labels

    @property
    def confidences(self) -> NDArray[np.float32]:
        """(num_shadows, num_pictures) the probability that each gives to the true class."""
        return _of_true_class(self.probabilities, self.labels)

    def accuracies(self) -> pd.DataFrame:
        """How often each network is right.

        Returns:
            One row per network: ``seed``, ``network``, ``on_members`` and ``on_others``.
        """
        right = self.probabilities.argmax(axis=2) == self.labels
        return pd.DataFrame(
            {
                "seed": self.seed,
                "network": range(len(right)),
                "on_members": _mean_where(self.members, right),
                "on_others": _mean_where(~self.members, right),
            }
        )


def train_shadows(
    data: ImageDataset,
    *,
    seeds: Iterable[int],
    num_train: int,
    num_shadows: int,
    epochs: int = EPOCHS,
    recipe: training.Recipe = OVERFIT,
) -> list[Shadows]:
    """Train several networks on random halves of a pool of pictures, with a pool for each seed.

    Args:
        data: its training pictures, in an order drawn from the first seed, are dealt out to the
            pools, so that no picture is in two of them.
        seeds: one pool for each; a seed fixes the halves, the networks' weights and the order.
        num_train: pictures that each network learns from; a pool has twice as many.
        num_shadows: networks for each pool, an even number from 6.
        epochs: passes over the pictures.
        recipe: as in :func:`miniature.train`.

    Raises:
        LabError: too few pictures or networks for this, or a seed that is there twice.
    """
    seeds = list(seeds)
    pools = _deal(data, seeds, num_train, num_shadows)
    halves = [draw_halves(2 * num_train, num_shadows, seed=seed) for seed in seeds]
    return _train(seeds, pools, halves, epochs=epochs, recipe=recipe)


def _train(
    seeds: list[int],
    pools: list[ImageDataset],
    halves: list[NDArray[np.bool_]],
    *,
    epochs: int,
    recipe: training.Recipe,
) -> list[Shadows]:
    num_shadows = len(halves[0])

    def run(setting: tuple[int, int]) -> tuple[Network, NDArray[np.float32]]:
        place, number = setting
        pool = pools[place]
        half = replace(pool, train=pool.train.take(np.flatnonzero(halves[place][number])))
        network = miniature.train(
            half, seed=num_shadows * seeds[place] + number, epochs=epochs, recipe=recipe
        )
        return network, network.predict(pool.train.images)

    settings = [(place, number) for place in range(len(seeds)) for number in range(num_shadows)]
    trained = miniature.in_parallel(run, settings, label="pool × network")
    return [
        Shadows(
            seed=seed,
            pool=pools[place],
            members=halves[place],
            probabilities=np.stack([answers for _, answers in own]),
            networks=tuple(network for network, _ in own),
            epochs=epochs,
            recipe=recipe,
        )
        for place, seed in enumerate(seeds)
        if (own := trained[place * num_shadows :][:num_shadows])
    ]


def _deal(
    data: ImageDataset, seeds: list[int], num_train: int, num_shadows: int
) -> list[ImageDataset]:
    if num_shadows < MIN_SHADOWS or num_shadows % 2:
        raise LabError(
            f"num_shadows is {num_shadows}; it is an even number from {MIN_SHADOWS}, since the "
            "networks come in pairs that learn from opposite halves, and are attacked with the "
            "others"
        )
    if len(set(seeds)) < len(seeds) or not seeds:
        raise LabError(f"seeds are {seeds}; there is at least one, and each is there once")
    if num_train < miniature.SMALLEST_NUM_TRAIN:
        raise LabError(
            f"num_train is {num_train}; a network learns from at least "
            f"{miniature.SMALLEST_NUM_TRAIN} pictures, one batch"
        )
    size, number = 2 * num_train, len(data.train)
    if number < size * len(seeds):
        raise LabError(
            f"{data.name} has {number:,} training pictures, and {len(seeds)} pools of "
            f"{size:,} need {size * len(seeds):,}: load more, or lower num_train or num_seeds"
        )
    order = np.random.default_rng(seeds[0]).permutation(number)
    return [
        replace(data, train=data.train.take(np.sort(order[place * size :][:size])))
        for place in range(len(seeds))
    ]


def draw_halves(num_pictures: int, num_shadows: int, *, seed: int) -> NDArray[np.bool_]:
    """Draw which network learns from which pictures.

    Returns:
        (num_shadows, num_pictures): every second row is drawn at random, with as many True as
        False, and the row after it is its opposite.
    """
    generator = np.random.default_rng(seed)
    members = np.zeros((num_shadows, num_pictures), bool)
    for number in range(0, num_shadows, 2):
        members[number, generator.permutation(num_pictures)[: num_pictures // 2]] = True
        members[number + 1] = ~members[number]
    return members


def scale(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    least: float = _LEAST,
) -> Floats:
    """Turn the probability of the true class into its logit, log(p / (1 − p)).

    Probabilities crowd together near 1, where the members are; their logits are spread out nearly
    like a normal distribution.

    Args:
        probabilities: (…, num_pictures, num_classes).
        labels: (num_pictures,).
        least: probabilities below it, and those as near to 1, are taken for this much.

    Source: Carlini et al. 2022, arXiv:2112.03570, section V.
    """
    true = _of_true_class(probabilities, labels).astype(np.float64)
    rest = probabilities.sum(axis=-1, dtype=np.float64) - true
    scaled: Floats = np.log(np.maximum(true, least)) - np.log(np.maximum(rest, least))
    return scaled


def tell_less(
    probabilities: NDArray[np.floating[Any]], answers: Answers
) -> NDArray[np.floating[Any]]:
    """Keep a part of the answers back.

    Args:
        probabilities: (…, num_classes).
        answers: "all" keeps nothing back; "one decimal" rounds; "top class" says 1 for the most
            probable class and 0 for the others.
    """
    if answers == "all":
        return probabilities
    if answers == "one decimal":
        return np.round(probabilities, 1)
    if answers == "top class":
        names = np.arange(probabilities.shape[-1])
        told: NDArray[np.floating[Any]] = np.where(
            probabilities.argmax(axis=-1)[..., np.newaxis] == names, np.float32(1), np.float32(0)
        )
        return told
    raise LabError(f"answers is {answers!r}; it is one of {', '.join(get_args(Answers))}")


def score(shadows: Shadows, attack: Attack, *, answers: Answers = "all") -> Floats:
    """How much each picture of a pool looks like a member, to an attack on each network.

    Args:
        shadows: the networks; each is attacked with the others, but for the one that learnt from
            the opposite half, so that each picture has as many shadows that saw it as have not.
        attack: "threshold" goes by the network's confidence in the true class alone; "ratio" asks
            how much more likely this confidence is for a network that learnt from the picture than
            for one that did not.
        answers: how much of the answers the attacker gets to see, of all networks.

    Returns:
        (num_shadows, num_pictures): higher for more likely members.

    Source: Yeom et al. 2018, doi:10.1109/CSF.2018.00027 (threshold); Carlini et al. 2022,
        arXiv:2112.03570, algorithm 1 (ratio), with one spread for all pictures, as they advise
        where shadow networks are few.
    """
    told = tell_less(shadows.probabilities, answers)
    least = _LEAST if answers == "all" else _LEAST_TOLD
    scaled = scale(told, shadows.labels, least=least)
    if attack == "threshold":
        return scaled
    if attack == "ratio":
        return np.stack([ratio(scaled, shadows.members, target=k) for k in range(len(scaled))])
    raise LabError(f"attack is {attack!r}; it is one of {', '.join(ATTACKS)}")


def ratio(
    scaled: Floats, members: NDArray[np.bool_], *, target: int, asked: Floats | None = None
) -> Floats:
    """The likelihood ratio of each picture, for an attack on one network with the others.

    Args:
        scaled: (num_shadows, num_pictures) scaled confidences.
        members: (num_shadows, num_pictures).
        target: the network that is attacked; it and its opposite teach the attacker nothing.
        asked: (num_pictures,) what the attacked network says, where it is another than the target.

    Returns:
        (num_pictures,) log-likelihood as a member minus log-likelihood as none.
    """
    asked = scaled[target] if asked is None else asked
    seen, others = _shadows_of(target, scaled, members)
    mean_in, spread_in = _centre_and_spread(others, seen)
    mean_out, spread_out = _centre_and_spread(others, ~seen)
    found: Floats = stats.norm.logpdf(asked, mean_in, spread_in) - stats.norm.logpdf(
        asked, mean_out, spread_out
    )
    return found


def oddness(scaled: Floats, members: NDArray[np.bool_], *, target: int, asked: Floats) -> Floats:
    """How unusual confidences are, too high or too low, for networks that never saw the picture.

    Args:
        scaled: as in :func:`ratio`, and so are the others.
        members: which network learnt from which picture.
        target: the network whose opposite and self teach the attacker nothing.
        asked: (num_pictures,) the confidences.

    Returns:
        (num_pictures,) the distance from what such networks say on average, in spreads.
    """
    seen, others = _shadows_of(target, scaled, members)
    mean_out, spread_out = _centre_and_spread(others, ~seen)
    return np.abs(asked - mean_out) / spread_out


def _shadows_of(
    target: int, scaled: Floats, members: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Floats]:
    """What all networks have seen and say, but for the target and its opposite."""
    shadow = np.arange(len(scaled)) // 2 != target // 2
    return members[shadow], scaled[shadow]


def _centre_and_spread(scaled: Floats, where: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Each picture's mean over some networks, and one spread around it for all pictures."""
    counts = where.sum(axis=0)
    means = np.where(where, scaled, 0).sum(axis=0) / counts
    squares = np.where(where, scaled - means, 0) ** 2
    return means, float(np.sqrt(squares.sum() / (counts - 1).sum())) + 1e-9


def tpr_at_fpr(scores_of_members: Floats, scores_of_others: Floats, fpr: float = FPR) -> float:
    """The share of members that are found while hardly any others are accused.

    Args:
        scores_of_members: (n,).
        scores_of_others: (m,).
        fpr: at most this share of the others has a score above the threshold, 0 to below 1.
    """
    if not 0 <= fpr < 1:
        raise LabError(f"fpr is {fpr}; it is a share of the others, from 0 to below 1")
    num_accused = int(fpr * len(scores_of_others) + 1e-9)
    threshold = np.sort(scores_of_others)[::-1][num_accused]
    return float(np.mean(scores_of_members > threshold))


def auc(scores_of_members: Floats, scores_of_others: Floats) -> float:
    """The probability that a member scores higher than one of the others; ties count half."""
    ranks = stats.rankdata(np.concatenate([scores_of_members, scores_of_others]))
    n, m = len(scores_of_members), len(scores_of_others)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def attack(shadows: Iterable[Shadows], *, answers: Answers = "all") -> pd.DataFrame:
    """Attack every network both ways.

    Args:
        shadows: from :func:`train_shadows`.
        answers: how much of the answers the attacker gets to see.

    Returns:
        One row per seed and attack, the mean over the networks of its pool: ``seed``, ``attack``,
        ``auc`` and ``found`` (the share of members, at 1 % of the others accused).
    """
    rows = []
    for pool in shadows:
        for kind in ATTACKS:
            scores = score(pool, kind, answers=answers)
            pairs = [(s[m], s[~m]) for s, m in zip(scores, pool.members, strict=True)]
            rows.append(
                {
                    "seed": pool.seed,
                    "attack": kind,
                    "auc": float(np.mean([auc(*pair) for pair in pairs])),
                    "found": float(np.mean([tpr_at_fpr(*pair) for pair in pairs])),
                }
            )
    return pd.DataFrame(rows)


def curves(
    shadows: Iterable[Shadows],
    *,
    fprs: Iterable[float] = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
) -> pd.DataFrame:
    """How many members both attacks find, by how many others they accuse.

    Args:
        shadows: from :func:`train_shadows`.
        fprs: shares of the others.

    Returns:
        One row per seed, attack and share: ``seed``, ``attack``, ``fpr`` and ``found``, the mean
        over the networks of the pool.
    """
    fprs = list(fprs)
    rows = []
    for pool in shadows:
        for kind in ATTACKS:
            pairs = list(zip(score(pool, kind), pool.members, strict=True))
            rows += [
                {
                    "seed": pool.seed,
                    "attack": kind,
                    "fpr": fpr,
                    "found": float(np.mean([tpr_at_fpr(s[m], s[~m], fpr) for s, m in pairs])),
                }
                for fpr in fprs
            ]
    return pd.DataFrame(rows)


def defend(shadows: Iterable[Shadows], *, defences: Iterable[Defence] = DEFENCES) -> pd.DataFrame:
    """Attack networks that are defended; the attacker knows how, and trains shadows likewise.

    Args:
        shadows: networks without a defence, from :func:`train_shadows`; those with one learn from
            the same halves of the same pools.
        defences: "few epochs" stops early, after two; "augmentation" mirrors and shifts the
            pictures; "label smoothing" shares a fifth of the true class's probability among all;
            the last two answer less: see :func:`tell_less`.

    Returns:
        One row per defence, seed and attack: ``defence``, ``seed``, ``attack``, ``auc``, ``found``,
        as in :func:`attack`, and ``accuracy`` on the pictures that a network did not learn from.
    """
    bare = list(shadows)
    if not bare:
        raise LabError("there are no networks to defend; train_shadows makes some")
    recipe = bare[0].recipe
    trainings: dict[str, dict[str, Any]] = {
        "few epochs": {"epochs": FEW_EPOCHS},
        "augmentation": {"recipe": replace(recipe, mirror=True, shift=2)},
        "label smoothing": {"recipe": replace(recipe, label_smoothing=SMOOTHING)},
    }
    told: dict[str, Answers] = {
        "answers of one decimal": "one decimal",
        "answers of the top class": "top class",
    }
    tables = []
    for defence in defences:
        if defence not in DEFENCES:
            raise LabError(f"unknown defence {defence!r}; there are {', '.join(DEFENCES)}")
        defended = _train_again(bare, **trainings[defence]) if defence in trainings else bare
        right = pd.Series(
            {pool.seed: pool.accuracies()["on_others"].mean() for pool in defended},
            name="accuracy",
        )
        table = attack(defended, answers=told.get(defence, "all")).join(right, on="seed")
        tables.append(table.assign(defence=defence))
    return pd.concat(tables, ignore_index=True)[
        ["defence", "seed", "attack", "auc", "found", "accuracy"]
    ]


def _train_again(shadows: list[Shadows], **changes: Any) -> list[Shadows]:
    """Train in another way, ``epochs`` or ``recipe``, on the same halves."""
    settings: dict[str, Any] = {"epochs": shadows[0].epochs, "recipe": shadows[0].recipe}
    return _train(
        [pool.seed for pool in shadows],
        [pool.pool for pool in shadows],
        [pool.members for pool in shadows],
        **settings | changes,
    )


def _of_true_class(probabilities: NDArray[Any], labels: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """(…, num_pictures) of (…, num_pictures, num_classes)."""
    return probabilities[..., np.arange(len(labels)), labels]


def _mean_where(where: NDArray[np.bool_], values: NDArray[np.bool_]) -> Floats:
    """Of each row, the mean of the values that are meant."""
    means: Floats = (values & where).sum(axis=1) / where.sum(axis=1)
    return means
