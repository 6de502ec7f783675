"""The class at a glance: one page with the scores, what went wrong, and what to do about it."""

import base64
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from course_utils.files import write_own
from course_utils.formats import format_memory, format_points, format_seconds
from course_utils.grading.judgement import (
    CheckResult,
    EndingKind,
    Judgement,
    RepairKind,
)
from course_utils.grading.pages.feedback import verdict
from course_utils.grading.pages.html import render
from course_utils.grading.records.grades import NotebookGrade
from course_utils.looks import LOOKS, STYLE, WIDTH

_MAX_WRONG_VALUES = 5  # of an exercise
_VERDICTS = ("right", "partly right", "wrong", "not done")
_ENDING_WORDS: dict[EndingKind, str] = {
    "finished": "ran to the end",
    "timed_out": "out of time",
    "out_of_memory": "out of memory",
    "died": "Python died",
    "too_much_output": "too much output",
    "refused": "could not be run",
    "interrupted": "interrupted",
}
Grades = Mapping[tuple[str, str, str], NotebookGrade]  # by assignment, learner and notebook

_INSTRUCTOR_ADVICE: dict[EndingKind, str] = {
    "finished": "",
    "timed_out": "The points earned before count. If it concerns many, allow more time.",
    "out_of_memory": "The points earned before count. If it concerns many, allow more memory.",
    "died": "Look at that cell: it ended Python, on purpose or in a library.",
    "too_much_output": "The points earned before count. Tell the learner to print less.",
    "refused": "Ask the learner to hand in a notebook that JupyterLab opens.",
    "interrupted": "Grade it again.",
}


@dataclass(frozen=True)
class Picture:
    """A figure for a page, with words for those who can't see it.

    Attributes:
        source: the picture as a ``data:`` address.
        alt: what kind of figure it is and what is on its axes.
        summary: one sentence that says what the data say.
    """

    source: str
    alt: str
    summary: str


@dataclass(frozen=True)
class CaseSummary:
    """How a class did on one case of an exercise."""

    case: str
    num_right: int
    num_learners: int  # whose answer was compared


@dataclass(frozen=True)
class ExerciseSummary:
    """How a class did on one exercise.

    Attributes:
        name: the exercise's number, or the name of its check.
        max_score: points that could be earned.
        mean_score: points earned on average.
        verdicts: number of learners for each verdict.
        cases: one summary for each case, in the exercise's order.
        wrong_values: the commonest wrong values, with the number of learners who had them.
        num_other_values: learners with a wrong value that is not among these.
    """

    name: str
    max_score: float
    mean_score: float
    verdicts: dict[str, int]
    cases: tuple[CaseSummary, ...]
    wrong_values: tuple[tuple[str, int], ...]
    num_other_values: int


@dataclass(frozen=True)
class _Part:
    """What the page says about one notebook of one assignment."""

    assignment: str
    notebook: str
    judgements: tuple[Judgement, ...]
    totals: Mapping[str, NotebookGrade]
    exercises: tuple[ExerciseSummary, ...]
    troubled: tuple[Judgement, ...]
    repairs: tuple[tuple[RepairKind, tuple[Judgement, ...]], ...]
    forgeable: tuple[str, ...]
    pictures: tuple[Picture, ...]


def report(
    judgements: Sequence[Judgement],
    folder: Path,
    *,
    grades: Grades | None = None,
    notices: Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Write the page about a class; it needs no other file and loads nothing.

    Args:
        judgements: what grading found, of any number of learners and notebooks.
        folder: where to write it.
        grades: what the gradebook says of them, which is what counts.
        notices: sentences on scores that no longer fit the submissions.
        force: whether a file that ``course report`` did not make is replaced, too.

    Returns:
        The page, ``index.html`` in the folder.

    Raises:
        FilesError: another file is in the way.
    """
    groups: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for judgement in sorted(judgements, key=lambda one: one.learner):
        groups[judgement.assignment, judgement.notebook].append(judgement)
    page = render(
        "report.html.j2",
        parts=[_part(*names, group, grades or {}) for names, group in sorted(groups.items())],
        has_grades=bool(grades),
        num_learners=len({judgement.learner for judgement in judgements}),
        notices=notices,
        verdict_names=_VERDICTS,
        ending_words=_ENDING_WORDS,
        advice=_INSTRUCTOR_ADVICE,
    )
    write_own(folder, {"index.html": page}, maker="course report", force=force)
    return folder / "index.html"


def summarise_exercises(judgements: Sequence[Judgement]) -> tuple[ExerciseSummary, ...]:
    """Put together how a class did on each exercise of one notebook."""
    checks: dict[str, list[CheckResult]] = defaultdict(list)
    for judgement in judgements:
        for check in judgement.checks:
            checks[check.grade_id].append(check)
    return tuple(map(_summarise_exercise, checks.values()))


def _summarise_exercise(checks: Sequence[CheckResult]) -> ExerciseSummary:
    counted: Counter[str] = Counter(map(verdict, checks))
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for check in checks:
        for answer in check.answers:
            outcomes[answer.case].append(answer.passed)
    found = Counter(check.found for check in checks if check.found)
    commonest = found.most_common(_MAX_WRONG_VALUES)
    return ExerciseSummary(
        checks[0].exercise or checks[0].grade_id,
        max(check.max_score for check in checks),
        mean(check.score for check in checks),
        {name: counted[name] for name in _VERDICTS},
        tuple(CaseSummary(case, sum(each), len(each)) for case, each in outcomes.items()),
        tuple(commonest),
        found.total() - sum(number for _, number in commonest),
    )


def _part(assignment: str, notebook: str, judgements: Sequence[Judgement], grades: Grades) -> _Part:
    totals = {
        one.learner: grades[assignment, one.learner, notebook]
        for one in judgements
        if (assignment, one.learner, notebook) in grades
    }
    exercises = summarise_exercises(judgements)
    repaired: dict[RepairKind, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        for kind in dict.fromkeys(repair.kind for repair in judgement.repairs):
            repaired[kind].append(judgement)
    with matplotlib.rc_context(STYLE):
        pictures = [_draw_scores(_collect_scores(judgements, totals)), _draw_costs(judgements)]
        if exercises:
            pictures.insert(1, _draw_exercises(exercises))
    return _Part(
        assignment,
        notebook,
        tuple(judgements),
        totals,
        exercises,
        tuple(one for one in judgements if one.ending.kind != "finished"),
        tuple((kind, tuple(each)) for kind, each in sorted(repaired.items())),
        tuple(
            dict.fromkeys(
                check.grade_id for one in judgements for check in one.checks if check.can_be_forged
            )
        ),
        tuple(pictures),
    )


def _collect_scores(
    judgements: Sequence[Judgement], totals: Mapping[str, NotebookGrade]
) -> list[tuple[float, float]]:
    """Everybody's points, and those that could be earned: the gradebook's where it has them."""
    return [
        (totals[one.learner].total, totals[one.learner].max_points)
        if one.learner in totals
        else (one.score, one.max_score)
        for one in judgements
    ]


def _draw_scores(points: Sequence[tuple[float, float]]) -> Picture:
    """A histogram of the scores."""
    scores = [score for score, _ in points]
    highest = max(1.0, *(max_score for _, max_score in points), *scores)
    num_bins = max(1, min(round(highest), 20))
    figure, axes = _figure(3.0)
    counts, edges = np.histogram(scores, bins=num_bins, range=(0, highest))
    axes.stairs(counts, edges, fill=True, color=LOOKS[0].color)
    axes.vlines(median(scores), 0, max(counts), color="black", linestyle="--", label="median")
    axes.set(title="Scores", xlabel="points", ylabel="learners", xlim=(0, highest))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    fullest = int(counts.argmax())
    summary = (
        f"{_count(scores)} earned {format_points(min(scores))} to {format_points(max(scores))} of "
        f"{format_points(highest)} points, {format_points(mean(scores))} on average; the median is "
        f"{format_points(median(scores))}. The commonest scores lie between "
        f"{format_points(edges[fullest])} and {format_points(edges[fullest + 1])}."
    )
    alt = "Histogram: how many learners (upwards) earned how many points (across)."
    return _picture(figure, alt, summary)


def _draw_exercises(exercises: Sequence[ExerciseSummary]) -> Picture:
    """A bar for each exercise, divided by verdict."""
    figure, axes = _figure(1.2 + 0.45 * len(exercises))
    names = [exercise.name for exercise in exercises]
    totals = [sum(exercise.verdicts.values()) for exercise in exercises]
    left = [0.0] * len(exercises)
    for name, look in zip(_VERDICTS, LOOKS, strict=False):
        shares = [
            exercise.verdicts[name] / total
            for exercise, total in zip(exercises, totals, strict=True)
        ]
        axes.barh(
            range(len(names)), shares, left=left, label=name, color=look.color, hatch=look.hatch,
            edgecolor="white",
        )  # fmt: skip
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set(title="Exercises", xlabel="share of learners", ylabel="exercise", xlim=(0, 1))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    hardest = min(exercises, key=lambda one: one.mean_score / (one.max_score or 1))
    summary = (
        f"The hardest exercise was {hardest.name}: {format_points(hardest.mean_score)} of "
        f"{format_points(hardest.max_score)} points on average, and "
        f"{hardest.verdicts['right']} of {sum(hardest.verdicts.values())} learners right."
    )
    alt = "Bars, one for each exercise: the shares of learners who were " + ", ".join(_VERDICTS)
    return _picture(figure, f"{alt}.", summary)


def _draw_costs(judgements: Sequence[Judgement]) -> Picture:
    """Time against memory, one mark for each submission."""
    figure, axes = _figure(3.4)
    ended = [kind for kind in _ENDING_WORDS if any(one.ending.kind == kind for one in judgements)]
    for place, kind in enumerate(ended):
        chosen = [judgement for judgement in judgements if judgement.ending.kind == kind]
        axes.scatter(
            [judgement.seconds for judgement in chosen],
            [judgement.peak_memory / 1e6 for judgement in chosen],
            label=_ENDING_WORDS[kind],
            color=LOOKS[place % len(LOOKS)].color,
            marker="os^DvP*"[place],
            alpha=0.7,
        )
    axes.set(title="Time and memory", xlabel="seconds", ylabel="peak memory in MB")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    slowest = max(judgements, key=lambda one: one.seconds)
    known = [judgement.peak_memory for judgement in judgements if judgement.peak_memory]
    summary = (
        f"A run took {format_seconds(median(one.seconds for one in judgements))} (the median) and "
        f"{format_seconds(slowest.seconds)} at most"
        + (f"; it needed {format_memory(round(median(known)))} and at most "
           f"{format_memory(max(known))} of memory" if known else "")
        + ("." if len(known) == len(judgements) else "; where the memory is not known it says 0.")
    )  # fmt: skip
    alt = "Scatter plot: seconds (across) and peak memory (upwards) of each submission's run."
    return _picture(figure, alt, summary)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True)
    return figure, axes


def _picture(figure: Figure, alt: str, summary: str) -> Picture:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/svg+xml;base64,{encoded}", alt, summary)


def _count(scores: Sequence[float]) -> str:
    return "One learner" if len(scores) == 1 else f"{len(scores)} learners"
