"""How good a network is, for whom, and how sure we can be of it.

Every rate comes with a 95 % interval: Wilson's for a proportion, Newcombe's for a difference
between two proportions, Student's t over seeds, on the scale of logits, for anything that depends
on training. The first two cover only the luck of drawing the test images; only repeating the
training with other seeds covers the luck of training.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, count
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats
from sklearn.metrics import accuracy_score, confusion_matrix
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from course_utils.datasets.base import ImageDataset

if TYPE_CHECKING:
    import keras

CALIBRATION_BINS = 10
MIN_SEEDS = 3  # for an interval: two say next to nothing of how far a third would lie from them
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)  # the bounds of a share, and of a difference
Unit = Literal["%", "points"]  # a share's, and that of a difference between two shares
_EQUAL = 1e-12  # rounding


@dataclass(frozen=True)
class Estimate:
    """A proportion, or a difference between proportions, with its 95 % interval.

    ``float(estimate)`` is its value and ``str(estimate)`` reads like ``84.2 % (82.5–85.7)``, or
    like ``1.6 points (−0.1 to 3.2)`` if it is a difference.
    """

    value: float
    low: float
    high: float
    unit: Unit = "%"

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"an estimate lies inside its interval, but {self.value} is not between "
                f"{self.low} and {self.high}"
            )

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        low, high = percentage(self.low), percentage(self.high)
        dash = "–" if self.low >= 0 else " to "
        return f"{percentage(self.value)} {self.unit} ({low}{dash}{high})"


def percentage(share: float) -> str:
    """``share`` in per cent with one decimal and a real minus sign; never "-0.0"."""
    return f"{round(100 * share, 1) + 0.0:.1f}".replace("-", "−")


def wilson(successes: int, trials: int) -> Estimate:
    """A proportion with Wilson's 95 % interval.

    Args:
        successes: how many of the trials succeeded.
        trials: how many there were, at least one.

    Raises:
        ValueError: if there are no trials, or successes are not between 0 and ``trials``.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    _check_trials(successes, trials)
    low, high = proportion_confint(successes, trials, method="wilson")
    return _estimate(successes / trials, low, high)


def newcombe(successes1: int, trials1: int, successes2: int, trials2: int) -> Estimate:
    """The first proportion minus the second, with Newcombe's 95 % interval.

    It is made from the two Wilson intervals and supposes independent samples.

    Raises:
        ValueError: if a sample has no trials, or successes are not between 0 and its trials.

    Source: Newcombe 1998, Statistics in Medicine 17(8):873–890 (the hybrid score interval).
    """
    _check_trials(successes1, trials1)
    _check_trials(successes2, trials2)
    low, high = confint_proportions_2indep(
        successes1, trials1, successes2, trials2, method="newcomb", compare="diff"
    )
    return _estimate(successes1 / trials1 - successes2 / trials2, low, high, unit="points")


def over_seeds(values: ArrayLike, *, bounds: tuple[float, float] = SHARE) -> Estimate:
    """The mean of one result per seed, with a 95 % t interval that stays within its bounds.

    Student's interval is computed for the logit of the mean, log(mean / (1 − mean)) for a share,
    whose standard error is the mean's divided by mean × (1 − mean), and carried back.

    Results that are all equal say nothing of how far others would lie from them. The interval is
    then Wilson's for as many trials as there are seeds, which is as wide as a share can vary.

    Args:
        values: (number of seeds,), the same result of a training repeated with other seeds.
        bounds: the least and the greatest value that it can have: :data:`SHARE` for an accuracy,
            :data:`DIFFERENCE` for a difference between two shares, such as a gap. What can be less
            than 0 is given in points.

    Raises:
        ValueError: for fewer than three seeds, or a value out of bounds.

    Source: of the standard error, the delta method (Agresti 2013, Categorical Data Analysis, third
    edition, section 16.1).
    """
    results = np.asarray(values, dtype=float)
    if results.ndim != 1 or len(results) < MIN_SEEDS:
        raise ValueError(
            f"an interval over seeds needs at least {MIN_SEEDS} seeds, got values of shape "
            f"{results.shape}; train with more seeds"
        )
    least, greatest = bounds
    outside = results[~((results >= least) & (results <= greatest))]
    if len(outside):
        raise ValueError(
            f"every value over seeds lies between {least:g} and {greatest:g}, but there is "
            f"{outside[0]:g}; differences need bounds=DIFFERENCE"
        )
    low, high = _interval_of_mean((results - least) / (greatest - least))
    low, high = (least + end * (greatest - least) for end in (low, high))
    return _estimate(float(results.mean()), low, high, unit="points" if least < 0 else "%")


def _interval_of_mean(shares: NDArray[np.float64]) -> tuple[float, float]:
    mean, number = shares.mean(), len(shares)
    if np.ptp(shares) < _EQUAL:
        low, high = proportion_confint(min(max(mean, 0), 1) * number, number, method="wilson")
        return float(low), float(high)
    error = shares.std(ddof=1) / np.sqrt(number) / (mean * (1 - mean))
    half = stats.t.ppf(0.975, number - 1) * error
    low, high = special.expit(special.logit(mean) + np.array([-half, half]))
    return float(low), float(high)


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, bounds: tuple[float, float] = SHARE
) -> Estimate:
    """First minus second, seed by seed, as a mean over seeds with its interval.

    Args:
        first: (number of seeds,), results under one condition.
        second: (number of seeds,), results under the other, with the same seeds in the same order.
        bounds: of the results, not of their differences; as in :func:`over_seeds`.

    Raises:
        ValueError: if the lengths differ, there are fewer than three seeds, or a value is out of
            bounds.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise ValueError(
            f"a paired difference needs both conditions run with the same seeds, "
            f"got {a.shape} and {b.shape} values"
        )
    width = bounds[1] - bounds[0]
    return over_seeds(a - b, bounds=(-width, width))


def verdict(difference: Estimate, *, margin: float) -> str:
    """What an interval says of a difference: that it is small, that it was found, or neither.

    * ``"small"``: the whole interval lies within the margin, so a difference worth mentioning is
      ruled out, whether or not the interval leaves zero out;
    * ``"found"``: it doesn't, and the interval leaves zero out;
    * ``"not found"``: the data allow no difference, and also one that is worth mentioning.

    Two one-sided tests, each at 5 %, would call a difference small if its 90 % interval lay within
    the margin. The 95 % interval is wider, so this asks for more.

    Args:
        difference: with its 95 % interval.
        margin: above 0, the smallest difference that is worth mentioning; to be set before the
            difference is known.

    Raises:
        ValueError: the margin is not above 0.

    Source: Schuirmann 1987, doi:10.1007/BF01068419; Lakens 2017, doi:10.1177/1948550617697177.
    """
    if not margin > 0:
        raise ValueError(
            f"margin is {margin}; it is the smallest difference worth mentioning, such as 0.03"
        )
    if -margin < difference.low and difference.high < margin:
        return "small"
    return "found" if difference.low > 0 or difference.high < 0 else "not found"


def summarise_seeds(
    table: pd.DataFrame, *, by: str, column: str, bounds: tuple[float, float] = SHARE
) -> pd.DataFrame:
    """Mean and interval over seeds of each condition of an experiment.

    Args:
        table: one row per condition and seed.
        by: the column that names the condition.
        column: the column of results.
        bounds: of the results, as in :func:`over_seeds`.

    Returns:
        One row per condition, in order of appearance: ``by``, ``value``, ``low`` and ``high``.
    """
    rows = []
    for condition, part in table.groupby(by, sort=False):
        found = over_seeds(part[column], bounds=bounds)
        rows.append({by: condition, "value": found.value, "low": found.low, "high": found.high})
    return pd.DataFrame(rows)


def _check_trials(successes: int, trials: int) -> None:
    if trials < 1:
        raise ValueError(f"a proportion needs at least one trial, got {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and {trials} trials, got {successes}")


def _estimate(value: float, low: float, high: float, *, unit: Unit = "%") -> Estimate:
    """An estimate whose bounds don't miss the value by a rounding error."""
    return Estimate(float(value), min(float(low), value), max(float(high), value), unit)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network gets right and wrong on labelled images, overall and by class and group.

    The tables have the columns ``count`` (test images), ``accuracy``, ``low`` and ``high`` (a 95 %
    Wilson interval). Accuracies are shares between 0 and 1, NaN for a class without test images.
    """

    accuracy: Estimate
    by_class: pd.DataFrame  # one row per class, indexed by its name
    by_group: pd.DataFrame | None  # one row per group; the index is named after the attribute
    confusion: NDArray[np.int64]  # (num_classes, num_classes): rows true, columns predicted
    calibration: pd.DataFrame  # see calibration_table
    expected_calibration_error: float  # between 0 and 1; see calibration_table
    labels: NDArray[np.int64]  # (n,) the true classes
    probabilities: NDArray[np.floating[Any]]  # (n, num_classes) what the network answered

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the labels."""
        return tuple(self.by_class.index)

    @property
    def predictions(self) -> NDArray[np.int64]:
        """(n,) the class with the highest probability for each image."""
        predictions: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predictions

    @property
    def worst_class(self) -> str:
        """The class with the lowest accuracy; the first of them if several share it."""
        return str(self.by_class["accuracy"].idxmin())

    @property
    def worst_group(self) -> str | None:
        """The group with the lowest accuracy, or None when groups were not compared."""
        return None if self.by_group is None else str(self.by_group["accuracy"].idxmin())

    @property
    def group_gap(self) -> Estimate | None:
        """Accuracy in the best group minus the worst, with Newcombe's interval.

        None when there are not two groups to compare. The gap, and so its interval, is never
        negative, since the groups are ranked by the same images that measure it: an interval that
        begins at 0 shows no gap.
        """
        if self.by_group is None or len(self.by_group) < 2:
            return None
        ranked = self.by_group.sort_values("accuracy", ascending=False)
        counts = ranked["count"].to_numpy()
        correct = _num_correct(ranked)
        gap = newcombe(correct[0], counts[0], correct[-1], counts[-1])
        return replace(gap, low=max(gap.low, 0.0))

    @cached_property
    def error_if_calibrated(self) -> Estimate:
        """What the expected calibration error would be if the network were calibrated."""
        return error_if_calibrated(self.probabilities)

    def most_confused(self, num_pairs: int = 5) -> pd.DataFrame:
        """The most frequent mistakes.

        Args:
            num_pairs: at most how many rows.

        Returns:
            Columns ``true``, ``predicted`` (class names), ``count`` (images) and ``share`` (of the
            images of the true class), the most frequent first.
        """
        true, predicted = np.nonzero(self.confusion * (1 - np.eye(len(self.confusion), dtype=int)))
        counts = self.confusion[true, predicted]
        names = np.array(self.class_names, dtype=object)
        pairs = pd.DataFrame(
            {
                "true": names[true],
                "predicted": names[predicted],
                "count": counts,
                "share": counts / self.confusion.sum(axis=1)[true],
            }
        )
        most_frequent = pairs.sort_values("count", ascending=False, kind="stable")
        return most_frequent.head(num_pairs).reset_index(drop=True)

    def __repr__(self) -> str:
        lines = [
            f"accuracy {self.accuracy} on {len(self.labels)} test images",
            f"worst class {self.worst_class}: {_row_estimate(self.by_class, self.worst_class)}",
        ]
        if self.by_group is not None and self.worst_group is not None:
            worst = _row_estimate(self.by_group, self.worst_group)
            lines.append(f"worst {self.by_group.index.name} {self.worst_group}: {worst}")
        lines.append(
            f"expected calibration error {percentage(self.expected_calibration_error)} %; if it "
            f"were calibrated {self.error_if_calibrated}"
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tables = [_html_table(self.by_class)]
        if self.by_group is not None:
            tables.append(_html_table(self.by_group))
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in repr(self).splitlines())
        return paragraphs + "".join(tables)


def _num_correct(table: pd.DataFrame) -> NDArray[np.int64]:
    """(rows,) how many images of each row were classified correctly."""
    return (table["accuracy"] * table["count"]).round().to_numpy(dtype=np.int64)


def _row_estimate(table: pd.DataFrame, name: str) -> str:
    return str(Estimate(*table.loc[name, ["accuracy", "low", "high"]].astype(float)))


def _html_table(table: pd.DataFrame) -> str:
    """An accuracy table that a screen reader can find its way in."""
    name = escape(str(table.index.name))
    rows = "".join(
        f'<tr><th scope="row">{escape(str(index))}</th><td>{int(row["count"])}</td>'
        f"<td>{percentage(row['accuracy'])}</td>"
        f"<td>{percentage(row['low'])}–{percentage(row['high'])}</td></tr>"
        if row["count"]
        else f'<tr><th scope="row">{escape(str(index))}</th><td>0</td><td>–</td><td>–</td></tr>'
        for index, row in table.iterrows()
    )
    head = "".join(
        f'<th scope="col">{column}</th>'
        for column in (name, "test images", "accuracy in %", "95 % interval")
    )
    return (
        f"<table><caption>Accuracy by {name}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def evaluate(
    model: "keras.Model", data: ImageDataset, *, group: str | None = None, batch_size: int = 128
) -> Evaluation:
    """Let ``model`` classify the test images of ``data`` and see how well it does.

    Args:
        model: takes uint8 images (n, height, width, 3), answers probabilities or logits
            (n, num_classes).
        data: its test split is used; the images stay uint8, and on disk if they are there.
        group: the attribute by which accuracy is compared; ``data.group`` unless told otherwise.
        batch_size: how many images are classified at once.

    A network that seems to have been trained on pictures scaled by hand, such as ``images / 255``,
    is evaluated as it is, and a warning says so.

    Raises:
        ValueError: if there are no test images or they are not uint8, ``group`` is not one of their
            attributes, the model was trained on other classes, or its answers are neither
            probabilities nor logits of the classes of ``data``.
    """
    if not isinstance(data, ImageDataset):
        raise ValueError(
            f"evaluate takes a data set, as datasets.load returns it, not a {type(data).__name__}; "
            "evaluate_predictions(labels, model.predict(images), class_names=…) takes arrays"
        )
    group = data.group if group is None else group
    known = list(data.test.attributes.columns)
    if group not in known:
        raise ValueError(
            f"{data.name} has no attribute {group!r} to group by; it has: {', '.join(known)}"
        )
    if not len(data.test):
        raise ValueError(f"{data.name} has no test images to evaluate on; raise num_test")
    if data.test.images.dtype != np.uint8:
        raise ValueError(
            f"the images are {data.test.images.dtype}; the network scales them itself, so pass "
            "uint8 (0–255)"
        )
    learned = getattr(model, "class_names", None)
    if learned is not None and tuple(learned) != tuple(data.class_names):
        raise ValueError(
            f"the network was trained to tell {_enumerate(learned)} and the images are of "
            f"{_enumerate(data.class_names)}; evaluate it on pictures of its own classes, in the "
            "same order"
        )
    from course_utils import classifiers  # imports Keras, as whoever has a model did

    answers = model.predict(data.test.images, batch_size=batch_size, verbose=0)
    evaluation = evaluate_predictions(
        data.test.labels,
        classifiers.probabilities(answers, are_logits=classifiers.is_known_for_logits(model)),
        class_names=data.class_names,
        groups=data.test.attributes[group],
    )
    if learned is None:  # training.fit has not trained it, on pictures as they are
        way = classifiers.missing_scaling(model, data.test.images, data.test.labels, answers)
        if way:
            warnings.warn(
                f"of {way.num_images} test pictures, whole numbers from 0 to 255, the network "
                f"classifies {way.num_right} correctly, and {way.num_right_scaled} when they are "
                f"scaled by {way.by_hand}: it seems to have been trained on scaled pictures. Put "
                "the same scaling into the network, such as "
                f"model = keras.Sequential([keras.layers.{way.layer}, model])",
                stacklevel=2,
            )
    return evaluation


def _enumerate(class_names: Sequence[str]) -> str:
    shown = ", ".join(class_names[:10])
    return shown if len(class_names) <= 10 else f"{shown} and {len(class_names) - 10} more"


def evaluate_predictions(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    class_names: Sequence[str],
    groups: pd.Series | None = None,
) -> Evaluation:
    """Compare predicted probabilities with the true labels.

    Args:
        labels: (n,) true classes, integers from 0 to ``len(class_names) - 1``.
        probabilities: (n, len(class_names)), each row summing to one.
        class_names: the names of the classes, in the order of the labels.
        groups: (n,) the group of each image, named after the attribute; None compares no groups.

    Raises:
        ValueError: if these don't fit together; the message names the first value that doesn't.
    """
    true, answers = np.asarray(labels), np.asarray(probabilities)
    _check_labels(true, num_classes=len(class_names))
    _check_probabilities(answers, expected_shape=(len(true), len(class_names)))
    predictions = answers.argmax(axis=1)
    names = np.array(class_names, dtype=object)
    by_class = _accuracy_by(true, predictions, pd.Series(names[true], name="class"))
    calibration = calibration_table(true, answers)
    return Evaluation(
        accuracy=wilson(int((true == predictions).sum()), len(true)),
        by_class=by_class.reindex(pd.Index(class_names, name="class"))
        .fillna({"count": 0})
        .astype({"count": int}),
        by_group=None if groups is None else _accuracy_by(true, predictions, groups),
        confusion=confusion_matrix(true, predictions, labels=range(len(class_names))),
        calibration=calibration,
        expected_calibration_error=float(
            np.average(
                (calibration["accuracy"] - calibration["confidence"]).abs(),
                weights=calibration["count"],
            )
        ),
        labels=true.astype(np.int64),
        probabilities=answers,
    )


def _check_labels(labels: NDArray[Any], *, num_classes: int) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        way = "" if labels.ndim != 2 else "; pass labels.argmax(axis=1) if each row is one-hot"
        if labels.ndim == 2 and labels.shape[1] == 1:
            way = "; pass labels[:, 0]"
        raise ValueError(
            f"labels must be whole numbers of shape (n,), got {labels.dtype} {labels.shape}{way}"
        )
    if not len(labels):
        raise ValueError("there are no test images to evaluate on")
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if len(outside):
        raise ValueError(
            f"labels must lie between 0 and {num_classes - 1} for {num_classes} classes, "
            f"got {outside[0]}"
        )


def _check_probabilities(probabilities: NDArray[Any], *, expected_shape: tuple[int, int]) -> None:
    if probabilities.shape != expected_shape:
        are_classes = probabilities.ndim == 1 and len(probabilities) == expected_shape[0]
        raise ValueError(
            f"probabilities must have shape {expected_shape} (images, classes), "
            f"got {probabilities.shape}"
            + ("; pass what model.predict answers, without argmax" if are_classes else "")
        )
    if not np.isfinite(probabilities).all():
        raise ValueError(
            "some probabilities are not finite numbers; training has diverged, "
            "try a smaller learning rate"
        )
    totals = probabilities.sum(axis=1, dtype=float)
    wrong = (np.abs(totals - 1) > 1e-3) | (probabilities < 0).any(axis=1)
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"probabilities must be at least 0 and sum to 1, but those of image {first} sum to "
            f"{totals[first]:.4g} with a smallest of {probabilities[first].min():.4g}; "
            "does the network end with a softmax?"
        )


def _accuracy_by(
    labels: NDArray[Any], predictions: NDArray[Any], groups: pd.Series
) -> pd.DataFrame:
    """Count and accuracy with Wilson's interval for each value of ``groups``."""
    if len(groups) != len(labels):
        raise ValueError(f"got {len(groups)} groups for {len(labels)} labels")
    if groups.isna().any():
        raise ValueError(f"the attribute {groups.name!r} is missing for some images")
    frame = MetricFrame(
        metrics={"count": count, "accuracy": accuracy_score},
        y_true=labels,
        y_pred=predictions,
        sensitive_features=groups.astype(str).rename(str(groups.name or "group")),
    )
    table: pd.DataFrame = frame.by_group.astype({"count": int, "accuracy": float})
    intervals = [wilson(*pair) for pair in zip(_num_correct(table), table["count"], strict=True)]
    return table.assign(low=[i.low for i in intervals], high=[i.high for i in intervals])


def calibration_table(labels: NDArray[Any], probabilities: NDArray[Any]) -> pd.DataFrame:
    """Does the network's confidence say how often it is right?

    Images are sorted into ten bins of equal width by their confidence, the highest of their
    probabilities. The expected calibration error is the distance between confidence and accuracy,
    averaged over the bins weighted by their counts.

    Args:
        labels: (n,) true classes.
        probabilities: (n, num_classes) predicted probabilities.

    Returns:
        One row per bin that holds images: ``from``, ``to`` (edges of the bin), ``count``,
        ``confidence`` (mean), ``accuracy``, ``low`` and ``high`` (Wilson's 95 % interval).

    Source: Guo et al. 2017, PMLR 70:1321–1330.
    """
    confidence = probabilities.max(axis=1).astype(float)
    images = pd.DataFrame(
        {
            "bin": _bins(confidence),
            "confidence": confidence,
            "correct": probabilities.argmax(axis=1) == labels,
        }
    )
    bins = images.groupby("bin").agg(
        count=("correct", "size"), confidence=("confidence", "mean"), correct=("correct", "sum")
    )
    intervals = [wilson(*pair) for pair in zip(bins["correct"], bins["count"], strict=True)]
    return pd.DataFrame(
        {
            "from": bins.index.to_numpy() / CALIBRATION_BINS,
            "to": (bins.index.to_numpy() + 1) / CALIBRATION_BINS,
            "count": bins["count"].to_numpy(),
            "confidence": bins["confidence"].to_numpy(),
            "accuracy": [i.value for i in intervals],
            "low": [i.low for i in intervals],
            "high": [i.high for i in intervals],
        }
    )


def error_if_calibrated(
    probabilities: NDArray[np.floating[Any]], *, num_draws: int = 1000, seed: int = 0
) -> Estimate:
    """The expected calibration error that a calibrated network would have with these answers.

    It is not zero, since each bin holds few images. The true classes are drawn anew from the
    network's own probabilities, so that it is right as often as it says.

    Args:
        probabilities: (n, num_classes), each row summing to one.
        num_draws: how often the classes are drawn.
        seed: of the draws.

    Returns:
        The mean over the draws, and the range in which 95 % of them lie.
    """
    confidence = probabilities.max(axis=1).astype(float)
    members = np.eye(CALIBRATION_BINS)[_bins(confidence)]  # (n, bins)
    generator = np.random.default_rng(seed)
    errors = np.empty(num_draws)
    for draw in range(num_draws):
        right = generator.random(len(confidence)) < confidence
        # A bin's part of the error is how far its right answers are from its summed confidence.
        errors[draw] = np.abs((right - confidence) @ members).sum() / len(confidence)
    low, high = np.quantile(errors, [0.025, 0.975])
    return _estimate(float(errors.mean()), low, high)


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) the bin of each confidence; (0.8, 0.9] is bin 8, the upper edge being inside."""
    bins = np.ceil(confidence * CALIBRATION_BINS) - 1
    clipped: NDArray[np.int64] = np.clip(bins, 0, CALIBRATION_BINS - 1).astype(np.int64)
    return clipped


def within(name: str, value: SupportsFloat, low: float, high: float) -> None:
    """Say whether a result that differs between machines lies where it is expected.

    The line that confirms it gives the band and not the value, so that it is the same on every
    machine and nbval can compare it.
    """
    number = float(value)
    band = f"{low:g} and {high:g}"
    if low <= number <= high:
        print(f"{name} lies in the promised band, {low:g} to {high:g}")
    elif not isfinite(number):
        print(f"{name} is {number}, not between {band}: training has diverged")
    else:
        print(
            f"{name} is {number:.4g}, expected was a value between {band}. The band holds for the "
            "default parameters: was one of them changed, or the code?"
        )
