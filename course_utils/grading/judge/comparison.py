"""The comparison of a learner's answers with the expected ones, outside the learner's process.

What a check cell emits is hostile input: the learner's process may send anything. It is read
strictly, and what does not read as answers is an :class:`EmissionError` that says why. The reasons
made here tell what a submission returned, never what was expected.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args

from course_utils.grading.judgement import AnswerResult

Kind = Literal[
    "number", "array", "text", "boolean", "none", "list", "dictionary", "table", "error", "other"
]
Scalar = int | float | str | bool | None

MAX_LENGTH = 4_000_000  # characters of an emission
_MAX_DIMENSIONS = 8
_MAX_DEPTH = 8  # of lists and dictionaries in one another
_LARGEST = 1e300
_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_NOUNS = {
    "number": "number",
    "text": "text",
    "boolean": "truth value",
    "list": "list",
    "dictionary": "dictionary",
    "table": "table",
}


class EmissionError(ValueError):
    """What a check cell sent does not read as answers; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What a learner's function made of one case.

    Attributes:
        case: what the case is called.
        kind: what sort of thing was returned; ``error`` when the function raised one, ``other``
            for what cannot be compared.
        dtype: name of its type, such as ``float64``; empty where it does not matter.
        shape: of an array; empty otherwise.
        items: the number, text or truth value as a single item; an array's in C order; a list's,
            a dictionary's or a table's columns, each of which may be an answer of its own.
        error: what was wrong with it, such as ``ValueError: …``, when ``kind`` is ``error`` or
            ``other``; empty otherwise.
        keys: of a dictionary, or the names of a table's columns, in their order.
        tolerance: the largest difference between numbers that still count as equal; only that of
            the instructor's answer counts, as does the weight.
        weight: how much of the check's points it is worth, beside the other answers'.
    """

    case: str
    kind: Kind
    dtype: str
    shape: tuple[int, ...]
    items: tuple[Union[Scalar, "Answer"], ...]
    error: str
    keys: tuple[str, ...] = ()
    tolerance: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Emission:
    """The answers that a check cell sent.

    Attributes:
        exercise: the exercise's number, such as ``3.1``, or another name of the check.
        answers: one for each case, under names of their own.
    """

    exercise: str
    answers: tuple[Answer, ...]


def parse_emission(text: str) -> Emission:
    """Read what a check cell sent.

    Args:
        text: the payload of the message, as JSON.

    Raises:
        EmissionError: it does not read as the answers to one exercise.
    """
    if len(text) > MAX_LENGTH:
        raise EmissionError(f"the answers take {len(text)} characters; at most {MAX_LENGTH} count")
    try:
        parsed = json.loads(text, parse_constant=_parse_float, parse_float=_parse_float)
    except EmissionError:
        raise
    except (ValueError, RecursionError):
        raise EmissionError("the answers are no sound JSON") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("exercise"), str):
        raise EmissionError("the answers name no exercise")
    if not isinstance(parsed.get("answers"), list):
        raise EmissionError("the answers are no list")
    tolerance = _read_bound(parsed, "tolerance", 0.0)
    answers = tuple(_read_answer(answer, tolerance=tolerance) for answer in parsed["answers"])
    if len({answer.case for answer in answers}) != len(answers):
        raise EmissionError("a case was answered more than once")
    return Emission(parsed["exercise"], answers)


def compare(
    expected: Sequence[Answer], found: Sequence[Answer], *, tolerance: float | None = None
) -> list[AnswerResult]:
    """Compare the answers to each case.

    Numbers count as equal when they differ by no more than the tolerance; NaN and the infinities
    only equal themselves. Where the expected answer names a type, the found one has to be of that
    type. A truth value is never a number, nor is a text.

    Args:
        expected: the instructor's answers, each to another case.
        found: the learner's, in any order; those to cases that were not asked for are passed over.
        tolerance: the largest absolute difference between numbers that still count as equal; by
            default that of each of the instructor's answers.

    Returns:
        One result for each expected answer, in their order.
    """
    by_case = {answer.case: answer for answer in found}
    results = []
    for answer in expected:
        reason = "no answer came back"
        if answer.case in by_case:
            allowed = answer.tolerance if tolerance is None else tolerance
            reason = _find_fault(answer, by_case[answer.case], allowed)
        results.append(AnswerResult(answer.case, not reason, reason))
    return results


def describe(answer: Answer) -> str:
    """Put an answer in a few printable words."""
    if answer.kind == "none":
        return "None"
    if answer.kind in ("error", "other"):
        return answer.error or "something that cannot be compared"
    shown = [
        describe(item) if isinstance(item, Answer) else repr(item) for item in answer.items[:12]
    ]
    if answer.keys:
        shown = [f"{key!r}: {text}" for key, text in zip(answer.keys, shown, strict=False)]
    items = ", ".join([*shown, *(["…"] if len(answer.items) > 12 else [])])
    if answer.kind == "array":
        size = " × ".join(map(str, answer.shape))
        return shorten(f"an array of {size} numbers, {items}")
    if answer.kind in ("dictionary", "table"):
        return shorten(f"{'a table ' if answer.kind == 'table' else ''}{{{items}}}")
    return shorten(f"[{items}]" if answer.kind == "list" else items)


def shorten(text: str, *, max_length: int = 120) -> str:
    """Make a stranger's text printable, one line, and at most ``max_length`` characters long."""
    printable = (char if char.isprintable() else " " for char in text[: 8 * max_length])
    line = " ".join("".join(printable).split())
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def _find_fault(  # noqa: PLR0911, one reason after the other
    expected: Answer, found: Answer, tolerance: float
) -> str:
    """Why an answer is wrong, without the expected one; empty when it is right."""
    if found.kind in ("error", "other"):
        return describe(found)
    if found.kind != expected.kind:
        hint = ": is the return missing?" if found.kind == "none" else ""
        return f"another kind of answer was expected than {describe(found)}{hint}"
    if expected.kind in ("dictionary", "table"):
        return _find_fault_inside(expected, found, tolerance)
    if found.shape != expected.shape:
        return f"another shape was expected than {found.shape}"
    if expected.dtype and found.dtype != expected.dtype:
        return f"another type was expected than {found.dtype or 'this one'}"
    if len(found.items) == len(expected.items) and all(
        _equal(one, other, tolerance)
        for one, other in zip(expected.items, found.items, strict=True)
    ):
        return ""
    return f"another {_NOUNS.get(found.kind, 'value')} was expected than {describe(found)}"


def _find_fault_inside(expected: Answer, found: Answer, tolerance: float) -> str:
    """Why a dictionary or a table is wrong: its keys, or the first of its values that is."""
    is_table = expected.kind == "table"
    part = "column" if is_table else "key"
    if sorted(found.keys) != sorted(expected.keys) or (is_table and found.keys != expected.keys):
        names = shorten(", ".join(map(repr, found.keys)) or "none", max_length=80)
        return f"other {part}s were expected than {names}"
    inside = dict(zip(found.keys, found.items, strict=True))
    for key, one in zip(expected.keys, expected.items, strict=True):
        other = inside[key]
        assert isinstance(one, Answer)
        assert isinstance(other, Answer)
        if fault := _find_fault(one, other, tolerance):
            return shorten(f"in the {part} {key!r}, {fault}", max_length=200)
    return ""


def _equal(expected: Scalar | Answer, found: Scalar | Answer, tolerance: float) -> bool:
    if isinstance(expected, Answer) and isinstance(found, Answer):
        return not _find_fault(expected, found, tolerance)
    if not (_is_number(expected) and _is_number(found)):
        return type(expected) is type(found) and expected == found
    if expected == found:
        return True
    try:
        one, other = float(expected), float(found)  # type: ignore[arg-type]
    except OverflowError:
        return False
    if math.isfinite(one) and math.isfinite(other):
        return abs(one - other) <= tolerance
    return math.isnan(one) and math.isnan(other)


def _is_number(value: Scalar | Answer) -> bool:
    return type(value) in (int, float)


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise EmissionError(f"the answers hold {shorten(text, max_length=20)}, no number in JSON")
    return number


def _read_bound(value: dict[str, Any], field: str, default: float) -> float:
    """A number that isn't below zero."""
    found = value.get(field, default)
    if type(found) not in (int, float) or not 0 <= found <= _LARGEST:
        raise EmissionError(f"a {field} among the answers is not a number from 0 up")
    return float(found)


def _read_answer(value: object, *, tolerance: float = 0.0, depth: int = 0) -> Answer:
    if not isinstance(value, dict):
        raise EmissionError("an answer is no dictionary")
    if depth > _MAX_DEPTH:
        raise EmissionError("an answer holds others too deep inside")
    case, kind, content = (
        value.get("case", "" if depth else None),
        *map(value.get, ("kind", "value")),
    )
    if not isinstance(case, str):
        raise EmissionError("an answer names no case")
    if not isinstance(kind, str) or kind not in get_args(Kind):
        raise EmissionError("an answer has no known kind")
    shape: tuple[int, ...] = ()
    items: tuple[Scalar | Answer, ...] = ()
    keys: tuple[str, ...] = ()
    if kind == "array":
        shape = _read_shape(value.get("shape"))
        items = _read_array(content, shape)
    elif kind == "list":
        items = _read_list(content, depth)
    elif kind in ("dictionary", "table"):
        keys, items = _read_pairs(content, depth)
    elif kind in ("number", "text", "boolean"):
        items = (_read_scalar(content, kind),)
    return Answer(
        case,
        kind,  # type: ignore[arg-type]
        _read_text(value, "dtype"),
        shape,
        items,
        _read_text(value, "error"),
        keys,
        tolerance=_read_bound(value, "tolerance", tolerance),
        weight=_read_bound(value, "weight", 1.0),
    )


def _read_text(value: dict[str, Any], field: str) -> str:
    text = value.get(field)
    if text is not None and not isinstance(text, str):
        raise EmissionError(f"an answer's {field} is no text")
    return shorten(text or "")


def _read_scalar(value: object, kind: str) -> Scalar:
    if kind == "number" and isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    types = {"number": (int, float), "text": (str,), "boolean": (bool,)}[kind]
    if type(value) not in types:
        raise EmissionError(f"a {_NOUNS[kind]} among the answers is none")
    return value  # type: ignore[return-value]


def _read_list(value: object, depth: int) -> tuple[Scalar | Answer, ...]:
    if not isinstance(value, list) or any(isinstance(item, list) for item in value):
        raise EmissionError("a list among the answers is none")
    return tuple(
        _read_answer(item, depth=depth + 1) if isinstance(item, dict) else item for item in value
    )


def _read_pairs(value: object, depth: int) -> tuple[tuple[str, ...], tuple[Answer, ...]]:
    """The keys and values of a dictionary, or the names and columns of a table."""
    if not isinstance(value, list) or any(
        not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str)
        for pair in value
    ):
        raise EmissionError("a dictionary among the answers is not a list of pairs")
    keys = tuple(pair[0] for pair in value)
    if len(set(keys)) != len(keys):
        raise EmissionError("a dictionary among the answers has a key twice")
    return keys, tuple(_read_answer(pair[1], depth=depth + 1) for pair in value)


def _read_shape(value: object) -> tuple[int, ...]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= _MAX_DIMENSIONS
        or any(type(size) is not int or not 0 <= size <= MAX_LENGTH for size in value)
    ):
        raise EmissionError("an array among the answers has no possible shape")
    return tuple(value)


def _read_array(value: object, shape: tuple[int, ...]) -> tuple[Scalar, ...]:
    """The numbers of nested lists, which have to be as deep and long as ``shape`` says."""
    level: list[object] = [value]
    for size in shape:
        below: list[object] = []
        for part in level:
            if not isinstance(part, list) or len(part) != size:
                raise EmissionError("an array among the answers is not of the shape that it names")
            below += part
        level = below
    return tuple(_read_scalar(item, "number") for item in level)
