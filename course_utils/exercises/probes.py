"""The values that a check cell emits when it is graded: what an answer gives for random inputs.

Whether they are right is decided elsewhere, by comparison with what the lesson's own solution gives
for the same inputs. Nothing in here knows a right answer, so there is nothing to find.
"""

import copy
import io
import math
import os
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

SEED_VARIABLE = "COURSE_GRADING_SEED"
MIME_TYPE = "application/vnd.pixels-and-people.answers+json"

_MAX_NUMBERS = 10_000
_MAX_DIMENSIONS = 8
_MAX_CHARACTERS = 200
_MAX_INTEGER = 2**53

Reading = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One call of an answer.

    Attributes:
        name: what is special about it; unique within its exercise and shown to the learner.
        arguments: what the answer is called with.
    """

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Probe:
    """How the answer to an exercise is tried out.

    Attributes:
        cases: draws the calls, the same ones from the same generator.
        tolerance: the largest absolute difference between numbers that still count as equal.
        read: turns what the answer returned into what can be written as JSON.
        keep_arguments: whether an answer that changes what it was given is wrong.
    """

    cases: Callable[[Generator], list[Case]]
    tolerance: float
    read: Callable[[Any], Reading]
    keep_arguments: bool = False


def emit(exercise: str, answer: Any) -> None:
    """Publish what an answer gives for an exercise's random inputs; outside grading, do nothing.

    It is grading when the environment variable ``COURSE_GRADING_SEED`` holds a whole number. The
    values go out as one message of display data.

    Args:
        exercise: the exercise's number, such as ``"2.1"``.
        answer: the function that the exercise asked for.

    Raises:
        KeyError: there is no such exercise. Nothing that the answer does raises an error here.
    """
    seed = os.environ.get(SEED_VARIABLE)
    if seed is None:
        return
    from IPython.display import display

    answers = collect_answers(exercise, answer, seed=int(seed))
    display({MIME_TYPE: {"exercise": exercise, "answers": answers}}, raw=True)


def collect_answers(exercise: str, answer: Any, *, seed: int) -> list[Reading]:
    """Call an answer once for each case of an exercise.

    Args:
        exercise: the exercise's number.
        answer: the learner's function, or whatever else has its name.
        seed: fixes the inputs, together with the exercise.

    Returns:
        One dictionary for each case, which can be written as JSON, with the keys ``case``, ``kind``
        (``number``, ``array``, ``text``, ``boolean``, ``none``, ``list``, ``error`` or ``other``),
        ``dtype`` (None where the type does not matter), ``shape``, ``value`` (infinite numbers and
        NaN as text) and ``error``.

    Raises:
        KeyError: there is no such exercise.
    """
    if exercise not in PROBES:
        raise KeyError(f"there is no exercise {exercise!r}; there are {', '.join(PROBES)}")
    probe = PROBES[exercise]
    generator = np.random.default_rng([seed, *map(int, exercise.split("."))])
    return [{"case": case.name} | _try(answer, case, probe) for case in probe.cases(generator)]


def _try(answer: Any, case: Case, probe: Probe) -> Reading:
    arguments = copy.deepcopy(case.arguments)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = answer(*arguments)
            if probe.keep_arguments and not _are_equal(arguments, case.arguments):
                return _reading("error", error="argument changed: return a new array instead")
            return probe.read(found)
    except (Exception, SystemExit) as error:  # whatever a learner's function may raise
        return _reading("error", error=_describe(error))


def _are_equal(found: Iterable[Any], given: Iterable[Any]) -> bool:
    """Whether arrays are as they were, in type and value."""
    pairs = zip(found, given, strict=True)
    return all(one.dtype == other.dtype and np.array_equal(one, other) for one, other in pairs)


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an error of the learner's own making
        text = ""
    return _cut(f"{type(error).__name__}: {text}")


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def _reading(
    kind: str,
    value: Any = None,
    *,
    dtype: str | None = None,
    shape: tuple[int, ...] | None = None,
    error: str | None = None,
) -> Reading:
    size = None if shape is None else list(shape)
    return {"kind": kind, "dtype": dtype, "shape": size, "value": value, "error": error}


def _other(found: Any, expected: str) -> Reading:
    """The reading of something that no comparison could make sense of."""
    if found is None:
        return _reading("none")
    return _reading("other", error=f"{expected} is expected, not a {type(found).__name__}")


def _read_numbers(found: Any) -> Reading:
    """A number or anything that NumPy takes for an array of numbers."""
    if found is None:
        return _reading("none")
    try:
        values = np.asarray(found, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return _other(found, "a number or an array of numbers")
    if values.ndim > _MAX_DIMENSIONS or max(values.size, *values.shape, 0) > _MAX_NUMBERS:
        return _reading("other", error=f"an array of shape {values.shape} is too large to be right")
    kind = "array" if values.ndim else "number"
    return _reading(kind, _to_json(values.tolist()), shape=values.shape)


def _read_typed_numbers(found: Any) -> Reading:
    """As above, together with the type of the numbers."""
    dtype = str(getattr(found, "dtype", type(found).__name__))
    return _read_numbers(found) | {"dtype": _cut(dtype)}


def _read_whole_number(found: Any) -> Reading:
    """An int; NumPy's count as such, floating-point numbers do not."""
    if isinstance(found, np.generic):
        found = found.item()
    if type(found) is bool:
        return _reading("boolean", found)
    if type(found) not in (int, float) or abs(found) > _MAX_INTEGER:
        return _other(found, "a whole number")
    return _reading("number", _to_json(found), dtype=type(found).__name__, shape=())


def _read_text(found: Any) -> Reading:
    if isinstance(found, np.generic):
        found = found.item()
    return _reading("text", _cut(found)) if type(found) is str else _other(found, "a text")


def _read_whole_numbers(found: Any) -> Reading:
    """Any sequence of whole numbers."""
    if not isinstance(found, list | tuple | range | np.ndarray):
        return _other(found, "a list of whole numbers")
    try:
        numbers = [int(number) for number in found[:_MAX_NUMBERS]]
    except (TypeError, ValueError, OverflowError):
        return _reading("other", error="a list of whole numbers is expected")
    if len(found) > _MAX_NUMBERS or any(abs(number) > _MAX_INTEGER for number in numbers):
        return _reading("other", error="the list is too long or its numbers are too large")
    return _reading("list", numbers, shape=(len(numbers),))


def _to_json(value: Any) -> Any:
    """Numbers in nested lists, with text for those that JSON does not know."""
    if isinstance(value, list):
        return [_to_json(one) for one in value]
    return value if math.isfinite(value) else str(value)


# Lesson 1: data


def _class_shares(generator: Generator) -> list[Case]:
    def draw(num_classes: int, absent: Iterable[int], num: int) -> tuple[Any, ...]:
        """Labels among which each class occurs, but for the absent ones."""
        present = np.setdiff1d(np.arange(num_classes), list(absent))
        drawn = generator.choice(present, num - len(present))
        return generator.permutation(np.concatenate([present, drawn])), num_classes

    num = int(generator.integers(20, 40))
    return [
        Case("every class occurs", draw(4, [], num)),
        Case("the last class never occurs", draw(5, [4], num)),
        Case("the first class never occurs", draw(4, [0], num)),
        Case("two classes between others never occur", draw(6, [2, 3], num)),
        Case("few pictures", draw(3, [1], 5)),
        Case("many classes", draw(40, [], 300 + num)),
    ]


def _scale(generator: Generator) -> list[Case]:
    def draw(*shape: int, low: int = 0, high: int = 250) -> tuple[Any, ...]:
        return (generator.integers(low, high, shape, dtype=np.uint8),)

    return [
        Case("a grey picture", draw(5, 7)),
        Case("a colour picture", draw(4, 5, 3)),
        Case("several pictures", draw(3, 4, 4, 3)),
        Case("a dark picture", draw(4, 4, 3, low=1, high=20)),
        Case("a bright picture", draw(4, 4, 3, low=200)),
        Case("every value that a pixel can have", (generator.permutation(256).astype(np.uint8),)),
    ]


def _one_hot(generator: Generator) -> list[Case]:
    def draw(num: int, num_classes: int, low: int = 0, high: int | None = None) -> tuple[Any, ...]:
        return generator.integers(low, high or num_classes, num), num_classes

    every_class = generator.permutation([0, 1, 2, 3, *generator.integers(4, size=5)])
    return [
        Case("more pictures than classes", (every_class, 4)),
        Case("fewer pictures than classes", draw(3, 7)),
        Case("the last class never occurs", draw(8, 5, high=4)),
        Case("the first class never occurs", draw(8, 5, low=1)),
        Case("a single picture", draw(1, 6)),
        Case("many classes", draw(30, 50)),
    ]


def _num_duplicates(generator: Generator) -> list[Case]:
    def draw(*copies: int) -> np.ndarray:
        """As many copies as asked for of each of several different pictures, in their order."""
        pixels = generator.integers(1, 256, (len(copies), 4, 4, 3), dtype=np.uint8)
        pixels[:, 0, 0, 0] = generator.permutation(256)[: len(copies)]
        return np.repeat(pixels, copies, axis=0)

    many = generator.integers(1, 5, 30)
    similar = np.repeat(draw(1), 6, axis=0)
    similar[np.arange(6), 3, generator.permutation(4)[[0, 1, 2, 3, 0, 1]], [0, 0, 0, 0, 1, 1]] = 0
    first = draw(1, 1, 1, 1, 1)
    return [
        Case("pairs", (generator.permutation(draw(2, 2, 1, 1, 1, 2)),)),
        Case("one picture many times", (draw(int(generator.integers(5, 9)), 1, 1),)),
        Case("copies far behind the first", (np.concatenate([first, first[:3]]),)),
        Case("many pictures", (generator.permutation(draw(*many)),)),
        Case("pictures that differ in one number", (np.concatenate([similar, similar[2:4]]),)),
        Case("no copies", (draw(*[1] * int(generator.integers(6, 12))),)),
    ]


def _nearest_mean(generator: Generator) -> list[Case]:
    def draw(nearest: int, num_classes: int, low: int = 20, high: int = 230) -> tuple[Any, ...]:
        """A picture that resembles one of the means."""
        means = generator.uniform(low, high, (num_classes, 4, 5, 3))
        image = means[nearest] + generator.normal(0, 8, (4, 5, 3))
        return np.clip(image, 0, 255).astype(np.uint8), means

    def draw_lopsided(nearest: int) -> tuple[Any, ...]:
        """Another mean is far off in one number, the nearest one less far off in four."""
        image = generator.integers(100, 150, (2, 2, 3), dtype=np.uint8)
        offsets = np.full((8, 12), 70.0)
        other = (nearest + int(generator.integers(1, 8))) % 8
        offsets[[nearest, other]] = 0
        offsets[nearest, generator.permutation(12)[:4]] = generator.uniform(20, 24, 4)
        offsets[other, generator.integers(12)] = generator.uniform(60, 65)
        signs = generator.choice([-1, 1], offsets.shape)
        return image, image + (signs * offsets).reshape(8, 2, 2, 3)

    nearest = [int(label) for label in generator.permutation(8)]
    return [
        Case("eight classes", draw(nearest[0], 8)),
        Case("ten classes", draw(nearest[1], 10)),
        Case("dark pictures", draw(nearest[2], 8, 5, 60)),
        Case("bright pictures", draw(nearest[3], 8, 190, 250)),
        Case("one mean far off in one number, one less far off in four", draw_lopsided(nearest[4])),
        Case("the same with other pictures", draw_lopsided(nearest[5])),
        Case("many classes", draw(nearest[6], 40)),
    ]


# Lesson 2: networks


def _convolve(generator: Generator) -> list[Case]:
    def draw(height: int, width: int) -> np.ndarray:
        return generator.normal(0, 3, (height, width))

    middle, corner = np.zeros((2, 3, 3))
    middle[1, 1] = generator.uniform(0.5, 2)
    corner[0, 2] = generator.uniform(0.5, 2)
    average = np.full((3, 3), 1 / 9)
    edge = np.array([[-1.0, 0, 1]] * 3)
    return [
        Case("a weight in the middle", (draw(5, 6), middle)),
        Case("a weight in a corner", (draw(6, 5), corner)),
        Case("the average of nine", (draw(5, 5), average)),
        Case("upright edges", (draw(6, 7), edge)),
        Case("level edges", (draw(6, 7), edge.T.copy())),
        Case("any kernel", (draw(7, 5), generator.normal(0, 1, (3, 3)))),
        Case("a plane no larger than the kernel", (draw(3, 3), generator.normal(0, 1, (3, 3)))),
        Case("a wide plane", (draw(4, 15), generator.normal(0, 1, (3, 3)))),
    ]


def _num_parameters(generator: Generator) -> list[Case]:
    channels, filters = (int(number) for number in generator.integers(9, 200, 2))
    return [
        Case("a first layer", (3, 3, filters)),
        Case("a later layer", (3, channels, filters + 1)),
        Case("large kernels", (7, channels + 2, filters)),
        Case("kernels of one pixel", (1, channels, filters + 3)),
        Case("a single channel", (5, 1, filters)),
        Case("a single filter", (3, channels, 1)),
    ]


def _max_pool(generator: Generator) -> list[Case]:
    def draw(height: int, width: int) -> np.ndarray:
        return generator.normal(0, 5, (height, width))

    last_is_largest = generator.uniform(0, 1, (6, 6))
    last_is_largest[1::2, 1::2] += 1
    return [
        Case("a square plane", (draw(6, 6),)),
        Case("a wide plane", (draw(4, 10),)),
        Case("a high plane", (draw(8, 2),)),
        Case("numbers below zero", (-1 - np.abs(draw(4, 6)),)),
        Case("the largest at the lower right", (last_is_largest,)),
        Case("whole numbers", (generator.permutation(48).reshape(6, 8),)),
        Case("a single square", (draw(2, 2),)),
    ]


def _softmax(generator: Generator) -> list[Case]:
    def draw(num: int, *, mean: float = 0, spread: float = 1) -> tuple[Any, ...]:
        return (mean + spread * generator.uniform(-2, 2, num),)

    return [
        Case("three scores", draw(3)),
        Case("ten scores", draw(10)),
        Case("scores below zero", draw(5, mean=-5)),
        Case("scores far apart", draw(6, spread=5)),
        Case("hundred scores", draw(100)),
        Case("scores around 2000", draw(4, mean=2000)),
        Case("scores around -2000", draw(4, mean=-2000)),
    ]


def _cross_entropy(generator: Generator) -> list[Case]:
    def draw(num: int, label: int, low: float, high: float) -> tuple[Any, ...]:
        """Probabilities of which the label gets one between low and high."""
        share = generator.uniform(low, high)
        others = generator.uniform(0.2, 1, num - 1)
        probabilities = np.insert(others / others.sum() * (1 - share), label, share)
        return probabilities, label

    between = int(generator.integers(1, 9))
    return [
        Case("two classes", draw(2, int(generator.integers(2)), 0.2, 0.8)),
        Case("ten classes", draw(10, between, 0.2, 0.4)),
        Case("the first class", draw(5, 0, 0.1, 0.3)),
        Case("the last class", draw(5, 4, 0.1, 0.3)),
        Case("sure and right", draw(10, between, 0.8, 0.95)),
        Case("sure and wrong", draw(3, 1, 0.005, 0.02)),
    ]


def _receptive_field(generator: Generator) -> list[Case]:
    def draw(*strides: int) -> tuple[Any, ...]:
        kernels = generator.choice([2, 3, 5], len(strides))
        return ([(int(kernel), stride) for kernel, stride in zip(kernels, strides, strict=True)],)

    return [
        Case("convolutions alone", draw(1, 1, 1)),
        Case("a pooling between convolutions", draw(1, 2, 1)),
        Case("a pooling at the end", draw(1, 1, 2)),
        Case("poolings and convolutions take turns", draw(2, 1, 2, 1)),
        Case("strides of three", draw(3, 1, 3, 1)),
        Case("many layers", draw(1, 1, 2, 1, 1, 2, 1, 1, 2, 1)),
    ]


# Lesson 3: training


def _step(generator: Generator) -> list[Case]:
    def draw(sign: int, low: float, high: float) -> tuple[Any, ...]:
        weight, gradient = generator.uniform(1, 5, 2)
        return float(weight), float(sign * gradient), float(generator.uniform(low, high))

    weight, gradient, rate = draw(1, 0.1, 0.5)
    return [
        Case("a gradient above zero", draw(1, 0.1, 0.5)),
        Case("a gradient below zero", draw(-1, 0.1, 0.5)),
        Case("a weight below zero", (-weight, gradient, rate)),
        Case("a small learning rate", draw(1, 0.001, 0.01)),
        Case("a learning rate above one", draw(-1, 1.2, 2)),
    ]


def _best_epoch(generator: Generator) -> list[Case]:
    def draw(best: int, num: int) -> np.ndarray:
        """Losses that fall until the best epoch, counted from 0, and rise after it."""
        distances = np.abs(np.arange(num) - best)
        return 0.5 + 0.1 * distances + generator.uniform(0, 0.04, num)

    noisy = generator.permutation(generator.uniform(0.5, 2, 40))
    return [
        Case("the loss rises again", (draw(int(generator.integers(3, 9)), 12),)),
        Case("it rises late", (draw(int(generator.integers(20, 28)), 30),)),
        Case("it still falls", (draw(6, 7),)),
        Case("a noisy curve", (noisy,)),
        Case("a list", (draw(int(generator.integers(2, 6)), 8).tolist(),)),
        Case("losses below zero", (draw(int(generator.integers(2, 6)), 8) - 5,)),
    ]


def _accuracy(generator: Generator) -> list[Case]:
    def draw(num: int, num_right: int, num_classes: int, share: float) -> tuple[Any, ...]:
        """The most probable class gets the share, more than any other one gets."""
        labels = generator.integers(num_classes, size=num)
        wrong = generator.permutation(num)[num_right:]
        predictions = labels.copy()
        predictions[wrong] += generator.integers(1, num_classes, len(wrong))
        probabilities = generator.uniform(0.9, 1, (num, num_classes))
        probabilities[np.arange(num), predictions % num_classes] = 0
        probabilities *= (1 - share) / probabilities.sum(axis=1, keepdims=True)
        probabilities[probabilities == 0] = share
        return labels, probabilities

    return [
        Case("a sure network", draw(31, int(generator.integers(15, 28)), 5, 0.8)),
        Case("a network that is never sure", draw(31, int(generator.integers(5, 28)), 5, 0.3)),
        Case("two classes", draw(17, int(generator.integers(3, 15)), 2, 0.7)),
        Case("mostly wrong", draw(40, int(generator.integers(1, 6)), 10, 0.4)),
        Case("mostly right", draw(40, int(generator.integers(35, 40)), 10, 0.4)),
        Case("many pictures", draw(201, int(generator.integers(50, 150)), 10, 0.2)),
    ]


def _num_pictures(generator: Generator) -> list[Case]:
    def draw(accuracy: float, low: int, high: int, fraction: float) -> tuple[Any, ...]:
        """An accuracy and a margin for which the number of pictures has about this fraction."""
        accuracy += generator.uniform(-0.02, 0.02)
        number = generator.integers(low, high) + fraction + generator.uniform(-0.1, 0.1)
        margin = 1.96 * math.sqrt(accuracy * (1 - accuracy) / number)
        return float(accuracy), float(margin)

    return [
        Case("an accuracy of about one half", draw(0.5, 500, 2000, 0.7)),
        Case("an accuracy near one", draw(0.95, 500, 2000, 0.7)),
        Case("a low accuracy", draw(0.15, 500, 2000, 0.7)),
        Case("a wide margin", draw(0.7, 20, 60, 0.7)),
        Case("a narrow margin", draw(0.8, 20_000, 60_000, 0.7)),
        Case("a little more than a whole number", draw(0.6, 100, 400, 0.3)),
    ]


def _worst_class(generator: Generator) -> list[Case]:
    words = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
        "lynx",
        "mule",
    ]

    def draw(sizes: list[int], shares: list[float], confused: bool = False) -> tuple[Any, ...]:
        """Classes of these sizes, of which these shares are recognised, in any order.

        The first of them, which is the worst, never becomes the first. The others' mistakes go to
        it if they are confused with it, so that it is predicted most often.
        """
        num = len(sizes)
        order = generator.permutation(num)
        if order[0] == 0:
            order[[0, 1]] = order[[1, 0]]
        numbers = np.argsort(order)  # where each of them went
        labels = np.repeat(numbers, sizes)
        predictions = labels.copy()
        ends = np.cumsum(sizes)
        for number, size, share, end in zip(numbers, sizes, shares, ends, strict=True):
            num_wrong = size - round(size * share)
            others = np.setdiff1d(np.arange(num), [number])
            target = numbers[:1] if confused and number != numbers[0] else others
            predictions[end - num_wrong : end] = generator.choice(target, num_wrong)
        mixed = generator.permutation(len(labels))
        names = tuple(generator.permutation(words)[:num].tolist())
        return labels[mixed], predictions[mixed], names

    return [
        Case("three classes", draw([10, 10, 10], [0.4, 0.8, 0.9])),
        Case("ten classes", draw([20] * 10, [0.5] + [0.7, 0.8, 0.9] * 3)),
        Case("the commonest class is the worst", draw([40, 10, 10, 10], [0.3, 0.5, 0.6, 0.7])),
        Case("the rarest class is the worst", draw([5, 40, 50, 60], [0.2, 0.6, 0.7, 0.7])),
        Case("the worst class is predicted often", draw([20] * 4, [0.5, 0.6, 0.6, 0.6], True)),
        Case("never recognised", draw([8, 20, 20], [0, 0.9, 0.5])),
    ]


def _learning_rate(generator: Generator) -> list[Case]:
    highest = float(generator.uniform(0.05, 1))
    early, late = int(generator.integers(1, 19)), int(generator.integers(30, 90))
    return [
        Case("in the warm-up", (early, 100, highest, 0.2)),
        Case("the first step", (1, 40, highest, 0.25)),
        Case("at the end of the warm-up", (20, 80, 3 * highest, 0.25)),
        Case("on the way down", (late, 100, highest, 0.2)),
        Case("shortly before the end", (39, 40, highest, 0.3)),
        Case("no warm-up", (late, 100, highest, 0.0)),
        Case("a long training", (late * 100, 10_000, highest, 0.1)),
    ]


def _normalise(generator: Generator) -> list[Case]:
    def draw(num: int, num_features: int) -> np.ndarray:
        scale = generator.uniform(0.5, 20, num_features)
        return generator.normal(generator.uniform(-9, 9), scale, (num, num_features))

    two = draw(2, 3)
    two[1] = two[0] + generator.choice([-1, 1], 3) * generator.uniform(1, 9, 3)
    constant = draw(6, 3)
    constant[:, int(generator.integers(3))] = float(generator.integers(1, 9))
    return [
        Case("several features", (draw(12, 4), 1e-9)),
        Case("a single feature", (draw(9, 1), 1e-9)),
        Case("more features than pictures", (draw(5, 20), 1e-9)),
        Case("two pictures", (two, 1e-9)),
        Case("many pictures", (draw(300, 3), 1e-9)),
        Case("a feature that never changes", (constant, 1e-3)),
        Case("a large epsilon", (draw(10, 4), float(generator.uniform(2, 5)))),
    ]


# Lesson 4: ethics, measured


def _consistency(generator: Generator) -> list[Case]:
    def draw(num: int, num_same: int) -> tuple[Any, ...]:
        first = generator.integers(10, size=num)
        second = first.copy()
        different = generator.permutation(num)[num_same:]
        second[different] += generator.integers(1, 10, len(different))
        return first, second % 10

    return [
        Case("about half of them agree", draw(40, int(generator.integers(15, 25)))),
        Case("few agree", draw(40, int(generator.integers(2, 8)))),
        Case("most agree", draw(40, int(generator.integers(32, 38)))),
        Case("few pictures", draw(7, int(generator.integers(2, 6)))),
        Case("many pictures", draw(1000, int(generator.integers(510, 700)))),
    ]


def _gap(generator: Generator) -> list[Case]:
    def draw(names: str, sizes: list[int], shares: list[float]) -> tuple[Any, ...]:
        """Groups of these sizes, in which these shares are right, all mixed."""
        labels = generator.integers(10, size=sum(sizes))
        predictions = labels.copy()
        for end, size, share in zip(np.cumsum(sizes), sizes, shares, strict=True):
            num_wrong = size - round(size * share)
            predictions[end - num_wrong : end] += generator.integers(1, 10, num_wrong)
        mixed = generator.permutation(len(labels))
        groups = np.repeat(list(names), sizes)
        return labels[mixed], predictions[mixed] % 10, groups[mixed]

    low, high = float(generator.uniform(0.6, 0.7)), float(generator.uniform(0.85, 0.95))
    between = [(2 * low + high) / 3, (low + 2 * high) / 3]
    return [
        Case("the first group is served better", draw("AB", [40, 40], [high, low])),
        Case("the second group is served better", draw("AB", [40, 40], [low, high])),
        Case("a small group is served worst", draw("AB", [100, 9], [high, low])),
        Case("three groups", draw("xyz", [30, 40, 50], [between[0], low, high])),
        Case("many groups", draw("stuvwx", [30] * 6, [high, *between, low, *between])),
        Case("nobody in a group is right", draw("KLM", [20, 10, 20], [high, 0.0, low])),
    ]


def _overall_error(generator: Generator) -> list[Case]:
    def draw(*counts: int) -> tuple[Any, ...]:
        """Errors in per cent, in rising order as are the counts, so that the mean is too low."""
        errors = np.sort(generator.uniform(1, 40, len(counts))).round(1)
        return errors, generator.multinomial(50, [1 / len(counts)] * len(counts)) + np.array(counts)

    errors, counts = draw(100, 300, 900)
    twice, rare = draw(1000, 2000), draw(100, 5000)
    return [
        Case("two groups", twice),
        Case("one group is much larger", rare),
        Case("groups of one size", (errors, np.full(3, int(generator.integers(20, 90))))),
        Case("lists", (errors.tolist(), counts.tolist())),
        Case("a group without errors", (np.array([0.0, *errors]), np.array([70, *counts]))),
        Case("many groups", draw(*range(100, 2000, 200))),
    ]


def _possible_counts(generator: Generator) -> list[Case]:
    def draw(low: int, high: int, shift: float = 0) -> tuple[Any, ...]:
        """A percentage of an odd number, which keeps clear of ties in rounding.

        A shift of one half lies between the percentages that two neighbouring counts give.
        """
        n = 2 * int(generator.integers(low // 2, high // 2)) + 1
        count = int(generator.integers(n // 5, n // 2))
        return round(100 * (count + shift) / n, 1), n

    return [
        Case("a small group", draw(7, 30)),
        Case("a group of hundreds", draw(200, 900)),
        Case("no count fits", draw(7, 90, 0.5)),
        Case("several counts fit", draw(3000, 5000)),
        Case("many counts fit", draw(8000, 9000)),
        Case("nobody", (0.0, draw(3000, 5000)[1])),
    ]


PROBES: dict[str, Probe] = {
    "1.1": Probe(_class_shares, 1e-6, _read_numbers),
    "1.2": Probe(_scale, 1e-6, _read_typed_numbers, keep_arguments=True),
    "1.3": Probe(_one_hot, 1e-6, _read_numbers),
    "1.4": Probe(_num_duplicates, 0, _read_whole_number),
    "1.5": Probe(_nearest_mean, 0, _read_whole_number),
    "2.1": Probe(_convolve, 1e-6, _read_numbers),
    "2.2": Probe(_num_parameters, 1e-6, _read_numbers),
    "2.3": Probe(_max_pool, 1e-6, _read_numbers),
    "2.4": Probe(_softmax, 1e-6, _read_numbers),
    "2.5": Probe(_cross_entropy, 1e-4, _read_numbers),  # some add 1e-7 against the log of 0
    "2.6": Probe(_receptive_field, 1e-6, _read_numbers),
    "3.1": Probe(_step, 1e-6, _read_numbers),
    "3.2": Probe(_best_epoch, 0, _read_whole_number),
    "3.3": Probe(_accuracy, 1e-6, _read_numbers),
    "3.4": Probe(_num_pictures, 1e-6, _read_numbers),
    "3.5": Probe(_worst_class, 0, _read_text),
    "3.6": Probe(_learning_rate, 1e-6, _read_numbers),
    "3.7": Probe(_normalise, 1e-6, _read_numbers),
    "4.1": Probe(_consistency, 1e-6, _read_numbers),
    "4.2": Probe(_gap, 1e-6, _read_numbers),
    "4.3": Probe(_overall_error, 1e-6, _read_numbers),
    "4.4": Probe(_possible_counts, 0, _read_whole_numbers),
}
