"""What grading finds out about one notebook of one submission."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

RepairKind = Literal[
    "missing",
    "duplicated",
    "moved",
    "retagged",
    "changed",
    "extra",
    "renamed",
    "format",
    "metadata",
]
EndingKind = Literal[
    "finished",
    "timed_out",
    "out_of_memory",
    "died",
    "too_much_output",
    "refused",
    "interrupted",
]


class ResultError(ValueError):
    """A text is no judgement; the message says where it goes wrong."""


@dataclass(frozen=True)
class AnswerResult:
    """How one case of an exercise came out.

    Attributes:
        case: what the case is called, such as ``weight 2.0, gradient -1.0``.
        passed: whether the answer was right.
        reason: what was wrong, in a sentence that never holds the expected value; empty when
            nothing was.
    """

    case: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """How one check cell came out.

    Attributes:
        grade_id: the check cell's name in the source.
        exercise: the exercise's number, such as ``3.1``; empty where the check is of none.
        score: points earned, ``max_score`` times the share of right answers.
        max_score: points that could be earned.
        answers: one result for each case, in the exercise's order; empty when none was compared.
        reason: what concerns the whole check, such as ``not done`` or ``never reached: out of
            memory at cell 12``; empty when nothing does.
        found: short text of the first wrong value; empty when there is none.
    """

    grade_id: str
    exercise: str
    score: float
    max_score: float
    answers: tuple[AnswerResult, ...]
    reason: str
    found: str


@dataclass(frozen=True)
class Repair:
    """What was put right in a submission before it ran.

    Attributes:
        kind: what was the matter.
        cell: the ``grade_id`` of the cell, or its place in words; empty for the whole notebook.
        message: a sentence for the learner and the instructor.
    """

    kind: RepairKind
    cell: str
    message: str


@dataclass(frozen=True)
class Ending:
    """How the run of a notebook ended.

    Attributes:
        kind: ``finished`` when every cell ran.
        cell: place of the cell that it ended at, counted from 1 among all cells of the notebook
            that was handed in for the run; 0 when it ended at none.
        message: a sentence such as ``out of memory at cell 12``; empty when it finished.
    """

    kind: EndingKind
    cell: int
    message: str


@dataclass(frozen=True)
class Judgement:
    """The verdict on one notebook of one submission.

    Attributes:
        student: the learner's identifier.
        assignment: the assignment's name.
        notebook: the notebook's name, without ``.ipynb``.
        checks: one result for each check cell of the source, in the source's order.
        repairs: what was put right before it ran.
        ending: how its run ended.
        seconds: wall time of the run.
        peak_memory: most memory that the run held at a time, in bytes; 0 where it is not known.
        executed: the notebook with its outputs, as JSON text; empty when there is none.
    """

    student: str
    assignment: str
    notebook: str
    checks: tuple[CheckResult, ...]
    repairs: tuple[Repair, ...]
    ending: Ending
    seconds: float
    peak_memory: int
    executed: str

    @property
    def score(self) -> float:
        """Points earned."""
        return math.fsum(check.score for check in self.checks)

    @property
    def max_score(self) -> float:
        """Points that could be earned."""
        return math.fsum(check.max_score for check in self.checks)

    def to_json(self) -> str:
        """Write it as JSON text, which :meth:`from_json` reads back as an equal judgement."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Judgement":
        """Read what :meth:`to_json` wrote.

        Raises:
            ResultError: the text is no JSON, or a field is missing, unknown or of another type.
        """
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ResultError(f"no judgement, since it is no JSON: {error}") from None
        fields = _take(
            parsed,
            "judgement",
            {field.name: _TYPES[field.name] for field in dataclasses.fields(cls)},
        )
        ending = _take(fields["ending"], "ending", {"kind": str, "cell": int, "message": str})
        _require_kind(ending["kind"], EndingKind, "ending")
        return cls(
            **{
                **fields,
                "checks": tuple(map(_read_check, fields["checks"])),
                "repairs": tuple(map(_read_repair, fields["repairs"])),
                "ending": Ending(**ending),
            }
        )


_TYPES: dict[str, type] = {
    "student": str,
    "assignment": str,
    "notebook": str,
    "checks": list,
    "repairs": list,
    "ending": dict,
    "seconds": float,
    "peak_memory": int,
    "executed": str,
}


def _read_check(value: object) -> CheckResult:
    fields = _take(
        value,
        "check",
        {
            "grade_id": str,
            "exercise": str,
            "score": float,
            "max_score": float,
            "answers": list,
            "reason": str,
            "found": str,
        },
    )
    answers = (
        AnswerResult(**_take(answer, "answer", {"case": str, "passed": bool, "reason": str}))
        for answer in fields["answers"]
    )
    return CheckResult(**{**fields, "answers": tuple(answers)})


def _read_repair(value: object) -> Repair:
    fields = _take(value, "repair", {"kind": str, "cell": str, "message": str})
    _require_kind(fields["kind"], RepairKind, "repair")
    return Repair(**fields)


def _require_kind(kind: str, kinds: object, name: str) -> None:
    if kind not in get_args(kinds):
        raise ResultError(
            f"no judgement: the kind of its {name} is one of {', '.join(get_args(kinds))}, "
            f"not {kind!r}"
        )


def _take(value: object, name: str, types: Mapping[str, type]) -> dict[str, Any]:
    """Check that ``value`` is a dictionary with just these fields, each of its very type."""
    if not isinstance(value, dict):
        raise ResultError(f"no judgement: its {name} is a {type(value).__name__}, not a dictionary")
    if value.keys() != types.keys():
        differing = ", ".join(sorted(value.keys() ^ types.keys()))
        raise ResultError(f"no judgement: its {name} lacks or should lack {differing}")
    fields = {}
    for field, field_type in types.items():
        found: Any = value[field]
        is_whole = field_type is float and type(found) is int and abs(found) < 2**53
        found = float(found) if is_whole else found
        is_typed = type(found) is field_type
        if not is_typed or (isinstance(found, float) and not math.isfinite(found)):
            raise ResultError(
                f"no judgement: {field} of its {name} is {found!r}, not a {field_type.__name__}"
            )
        fields[field] = found
    return fields
