"""Random inputs tell right answers from wrong ones and from half right ones, whatever the seed."""

import hashlib
import json
import math
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course_utils.exercises import CHECKS, emit
from course_utils.exercises.probes import GRADED, PROBES, collect_answers
from course_utils.exercises.probing import Case, Probe
from course_utils.exercises.publishing import MIME_TYPE, SEED_VARIABLE
from course_utils.grading.judge.comparison import compare, parse_emission
from tests.exercises import remedies

LESSONS = sorted(Path(__file__).parents[2].glob("notebooks/*.ipynb"))

seeds = st.integers(0, 2**63)
some_seeds = settings(max_examples=12)
each_exercise = pytest.mark.parametrize("exercise", PROBES)


SIGNING = {
    "hashlib": hashlib,
    "json": json,
    "InvalidSignature": InvalidSignature,
    "Ed25519PublicKey": Ed25519PublicKey,
}


def read_solutions():
    """The lessons' own solutions, by exercise."""
    solutions = {}
    for lesson in LESSONS:
        cells = nbformat.read(lesson, as_version=4).cells
        for cell, check in pairwise(cells):
            if cell.metadata.get("nbgrader", {}).get("solution"):
                exercise, name = re.match(r'check\("(.+)", (\w+)\)', check.source).groups()
                if exercise in GRADED:
                    continue  # see test_graded
                namespace = {"np": np, "math": math, **SIGNING}
                exec(cell.source, namespace)
                solutions[exercise] = namespace[name]
    return solutions


SOLUTIONS = read_solutions()


def loop_convolve(plane, kernel):
    height, width = plane.shape
    result = np.zeros((height - 2, width - 2))
    for row in range(3):
        for column in range(3):
            result += (
                kernel[row, column] * plane[row : row + height - 2, column : column + width - 2]
            )
    return result


def count_pictures(accuracy, margin):
    num = 1
    while 1.96 * math.sqrt(accuracy * (1 - accuracy) / num) > margin:
        num += 1
    return num


def loop_worst_class(labels, predictions, class_names):
    right, seen = dict.fromkeys(class_names, 0), dict.fromkeys(class_names, 0)
    for label, prediction in zip(labels, predictions, strict=True):
        seen[class_names[label]] += 1
        right[class_names[label]] += bool(label == prediction)
    return min(class_names, key=lambda name: right[name] / seen[name])


def loop_gap(labels, predictions, groups):
    found = {}
    for label, prediction, group in zip(labels, predictions, groups, strict=True):
        found.setdefault(group, []).append(label == prediction)
    shares = sorted(sum(right) / len(right) for right in found.values())
    return shares[-1] - shares[0]


def judge_by_distance(low, high, margin):
    farthest, nearest = max(abs(low), abs(high)), 0 if low <= 0 <= high else 1
    return "small" if farthest < margin else ["not found", "found"][nearest]


def max_pool_by_slices(plane):
    corners = [plane[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return np.max(corners, axis=0)


def count_duplicates(images):
    images = images.tolist()
    return sum(image in images[:number] for number, image in enumerate(images))


def field_from_the_end(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def interpolated_rate(step, num_steps, highest, warm_up):
    corners = ([0, warm_up, 1], [0, highest, 0]) if warm_up else ([0, 1], [highest, 0])
    return float(np.interp(step / num_steps, *corners))


def verify_in_another_order(picture, claim, signature, key):
    bound = hashlib.sha256(picture).hexdigest().encode() in claim
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, claim)
    except InvalidSignature:
        return "claim changed"
    return ("picture changed", "valid")[bound]


def find_by_trying(members, others, fpr):
    allowed = [one for one in (-np.inf, *others) if np.mean(others > one) <= fpr]
    return max(np.mean(members > one) for one in allowed)


def stay_one_by_one(owners, copy_of, person):
    return [
        owner != person and (copied < 0 or owners[copied] != person)
        for owner, copied in zip(owners, copy_of, strict=True)
    ]


OTHER_WAYS = {
    **remedies.OTHER_WAYS,
    "1.1": lambda labels, n: [float((labels == label).mean()) for label in range(n)],
    "1.2": lambda images: np.divide(images, np.float32(255), dtype=np.float32),
    "1.3": lambda labels, n: [[int(label == one) for one in range(n)] for label in labels],
    "1.4": count_duplicates,
    "1.5": lambda image, means: min(
        range(len(means)), key=lambda label: np.linalg.norm(means[label] - image)
    ),
    "2.1": loop_convolve,
    "2.2": lambda side, channels, filters: filters * channels * side**2 + filters,
    "2.3": max_pool_by_slices,
    "2.4": lambda x: 1 / np.exp(x[None] - x[:, None]).sum(axis=1),
    "2.5": lambda p, label: math.log(1 / (p[label] + 1e-7)),
    "2.9": field_from_the_end,
    "3.1": lambda weight, gradient, learning_rate: weight + -gradient * learning_rate,
    "3.3": lambda losses: sorted(zip(losses, range(1, 99), strict=False))[0][1],
    "3.13": lambda labels, p: (
        sum(int(np.argmax(row)) == y for row, y in zip(p, labels, strict=True)) / len(p)
    ),
    "3.14": count_pictures,
    "3.15": loop_worst_class,
    "3.16": interpolated_rate,
    "3.17": lambda values, epsilon: np.column_stack(
        [(one - one.mean()) / (one.var() + epsilon) ** 0.5 for one in values.T]
    ),
    "4.1": lambda a, b: 1 - np.count_nonzero(a - b) / len(a),
    "4.2": judge_by_distance,
    "4.3": loop_gap,
    "4.8": lambda errors, counts: sum(
        error * count for error, count in zip(errors, counts, strict=True)
    )
    / sum(counts),
    "4.9": lambda percent, n: np.flatnonzero(np.round(100 / n * np.arange(n + 1), 1) == percent),
    "4.10": lambda lows, highs: (np.sign(lows) == np.sign(highs)).mean(),
    "4.11": lambda errors: float(np.percentile([max(row) - min(row) for row in errors], 95)),
    "4.12": lambda cats, let_in: np.array(
        [let_in.sum() / len(cats), (cats & let_in).sum() / cats.sum(),
         (~cats & let_in).sum() / (~cats).sum(), (cats & let_in).sum() / let_in.sum()]
    ),
    "5.6": verify_in_another_order,
    "4.14": lambda results, first, second: [
        value - results[second, seed]
        for (name, seed), value in sorted(results.items())
        if name == first and (second, seed) in results
    ],
    "5.1": lambda p, y, t: [bool(row[k] >= t) for row, k in zip(p, y, strict=True)],
    "5.2": find_by_trying,
    "5.3": lambda x, a, b: (
        math.log(np.std(b) / np.std(a))
        + ((x - np.mean(b)) / np.std(b)) ** 2 / 2
        - ((x - np.mean(a)) / np.std(a)) ** 2 / 2
    ),
    "5.4": stay_one_by_one,
    "5.5": lambda image, g, size: np.minimum(
        np.maximum(image + g * (size * math.sqrt(g.size) / np.linalg.norm(g)), 0), 255
    ),
}  # fmt: skip


def precision(labels, predictions, names):
    shares = [np.mean(labels[predictions == i] == i) for i in range(len(names))]
    return names[int(np.nanargmin(shares))]


def most_mistakes(labels, predictions, names):
    return names[int(np.bincount(labels[labels != predictions], minlength=len(names)).argmax())]


def find_first(low, high, margin):
    if low > 0 or high < 0:
        return "found"
    return "small" if -margin < low and high < margin else "not found"


def find_above(low, high, margin):
    return judge_by_distance(low, high, margin) if low > 0 or high > 0 else "small"


def find_beyond(low, high, margin):
    if max(-low, high) < margin:
        return "small"
    return "found" if low > margin or high < -margin else "not found"


def late_field(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


def true_class(probabilities, labels):
    return probabilities[np.arange(len(labels)), labels]


def log_density(x, values, ddof=0):
    spread = np.std(values, ddof=ddof)
    return -np.log(spread) - ((x - np.mean(values)) / spread) ** 2 / 2


def unit_step(gradient):
    return gradient / np.sqrt(np.mean(gradient**2))


def divide_in_place(images):
    scaled = images.astype("float32") / 255
    images[:] = 0
    return scaled


# What learners do: those that are right by accident at most, and those that are right in part.
WRONG = {
    **remedies.WRONG,
    "1.1": [
        lambda labels, n: np.bincount(labels, minlength=n),
        lambda labels, n: 100 * np.bincount(labels, minlength=n) / len(labels),
    ],
    "1.2": [
        lambda x: x / 255,
        lambda x: (x / 256).astype("float32"),
        lambda x: x // 255,
        lambda x: (x.astype("float32") / 255).tolist(),
        divide_in_place,
    ],
    "1.3": [
        lambda labels, n: labels,
        lambda labels, n: np.eye(n)[labels].T,
        lambda labels, n: np.eye(n),
    ],
    "1.4": [lambda images: len(images) - 1, lambda images: len(np.unique(images))],
    "1.5": [
        lambda image, means: int(np.argmax(((means - image) ** 2).sum(axis=(1, 2, 3)))),
        lambda image, means: float(np.argmin(((means - image) ** 2).sum(axis=(1, 2, 3)))),
    ],
    "2.1": [
        lambda plane, kernel: plane,
        lambda plane, kernel: np.zeros((plane.shape[0] - 2, plane.shape[1] - 2)),
        lambda plane, kernel: loop_convolve(np.pad(plane, 1), kernel),
    ],
    "2.2": [lambda s, c, f: s * s * c * f, lambda s, c, f: s * c * f + f + 1],
    "2.3": [lambda plane: plane.max(), lambda plane: loop_convolve(plane, np.ones((3, 3)))],
    "2.4": [lambda x: x / x.sum(), lambda x: x.max()],
    "2.5": [lambda p, label: -np.log2(p[label]), lambda p, label: 1 - p[label]],
    "2.9": [
        lambda layers: math.prod(kernel for kernel, stride in layers),
        lambda layers: field_from_the_end(layers) - 1,
    ],
    "3.1": [lambda w, g, r: w + r * g, lambda w, g, r: w - g],
    "3.3": [lambda losses: int(np.argmin(losses)), lambda losses: float(np.argmin(losses) + 1)],
    "3.13": [
        lambda y, p: int((p.argmax(axis=1) == y).sum()),
        lambda y, p: np.mean(p.argmax(axis=1) != y) - 1,
    ],
    "3.14": [lambda p, m: int(1.96**2 * p * (1 - p) / m**2), lambda p, m: math.ceil(1 / m**2)],
    "3.15": [lambda y, p, names: 0],
    "3.16": [lambda step, num_steps, highest, warm_up: highest * 2],
    "3.17": [lambda values, epsilon: values - values.mean(axis=0)],
    "4.1": [lambda a, b: (a == b).sum(), lambda a, b: 1.0, lambda a, b: np.mean(a != b) + 1],
    "4.2": [
        lambda low, high, margin: "small" if low <= 0 <= high else "found",
        lambda low, high, margin: "found" if low > 0 else "not found",
        lambda low, high, margin: judge_by_distance(low, high, margin).title(),
        lambda low, high, margin: ["small", "found", "not found"][int(1e4 * low) % 3],
    ],
    "4.3": [lambda y, p, g: 0.0, lambda y, p, g: float(np.mean(y == p)) + 1],
    "4.8": [lambda e, n: np.sum(np.multiply(e, n)), lambda e, n: sum(e)],
    "4.9": [lambda percent, n: [percent], lambda percent, n: n],
    "4.10": [lambda lows, highs: 0.5, lambda lows, highs: np.mean(lows <= 0) - 1],
    "4.11": [lambda errors: errors.mean(), lambda errors: np.ptp(errors, axis=1)],
    "4.12": [lambda cats, let_in: let_in.mean(), lambda cats, let_in: [0.5, 0.5, 0.5, 0.5]],
    "4.14": [lambda results, first, second: [], lambda results, first, second: [0.0] * 3],
    "5.6": [lambda *arguments: "valid", lambda *arguments: "claim changed"],
    "5.1": [
        lambda p, y, t: true_class(p, y) < t,
        lambda p, y, t: true_class(p, y),
        lambda p, y, t: p[:, y] >= t,
        lambda p, y, t: p.argmax(axis=1) == y,
    ],
    "5.2": [
        lambda m, o, fpr: np.sum(m > np.sort(o)[::-1][int(fpr * len(o))]),
        lambda m, o, fpr: np.mean(m > np.sort(o)[int(fpr * len(o))]),
        lambda m, o, fpr: np.mean(o > np.sort(m)[::-1][int(fpr * len(m))]),
    ],
    "5.3": [
        lambda x, a, b: np.exp(log_density(x, a) - log_density(x, b)),
        lambda x, a, b: log_density(x, b) - log_density(x, a),
        lambda x, a, b: log_density(x, a),
    ],
    "5.4": [
        lambda owners, copy_of, person: owners == person,
        lambda owners, copy_of, person: np.flatnonzero(owners != person),
    ],
    "5.5": [
        lambda image, g, size: np.clip(image - size * unit_step(g), 0, 255),
        lambda image, g, size: np.clip(image + unit_step(g), 0, 255),
        lambda image, g, size: np.clip(image + size * g / np.sqrt(np.sum(g**2)), 0, 255),
    ],
}
PARTLY_RIGHT = {
    **remedies.PARTLY_RIGHT,
    "1.1": [
        lambda labels, n: np.bincount(labels) / len(labels),
        lambda labels, n: np.unique(labels, return_counts=True)[1] / len(labels),
    ],
    "1.2": [lambda x: (x / x.max()).astype("float32")],
    "1.3": [lambda labels, n: np.eye(labels.max() + 1)[labels]],
    "1.4": [
        lambda images: int((images[1:] == images[:-1]).all(axis=(1, 2, 3)).sum()),
        lambda images: len({image.tobytes() for image in images}) - 3,
    ],
    "1.5": [lambda image, means: int(np.argmin(np.abs(means - image).sum(axis=(1, 2, 3))))],
    "2.1": [lambda plane, kernel: loop_convolve(plane, kernel[::-1, ::-1])],
    "2.2": [lambda s, c, f: s * s * f + f, lambda s, c, f: s * s * c * f + 1],
    "2.3": [
        lambda plane: plane[1::2, 1::2],
        lambda plane: np.maximum(max_pool_by_slices(plane), 0),
    ],
    "2.4": [lambda x: np.exp(x) / np.exp(x).sum()],
    "2.5": [lambda p, label: -np.log(p.max()), lambda p, label: -np.log(p[-1])],
    "2.9": [late_field, lambda layers: 1 + sum(kernel - 1 for kernel, stride in layers)],
    "3.1": [lambda w, g, r: abs(w) - r * g, lambda w, g, r: w - r * abs(g)],
    "3.3": [len, lambda losses: int(losses.argmin()) + 1],
    "3.13": [lambda y, p: np.mean(p[np.arange(len(y)), y] > 0.5)],
    "3.14": [lambda p, m: round(1.96**2 * p * (1 - p) / m**2)],
    "3.15": [most_mistakes, precision],
    "3.16": [
        lambda step, num_steps, highest, warm_up: highest,
        lambda step, num_steps, highest, warm_up: highest * (1 - step / num_steps),
        lambda step, num_steps, highest, warm_up: (
            highest * min(step / num_steps / warm_up, (1 - step / num_steps) / (1 - warm_up))
        ),
    ],
    "3.17": [
        lambda values, epsilon: (values - values.mean()) / np.sqrt(values.var() + epsilon),
        lambda values, epsilon: (values - values.mean(axis=0)) / values.std(axis=0),
    ],
    "4.1": [lambda a, b: 0.5 if len(a) < 40 else np.mean(a == b)],
    "4.2": [find_first, find_above, find_beyond],
    "4.3": [
        lambda y, p, g: np.ptp([np.mean((y == p)[g == one]) for one in np.unique(g)[:2]]),
        lambda y, p, g: np.mean((y == p)[g == "A"]) - np.mean((y == p)[g == "B"]),
    ],
    "4.8": [lambda e, n: np.mean(e), lambda e, n: (e * n).sum() / n.sum()],
    "4.9": [lambda percent, n: [round(percent * n / 100)], lambda percent, n: []],
    "4.10": [lambda lows, highs: np.mean((lows > 0) | (highs < 0)) if len(lows) < 100 else 0.0],
    "4.11": [lambda errors: np.quantile(np.ptp(errors[:, :5], axis=1), 0.95)],
    "4.12": [
        lambda cats, let_in: [
            let_in.mean(),
            let_in[cats].mean(),
            let_in[~cats].mean() if let_in.mean() < 0.5 else 0,
            cats[let_in].mean(),
        ]
    ],
    "4.14": [
        lambda results, first, second: [
            results[first, seed] - results[second, seed]
            for seed in sorted({seed for name, seed in results if name == first})
        ]
    ],
    "5.6": [
        lambda picture, claim, signature, key: (
            "valid"
            if json.loads(claim)["sha256"] == hashlib.sha256(picture).hexdigest()
            else "picture changed"
        )
    ],
    "5.1": [lambda p, y, t: true_class(p, y) > t],
    "5.2": [
        lambda m, o, fpr: np.mean(m > o.max()),
        lambda m, o, fpr: np.mean(m >= np.sort(o)[::-1][int(fpr * len(o))]),
        lambda m, o, fpr: np.mean(m > np.sort(o)[::-1][math.ceil(fpr * len(o))]),
    ],
    "5.3": [
        lambda x, a, b: (
            (((x - np.mean(b)) / np.std(b)) ** 2 - ((x - np.mean(a)) / np.std(a)) ** 2) / 2
        ),
    ],
    "5.4": [
        lambda owners, copy_of, person: owners != person,
        lambda owners, copy_of, person: ~((owners == person) | (owners == person)[copy_of]),
        lambda owners, copy_of, person: (owners != person) & (copy_of < 0),
    ],
    "5.5": [
        lambda image, g, size: image + size * unit_step(g),
        lambda image, g, size: np.clip(image + size * g, 0, 255),
    ],
}


def read_back(exercise, answer, seed):
    """What the grader reads of an emission."""
    answers = collect_answers(exercise, answer, seed=seed)
    text = json.dumps({"exercise": exercise, "answers": answers}, allow_nan=False)
    return parse_emission(text).answers


def num_right(exercise, answer, seed):
    expected, found = (read_back(exercise, one, seed) for one in (SOLUTIONS[exercise], answer))
    results = compare(expected, found, tolerance=PROBES[exercise].tolerance)
    return sum(result.passed for result in results)


def num_cases(exercise):
    return len(PROBES[exercise].cases(np.random.default_rng(0)))


def not_done(*arguments):
    raise NotImplementedError("Replace this line by your code.")


def test_every_exercise_has_a_probe_and_every_probe_its_mistakes():
    for table in (SOLUTIONS, OTHER_WAYS, WRONG, PARTLY_RIGHT):
        assert table.keys() == PROBES.keys()
    assert CHECKS.keys() == PROBES.keys() | GRADED.keys()
    assert not PROBES.keys() & GRADED.keys()


@each_exercise
@some_seeds
@given(seed=seeds)
def test_a_probe_has_several_different_cases_and_the_same_for_the_same_seed(exercise, seed):
    one, again, other = (
        PROBES[exercise].cases(np.random.default_rng([one])) for one in (seed, seed, seed + 1)
    )
    names = [case.name for case in one]
    assert 5 <= len(names) <= 8
    assert len(set(names)) == len(names)
    assert [case.name for case in other] == names
    assert repr(one) == repr(again) != repr(other)


@each_exercise
@some_seeds
@given(seed=seeds)
def test_the_solution_always_has_an_answer_that_can_be_compared(exercise, seed):
    for answer in read_back(exercise, SOLUTIONS[exercise], seed):
        assert answer.kind in {"number", "array", "text", "list"}, answer
        assert all(math.isfinite(item) for item in answer.items if not isinstance(item, str))


@each_exercise
@some_seeds
@given(seed=seeds)
def test_an_answer_that_is_right_in_another_way_is_right_in_every_case(exercise, seed):
    assert num_right(exercise, OTHER_WAYS[exercise], seed) == num_cases(exercise)


@each_exercise
@some_seeds
@given(seed=seeds)
def test_mistakes_are_right_by_accident_at_most(exercise, seed):
    for answer in WRONG[exercise]:
        assert num_right(exercise, answer, seed) <= 1


@each_exercise
@some_seeds
@given(seed=seeds)
@example(seed=120_491_525_506_402)  # once drew no label of the last class for 1.3
def test_answers_that_are_right_in_part_are_told_from_right_ones(exercise, seed):
    for answer in PARTLY_RIGHT[exercise]:
        assert 0 < num_right(exercise, answer, seed) < num_cases(exercise)


@each_exercise
@some_seeds
@given(seed=seeds)
@example(seed=13540)  # once drew two shares of a half for 4.1
def test_an_answer_that_does_not_look_at_its_input_gets_next_to_nothing(exercise, seed):
    for value in (None, 0, 1, 0.0, 0.5, "", [], [0], True, np.zeros(3)):
        assert num_right(exercise, lambda *arguments, value=value: value, seed) <= 1


def pick(place, where):
    """An answer that hands back one of its inputs, or an item of it."""

    def answer(*arguments):
        given = arguments[place % len(arguments)]
        return where(given)

    return answer


GUESSES = {
    **{f"always {value!r}": lambda *_, value=value: value for value in (0, 1, 2, 3, 0.5, 1.0)},
    **{f"always {value!r}": lambda *_, value=value: value for value in ("", [], [0], True)},
    **{f"always {word}": lambda *_, word=word: word for word in ("small", "found", "not found")},
    **{
        f"{name} of input {place}": pick(place, where)
        for place in range(4)
        for name, where in {
            "all": lambda given: given,
            "first": lambda given: given[0],
            "second": lambda given: given[1],
            "last": lambda given: given[-1],
            "middle": lambda given: given[len(given) // 2],
            "any": lambda given: given[int(np.random.default_rng().integers(len(given)))],
            "length": len,
            "largest": max,
            "place of the largest": lambda given: int(np.argmax(given)),
            "nothing like": lambda given: np.zeros_like(np.asarray(given, dtype=float)),
        }.items()
    },
}
CHANCE = 0.2  # of a sixth of the cases, and what luck adds to that in twenty batches


@each_exercise
def test_no_guess_earns_more_than_chance_would(exercise):
    for name, answer in GUESSES.items():
        shares = [num_right(exercise, answer, seed) / num_cases(exercise) for seed in range(20)]
        assert np.mean(shares) <= CHANCE, name


@each_exercise
def test_what_is_not_done_is_an_error_in_every_case(exercise):
    for answer in collect_answers(exercise, not_done, seed=1):
        assert answer["kind"] == "error"
        assert answer["error"].startswith("NotImplementedError: ")


@each_exercise
def test_an_answer_cannot_change_the_inputs_of_the_next_case(exercise):
    def spoil(*arguments):
        found = SOLUTIONS[exercise](*arguments)
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument.fill(0)
        return found

    right = 0 if PROBES[exercise].keep_arguments else num_cases(exercise)
    assert num_right(exercise, spoil, 3) == right


class Rude(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError


class Unreadable:
    def __init__(self, *arguments):
        pass

    def __array__(self, *arguments, **options):
        raise Rude


def endless(*arguments):
    return endless(*arguments)


def leave(*arguments):
    sys.exit()


def raise_rude(*arguments):
    raise Rude


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(),
    lambda one: st.lists(one) | st.tuples(one, one) | st.dictionaries(st.text(), one),
    max_leaves=8,
)


@each_exercise
@some_seeds
@given(value=values)
def test_whatever_an_answer_returns_can_be_read(exercise, value):
    assert len(read_back(exercise, lambda *arguments: value, 0)) == num_cases(exercise)


@each_exercise
@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        endless,
        leave,
        raise_rude,
        lambda: None,
        Unreadable,
        lambda *arguments: np.zeros((1,) * 20),
        lambda *arguments: np.zeros((0, 10**9)),
        lambda *arguments: np.zeros(10**5),
        lambda *arguments: range(10**12),
        lambda *arguments: 10**5000,
        lambda *arguments: [10**5000],
        lambda *arguments: "x" * 10**7,
        lambda *arguments: [["x"]],
        lambda *arguments: float("nan"),
        lambda *arguments: np.array([np.inf, -np.inf]),
        lambda *arguments: np.datetime64("2020-01-01"),
        lambda *arguments: lambda: 0,
    ],
)
def test_no_answer_stops_the_others_or_sends_much(exercise, answer):
    answers = collect_answers(exercise, answer, seed=0)
    assert len(json.dumps(answers)) < 10_000
    assert num_right(exercise, answer, 0) <= 1
    assert len(read_back(exercise, answer, 0)) == num_cases(exercise)


def test_what_is_worth_saying_about_an_answer_is_said():
    def case(exercise, answer):
        return collect_answers(exercise, answer, seed=0)[0] | {"case": ""}

    nothing = {"case": "", "dtype": None, "shape": None, "value": None, "error": None}
    assert case("3.1", lambda *_: None) == nothing | {"kind": "none"}
    assert case("3.1", lambda *_: np.float32(2)) == nothing | {
        "kind": "number",
        "shape": [],
        "value": 2.0,
    }
    assert case("3.17", lambda *_: [[1, math.nan, math.inf]]) == nothing | {
        "kind": "array",
        "shape": [1, 3],
        "value": [[1.0, "nan", "inf"]],
    }
    assert case("1.2", lambda x: np.float32([0.5])) == nothing | {
        "kind": "array",
        "dtype": "float32",
        "shape": [1],
        "value": [0.5],
    }
    assert case("3.3", lambda *_: np.int64(4)) == nothing | {
        "kind": "number",
        "dtype": "int",
        "shape": [],
        "value": 4,
    }
    assert case("3.3", lambda *_: True) == nothing | {"kind": "boolean", "value": True}
    assert case("3.15", lambda *_: np.str_("cat")) == nothing | {"kind": "text", "value": "cat"}
    assert case("4.9", lambda *_: range(2)) == nothing | {
        "kind": "list",
        "shape": [2],
        "value": [0, 1],
    }
    assert case("3.15", lambda *_: 3)["error"] == "a text is expected, not a int"
    assert case("3.1", leave)["error"] == "SystemExit: "
    assert case("3.1", raise_rude)["error"] == "Rude: "
    assert case("1.2", divide_in_place)["error"].startswith("argument changed")


def test_prints_and_warnings_of_an_answer_stay_out_of_the_notebook(capsys, recwarn):
    def chatty(weight, gradient, learning_rate):
        print("my secret input", weight)
        return np.log(np.float64(-1.0))

    collect_answers("3.1", chatty, seed=0)
    assert capsys.readouterr() == ("", "")
    assert not recwarn.list


def test_outside_grading_nothing_is_called_or_sent(monkeypatch):
    monkeypatch.delenv(SEED_VARIABLE, raising=False)
    called = []
    emit("3.1", called.append)
    assert not called


def test_in_grading_one_message_with_all_answers_is_displayed(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    monkeypatch.setenv(SEED_VARIABLE, "7")
    with capture_output() as captured:
        emit("3.1", SOLUTIONS["3.1"])
    InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.data == {
        MIME_TYPE: {
            "exercise": "3.1",
            "tolerance": 1e-6,
            "answers": collect_answers("3.1", SOLUTIONS["3.1"], seed=7),
        }
    }


def test_an_exercise_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv(SEED_VARIABLE, "7")
    with pytest.raises(KeyError, match=r"there is no exercise '9\.9'"):
        emit("9.9", not_done)


def test_exercises_get_inputs_of_their_own():
    def inputs(exercise):
        seen = []
        collect_answers(exercise, lambda *arguments: seen.append(arguments), seed=5)
        return seen

    twin = Probe(lambda generator: [Case("", (generator.random(),))], 0, lambda _: {})
    PROBES["9.1"], PROBES["9.2"] = twin, twin
    try:
        assert inputs("9.1") != inputs("9.2")
        assert inputs("9.1") == inputs("9.1")
    finally:
        del PROBES["9.1"], PROBES["9.2"]


def test_importing_the_probes_imports_no_tensorflow():
    script = (
        "import sys, course_utils.exercises.probes;"
        "sys.exit(bool({'tensorflow', 'keras', 'IPython'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
