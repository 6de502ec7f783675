"""What grading finds out about one notebook of one submission."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

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
CheckKind = Literal["published", "output", "assert"]
EndingKind = Literal[
    "finished",
    "timed_out",
    "out_of_memory",
    "died",
    "too_much_output",
    "refused",
    "interrupted",
]
Finite = Annotated[float, Field(allow_inf_nan=False)]


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
        kind: ``published`` values or an ``output`` that were compared outside, or an ``assert``
            that ran in the learner's process.
    """

    grade_id: str
    exercise: str
    score: Finite
    max_score: Finite
    answers: tuple[AnswerResult, ...]
    reason: str
    found: str
    kind: CheckKind = "published"

    @property
    def can_be_forged(self) -> bool:
        """Whether the points were given in the learner's own process."""
        return self.kind == "assert"


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
    """What the judge says of one notebook of one submission.

    Attributes:
        learner: the learner's identifier.
        assignment: the assignment's name.
        notebook: the notebook's name, without ``.ipynb``.
        checks: one result for each check cell of the source, in the source's order.
        repairs: what was put right before it ran.
        ending: how its run ended.
        seconds: wall time of the run.
        peak_memory: most memory that the run held at a time, in bytes; 0 where it is not known.
        executed: the notebook with its outputs, as JSON text; empty when there is none.
        waiting_seconds: for which the kernel could have gone on but had no processor.
    """

    learner: str
    assignment: str
    notebook: str
    checks: tuple[CheckResult, ...]
    repairs: tuple[Repair, ...]
    ending: Ending
    seconds: Finite
    peak_memory: int
    executed: str
    waiting_seconds: Finite = 0.0

    @property
    def score(self) -> float:
        """Points earned."""
        return math.fsum(check.score for check in self.checks)

    @property
    def max_score(self) -> float:
        """Points that could be earned."""
        return math.fsum(check.max_score for check in self.checks)

    @property
    def was_crowded_out(self) -> bool:
        """Whether it ran out of time while others kept the computer busy."""
        return self.ending.kind == "timed_out" and self.waiting_seconds > self.seconds / 2
