"""Every check accepts the lesson's own solution and refuses common mistakes with a hint."""

import hashlib
import json
import math
import sys
from collections import Counter

import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from course_utils.exercises import CHECKS, check
from tests.exercises import remedies
from tests.exercises.networks import MISTAKES as NETWORK_MISTAKES
from tests.exercises.networks import SAID


def not_done(*arguments):
    raise NotImplementedError


def leave(*arguments):
    sys.exit()


def verify_hash_only(picture, claim):
    bound = json.loads(claim)["sha256"] == hashlib.sha256(picture).hexdigest()
    return "valid" if bound else "picture changed"


def verify_signature(signed, signature, key):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except InvalidSignature:
        return "claim changed"
    return "valid"


def found_or_small(low, high, margin):
    """Right."""
    if max(-low, high) < margin:
        return "small"
    return "not found" if low <= 0 <= high else "found"


def zero_only(low, high, margin):
    return "not found" if low <= 0 <= high else "found"


def found_first(low, high, margin):
    """Takes what is small, and yet not zero, for found."""
    if low > 0 or high < 0:
        return "found"
    return "small" if -margin < low and high < margin else "not found"


def above_only(low, high, margin):
    """Forgets differences below zero."""
    if -margin < low and high < margin:
        return "small"
    return "found" if low > 0 else "not found"


def beyond(low, high, margin):
    """Finds only what is larger than the margin for certain."""
    if -margin < low and high < margin:
        return "small"
    return "found" if low > margin or high < -margin else "not found"


MISTAKES = {
    **NETWORK_MISTAKES,
    **{
        exercise: [*remedies.WRONG[exercise], *remedies.PARTLY_RIGHT[exercise]]
        for exercise in remedies.WRONG
    },
    "1.2": [lambda x: x / 255, lambda x: (x / 256).astype("float32"), lambda x: None],
    "1.3": [lambda labels, n: labels, lambda labels, n: np.eye(n)[labels].T],
    "1.1": [
        lambda labels, n: np.bincount(labels) / len(labels),
        lambda labels, n: np.bincount(labels, minlength=n),
    ],
    "1.5": [
        lambda image, means: int(np.argmin(np.abs(means - image).sum(axis=(1, 2, 3)))),
        lambda image, means: int(np.argmax(((means - image) ** 2).sum(axis=(1, 2, 3)))),
    ],
    "1.4": [lambda images: len(images) - 1, lambda images: len({i.tobytes() for i in images})],
    "2.1": [
        lambda plane, kernel: plane,
        lambda plane, kernel: np.zeros((plane.shape[0] - 2, plane.shape[1] - 2)),
    ],
    "2.2": [lambda s, c, f: s * s * f + f, lambda s, c, f: s * s * c * f],
    "2.3": [lambda plane: plane[::2, ::2], lambda plane: plane.max()],
    "2.4": [lambda x: np.exp(x) / np.exp(x).sum(), lambda x: x / x.sum()],
    "2.5": [lambda p, label: -np.log2(p[label]), lambda p, label: 1 - p[label]],
    "2.9": [
        lambda layers: 1 + sum(kernel - 1 for kernel, stride in layers),
        lambda layers: math.prod(kernel for kernel, stride in layers),
    ],
    "3.1": [lambda w, g, r: w + r * g, lambda w, g, r: w - g],
    "3.13": [lambda y, p: (p > 0.5).mean(), lambda y, p: int((p.argmax(axis=1) == y).sum())],
    "3.3": [lambda losses: int(np.argmin(losses)), lambda losses: 1 + int(np.argmax(losses))],
    "3.14": [lambda p, m: int(1.96**2 * p * (1 - p) / m**2), lambda p, m: math.ceil(1 / m**2)],
    "3.15": [lambda y, p, names: names[0], lambda y, p, names: 0],
    "3.16": [
        lambda step, num_steps, highest, warm_up: highest,
        lambda step, num_steps, highest, warm_up: highest * (1 - step / num_steps),
    ],
    "3.17": [
        lambda values, epsilon: values - values.mean(axis=0),
        lambda values, epsilon: (values - values.mean(axis=0)) / values.std(axis=0),
    ],
    "4.1": [lambda a, b: (a == b).sum(), lambda a, b: 1.0],
    "4.2": [
        lambda low, high, margin: "small" if abs(low) < margin else "found",
        lambda low, high, margin: "small" if high - low < margin else zero_only(low, high, margin),
        zero_only,
        found_first,
        above_only,
        beyond,
        lambda low, high, margin: found_or_small(low, high, margin).title(),
        lambda low, high, margin: "not found",
        lambda low, high, margin: low > 0,
    ],
    "4.3": [lambda y, p, g: float(np.mean(y == p)), lambda y, p, g: 0.0],
    "4.8": [lambda e, n: np.mean(e), lambda e, n: np.sum(np.multiply(e, n))],
    "4.9": [lambda percent, n: [round(percent * n / 100)], lambda percent, n: []],
    "4.10": [
        lambda lows, highs: np.mean(lows > 0),
        lambda lows, highs: np.mean((lows < 0) & (highs > 0)),
        lambda lows, highs: np.sum((lows > 0) | (highs < 0)),
        lambda lows, highs: np.mean(lows * highs < 0),
        lambda lows, highs: (lows > 0) | (highs < 0),
        lambda lows, highs: np.mean((lows > 0) & (highs < 0)),
        lambda lows, highs: lows > 0 or highs < 0,
    ],
    "4.11": [
        lambda errors: np.quantile(errors, 0.95),
        np.ptp,
        lambda errors: np.ptp(errors, axis=1).max(),
        lambda errors: np.ptp(errors, axis=1).mean(),
        lambda errors: np.quantile(np.ptp(errors, axis=0), 0.95),
        lambda errors: np.quantile(np.ptp(errors, axis=1), 0.05),
        lambda errors: np.percentile(np.ptp(errors, axis=1), 0.95),
        lambda errors: np.ptp(errors, axis=1),
    ],
    "4.12": [
        lambda cats, let_in: let_in.mean(),
        lambda cats, let_in: (let_in.mean(), let_in[cats].mean(), let_in[~cats].mean()),
        lambda cats, let_in: (let_in.sum(), let_in[cats].sum(), let_in[~cats].sum(), cats.sum()),
        lambda cats, let_in: [np.mean(x) for x in (let_in, let_in & cats, let_in & ~cats, cats)],
        lambda cats, let_in: [
            let_in.mean(),
            cats[let_in].mean(),
            let_in[~cats].mean(),
            let_in[cats].mean(),
        ],
        lambda cats, let_in: [
            let_in.mean(),
            let_in[cats].mean(),
            1 - let_in[~cats].mean(),
            cats[let_in].mean(),
        ],
        lambda cats, let_in: [let_in.mean(), let_in[cats].mean(), let_in[~cats].mean(), 0.75],
        lambda cats, let_in: None,
    ],
    "4.14": [
        lambda results, first, second: results[first, 3] - results[second, 3],
        lambda results, first, second: [results[second, s] - results[first, s] for s in (3, 4)],
        lambda results, first, second: [
            results[first, seed] - results[second, seed] for name, seed in results if name == first
        ],
        lambda results, first, second: [
            results[first, seed] - results[second, seed]
            for seed in sorted({seed for _, seed in results})
        ],
        lambda results, first, second: [
            abs(results[first, seed] - results.get((second, seed), 0)) for seed in (3, 4)
        ],
        lambda results, first, second: {3: 0.375, 4: -0.25},
        lambda results, first, second: None,
    ],
    "5.6": [
        lambda picture, claim, signature, key: "valid",
        lambda picture, claim, signature, key: verify_hash_only(picture, claim),
        lambda picture, claim, signature, key: verify_signature(picture, signature, key),
        lambda picture, claim, signature, key: (
            "valid" if verify_hash_only(picture, claim) == "valid" else "claim changed"
        ),
        lambda picture, claim, signature, key: verify_signature(claim, signature, key),
        lambda picture, claim, signature, key: (
            verify_signature(claim, signature, key) == verify_hash_only(picture, claim) == "valid"
        ),
        lambda picture, claim, signature, key: key.verify(signature, claim),
        lambda picture, claim, signature, key: None,
    ],
    "5.1": [
        lambda p, y, threshold: p.max(axis=1) >= threshold,
        lambda p, y, threshold: p[np.arange(len(y)), y] > threshold,
        lambda p, y, threshold: p[np.arange(len(y)), y] < threshold,
        lambda p, y, threshold: p[:, y] >= threshold,
        lambda p, y, threshold: p.argmax(axis=1) == y,
        lambda p, y, threshold: p[np.arange(len(y)), y],
    ],
    "5.2": [
        lambda members, others, fpr: np.mean(members > np.quantile(others, fpr)),
        lambda members, others, fpr: np.mean(members > np.quantile(others, 1 - fpr)),
        lambda members, others, fpr: np.mean(members > others.max()),
        lambda members, others, fpr: np.mean(members >= np.sort(others)[::-1][int(fpr * 5)]),
        lambda members, others, fpr: np.mean(others > np.sort(members)[::-1][int(fpr * 4)]),
        lambda members, others, fpr: np.sum(members > np.sort(others)[::-1][int(fpr * 5)]),
        lambda members, others, fpr: np.mean(members > np.sort(others)[int(fpr * len(others))]),
    ],
    "5.3": [
        lambda x, a, b: x - np.mean(b),
        lambda x, a, b: (x - np.mean(b)) ** 2 / 2 - (x - np.mean(a)) ** 2 / 2,
        lambda x, a, b: density(x, a) / density(x, b),
        lambda x, a, b: np.log(density(x, b) / density(x, a)),
        lambda x, a, b: np.log(density(x, a, ddof=1) / density(x, b, ddof=1)),
        lambda x, a, b: np.log(density(x, a)),
        lambda x, a, b: np.log10(density(x, a) / density(x, b)),
    ],
    "5.4": [
        lambda owners, copy_of, person: owners != person,
        lambda owners, copy_of, person: owners == person,
        lambda owners, copy_of, person: ~((owners == person) | (owners == person)[copy_of]),
        lambda owners, copy_of, person: (owners != person) & (copy_of < 0),
        lambda owners, copy_of, person: np.flatnonzero(owners != person),
        lambda owners, copy_of, person: (
            ~((owners == person) | ((copy_of > 0) & (owners == person)[copy_of]))
        ),
    ],
    "5.5": [
        lambda image, g, size: image + size * g / np.sqrt(np.mean(g**2)),
        lambda image, g, size: np.clip(image - size * g / np.sqrt(np.mean(g**2)), 0, 255),
        lambda image, g, size: np.clip(image + size * g, 0, 255),
        lambda image, g, size: np.clip(image + size * g / np.sqrt(np.sum(g**2)), 0, 255),
        lambda image, g, size: np.clip(image + size * g / np.sqrt(np.mean(g**2)), 0, 1),
        lambda image, g, size: np.clip(size * g / np.sqrt(np.mean(g**2)), 0, 255),
        lambda image, g, size: np.clip(image + g / np.sqrt(np.mean(g**2)), 0, 255),
    ],
}


def density(x, values, ddof=0):
    """A normal distribution's, fitted to some values."""
    spread = np.std(values, ddof=ddof)
    return np.exp(-(((x - np.mean(values)) / spread) ** 2) / 2) / spread


def receptive_field(layers, *, late=False):
    """Right, or with a stride that counts already for its own layer."""
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump * (stride if late else 1)
        jump *= stride
    return field


def learning_rate(step, num_steps, highest, warm_up):
    if step < warm_up * num_steps:
        return highest * step / (warm_up * num_steps)
    return highest * (num_steps - step) / (num_steps * (1 - warm_up))


def normalise(values, epsilon, axis=0, ddof=0):
    mean, variance = values.mean(axis, keepdims=True), values.var(axis, keepdims=True, ddof=ddof)
    return (values - mean) / np.sqrt(variance + epsilon)


def best_of_all_thresholds(members, others, fpr):
    allowed = [one for one in (-np.inf, *others) if np.mean(others > one) <= fpr]
    return max(np.mean(members > one) for one in allowed)


def test_every_exercise_has_its_mistakes_tested():
    assert MISTAKES.keys() == CHECKS.keys()
    assert all(len(answers) >= 6 for answers in NETWORK_MISTAKES.values())


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [(exercise, answer) for exercise, answers in MISTAKES.items() for answer in answers],
)
def test_mistakes_get_a_hint(exercise, answer, capsys):
    check(exercise, answer)
    verdict, hint = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"{exercise} ✗ ")
    assert SAID.get(answer, "") in verdict
    assert hint.startswith("Hint: ")
    assert "``" not in hint


@pytest.mark.parametrize(
    ("exercise", "answer", "found"),
    [
        ("2.9", receptive_field, "16 pixels for `classic`, 46 for `quick`"),
        ("4.4", remedies.map_in_one_go, "what the class's probability loses"),
        ("4.5", remedies.weigh, "every group counts equally"),
        ("4.6", remedies.resample_in_turn, "the groups are equally common"),
        ("4.7", remedies.OTHER_WAYS["4.7"], "the group with the highest loss gains weight"),
        ("4.13", remedies.OTHER_WAYS["4.13"], "the accuracy that wrong test labels hide"),
        ("3.16", learning_rate, "up in a straight line to the highest"),
        ("3.17", normalise, "every feature has mean 0 and variance 1"),
        ("4.2", found_or_small, "one interval, two questions"),
        ("5.1", lambda p, y, t: [row[k] >= t for row, k in zip(p, y, strict=True)], "sure and"),
        ("5.2", best_of_all_thresholds, "the share of members that are found"),
        ("5.3", lambda x, a, b: np.log(density(x, a) / density(x, b)), "above 0 the picture looks"),
    ],
)
def test_right_answers_are_accepted(exercise, answer, found, capsys):
    check(exercise, answer)
    assert capsys.readouterr().out.startswith(f"{exercise} ✓ {found}")


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        ("2.9", lambda layers: 3, "For two 3×3 convolutions the answer is 5 but yours is 3"),
        (
            "2.9",
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            "When poolings and convolutions take turns, the answer is 16 but yours is 7",
        ),
        (
            "2.9",
            lambda layers: receptive_field(layers, late=True),
            "When a 2×2 pooling with stride 2 follows, the answer is 6 but yours is 7",
        ),
        (
            "3.16",
            lambda step, num_steps, highest, warm_up: highest * min(1, step / num_steps / warm_up),
            "Half-way down, at step 60 of 100 with highest 0.5 and warm_up 0.2, the answer is 0.25",
        ),
        (
            "3.16",
            lambda step, num_steps, highest, warm_up: highest * step / warm_up,
            "Half-way through the warm-up, at step 10 of 100",
        ),
        (
            "3.16",
            lambda step, num_steps, highest, warm_up: (
                highest * min(step / num_steps / warm_up, (1 - step / num_steps) / (1 - warm_up))
            ),
            "raised ZeroDivisionError",
        ),
        ("4.2", zero_only, "For an interval from -0.01 to 0.02 and a margin of 0.03 the answer is"),
        (
            "4.2",
            found_first,
            "For an interval from 0.01 to 0.02 and a margin of 0.03 the answer is",
        ),
        (
            "4.2",
            above_only,
            "For an interval from -0.09 to -0.04 and a margin of 0.03 the answer is",
        ),
        ("4.2", beyond, "For an interval from 0.01 to 0.09 and a margin of 0.03 the answer is"),
        ("4.4", remedies.map_with(sign=-1), "with size 2, the answer is"),
        ("4.4", remedies.map_with(copy=False), "Your function changes the picture"),
        ("4.4", remedies.map_with(pick=np.argmax), "When class 1 is seen in the second"),
        ("4.4", lambda predict, image, *_: predict(image), "one picture is image[None]"),
        ("4.5", remedies.WRONG["4.5"][2], "For three pictures of A and one of B the answer is"),
        ("4.5", remedies.PARTLY_RIGHT["4.5"][0], "When there is one group only,"),
        ("4.6", remedies.resample_by_chance, "and yours are"),
        ("4.6", remedies.MISTAKES["4.6"][3], "With the same seed other pictures are drawn"),
        ("4.6", remedies.MISTAKES["4.6"][4], "Every seed draws the same pictures"),
        ("4.6", remedies.MISTAKES["4.6"][7], "of the 20 pictures were never drawn"),
        ("4.6", lambda groups, seed: groups, "An array of indices is expected"),
        ("4.6", lambda groups, seed: np.arange(30), "and you draw others"),
        ("4.7", remedies.WRONG["4.7"][0], "When both losses are equal,"),
        ("4.7", remedies.PARTLY_RIGHT["4.7"][0], "From weights of 0.75 and 0.25"),
        ("4.13", remedies.WRONG["4.13"][2], "For 82 % with 10 % noise, 3 classes, the answer is"),
        ("3.17", lambda values, epsilon: normalise(values, epsilon, axis=1), "The mean of each"),
        ("3.17", lambda values, epsilon: normalise(values, epsilon, axis=None), "The mean of each"),
        (
            "3.17",
            lambda values, epsilon: normalise(values, epsilon, ddof=1),
            "The variance of each",
        ),
        ("3.17", lambda values, epsilon: normalise(values, 0), "When a feature never changes,"),
        (
            "3.17",
            lambda values, epsilon: (values - values.mean(0)) / (values.std(0) + epsilon),
            "With a variance of 4 and an epsilon of 5",
        ),
        ("5.1", lambda p, y, t: p.max(axis=1) >= t, "With a threshold of 0.7"),
        ("5.1", lambda p, y, t: p[np.arange(4), y] > t, "With a threshold of 0.8"),
        ("5.2", lambda m, o, fpr: np.mean(m > o.max()), "When one of five may be accused,"),
        (
            "5.2",
            lambda m, o, fpr: np.mean(m >= np.sort(o)[::-1][int(fpr * len(o))]),
            "When one of five may be accused, the answer is 0.5 but yours is 0.75",
        ),
        (
            "5.3",
            lambda x, a, b: ((x - np.mean(b)) ** 2 - (x - np.mean(a)) ** 2) / 2,
            "When those that saw it spread twice,",
        ),
        (
            "5.4",
            lambda owners, copy_of, person: owners != person,
            "When Cy has a copy of Ben's, the answer is [1, 0, 0, 0, 1]",
        ),
        (
            "5.4",
            lambda owners, copy_of, person: ~((owners == person) | (owners == person)[copy_of]),
            "When the last picture is hers,",
        ),
        ("5.5", lambda image, g, size: image + 10 * g / 0.02, "thousand times as steep"),
    ],
)
def test_typical_mistakes_get_the_message_that_fits(exercise, answer, message, capsys):
    check(exercise, answer)
    verdict, hint = capsys.readouterr().out.splitlines()
    assert verdict.startswith(f"{exercise} ✗ ")
    assert message in verdict
    assert hint.startswith("Hint: ")


@pytest.mark.parametrize("exercise", CHECKS)
def test_an_exercise_that_is_not_done_yet_keeps_its_hint_for_the_first_try(exercise, capsys):
    check(exercise, not_done)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{exercise} … not done yet: write your function")


@pytest.mark.parametrize("exercise", CHECKS)
@pytest.mark.parametrize(
    "answer", [None, 3, "text", lambda: None, lambda *arguments: "text", leave]
)
def test_nothing_a_learner_writes_stops_the_notebook(exercise, answer, capsys):
    check(exercise, answer)
    assert capsys.readouterr().out.startswith(f"{exercise} ✗ ")


def test_an_error_names_the_line_of_the_learners_function(capsys):
    def step(weight, gradient, learning_rate):
        scaled = gradient * learning_rate  # noqa: F841
        return weight - scled  # noqa: F821

    check("3.1", step)
    out = capsys.readouterr().out
    assert "line 3 of your function raised NameError: name 'scled' is not defined" in out


@pytest.mark.parametrize("exercise", CHECKS)
def test_the_first_failure_gets_a_nudge_and_the_second_the_method(exercise, capsys, monkeypatch):
    monkeypatch.setattr("course_utils.exercises._num_failures", Counter())
    hints = []
    for _ in range(3):
        check(exercise, None)
        hints.append(capsys.readouterr().out.splitlines()[1])
    nudge, method, again = hints
    assert nudge != method == again
    written = " ".join((CHECKS[exercise].__doc__).split()).replace("``", "`")
    assert f"{nudge} {method}".replace("Hint: ", "") == written


def test_an_unknown_exercise_is_an_error():
    with pytest.raises(KeyError, match=r"there is no exercise '9\.9'"):
        check("9.9", not_done)
