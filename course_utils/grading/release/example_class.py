"""An invented class that hands in lesson 3: to try the grader out, to show it, and to measure it.

What each learner hands in is known, and so is the score that it deserves.
"""

import copy
import csv
import dataclasses
import io
import random
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.exercises.working_copy import CODE_STUB
from course_utils.grading.release.student_edition import (
    ReleaseError,
    make_student_edition,
    write_new,
)
from course_utils.notebooks import grade_id, is_solution, marks, read_notebook

ASSIGNMENT = "03_training"
TABLE = "example-class.csv"

_SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION\n(.*?)\n[ \t]*### END SOLUTION$", re.M | re.S)
_FIRST_NAMES = (
    *("Agate", "Beryl", "Citrine", "Diamond", "Emerald", "Feldspar", "Garnet", "Hematite"),
    *("Iolite", "Jasper", "Kyanite", "Lapis", "Malachite", "Nephrite", "Onyx", "Peridot"),
    *("Quartz", "Ruby", "Sapphire", "Topaz", "Ulexite", "Variscite", "Wulfenite", "Zircon"),
)
_LAST_NAME = "Invented"


class ExampleClassError(Exception):
    """The example class cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Solution:
    """A way to solve an exercise, or to fail at it.

    Attributes:
        body: what stands in place of the stub, without its indentation.
        share: which part of the exercise's cases it gets right, whatever the seed.
    """

    body: str
    share: Fraction


# Right in another way than the lesson's solution, right in part, and wrong.
SOLUTIONS: dict[str, dict[str, Solution]] = {
    "3.1": {
        "another way": Solution("return weight + learning_rate * -gradient", Fraction(1)),
        "in part": Solution("return weight - learning_rate * abs(gradient)", Fraction(3, 5)),
        "mistake": Solution("return weight + learning_rate * gradient", Fraction(0)),
    },
    "3.3": {
        "another way": Solution(
            "smallest = min(losses)\nreturn list(losses).index(smallest) + 1", Fraction(1)
        ),
        "in part": Solution("return int(losses.argmin()) + 1", Fraction(5, 6)),
        "mistake": Solution("return int(np.argmin(losses))", Fraction(0)),
    },
    "3.13": {
        "another way": Solution(
            "right = 0\n"
            "for label, row in zip(labels, probabilities):\n"
            "    if np.argmax(row) == label:\n"
            "        right += 1\n"
            "return right / len(labels)",
            Fraction(1),
        ),
        "in part": Solution(
            "return np.mean(probabilities[np.arange(len(labels)), labels] > 0.5)", Fraction(2, 6)
        ),
        "mistake": Solution("return np.sum(probabilities.argmax(axis=1) == labels)", Fraction(0)),
    },
    "3.14": {
        "another way": Solution(
            "deviation = math.sqrt(accuracy * (1 - accuracy))\n"
            "return int(np.ceil((1.96 * deviation / margin) ** 2))",
            Fraction(1),
        ),
        "in part": Solution(
            "return round(1.96**2 * accuracy * (1 - accuracy) / margin**2)", Fraction(5, 6)
        ),
        "mistake": Solution(
            "return int(1.96**2 * accuracy * (1 - accuracy) / margin**2)", Fraction(0)
        ),
    },
    "3.15": {
        "another way": Solution(
            "right, seen = {}, {}\n"
            "for label, prediction in zip(labels, predictions):\n"
            "    seen[label] = seen.get(label, 0) + 1\n"
            "    right[label] = right.get(label, 0) + (label == prediction)\n"
            "return class_names[min(seen, key=lambda label: right[label] / seen[label])]",
            Fraction(1),
        ),
        "in part": Solution(
            "missed = np.bincount(labels[labels != predictions], minlength=len(class_names))\n"
            "return class_names[int(missed.argmax())]",
            Fraction(4, 6),
        ),
        "mistake": Solution(
            "shares = [np.mean(predictions[labels == i] == i) for i in range(len(class_names))]\n"
            "return int(np.argmin(shares))",
            Fraction(0),
        ),
    },
    "3.16": {
        "another way": Solution(
            "peak = warm_up * num_steps\n"
            "if step < peak:\n"
            "    return step / peak * highest\n"
            "return (num_steps - step) / (num_steps - peak) * highest",
            Fraction(1),
        ),
        "in part": Solution(
            "done = step / num_steps\n"
            "return highest * min(done / warm_up, (1 - done) / (1 - warm_up))",
            Fraction(6, 7),
        ),
        "mistake": Solution("return highest * (1 - step / num_steps)", Fraction(1, 7)),
    },
    "3.17": {
        "another way": Solution(
            "centred = values - values.mean(axis=0)\n"
            "return centred / (np.mean(centred**2, axis=0) + epsilon) ** 0.5",
            Fraction(1),
        ),
        "in part": Solution(
            "return (values - values.mean(axis=0)) / values.std(axis=0)", Fraction(5, 7)
        ),
        "mistake": Solution("return values - values.mean(axis=0)", Fraction(0)),
    },
}
# In the exercises that are networks or trainings; they are solved as in the lesson otherwise.
MISTAKES = {
    "3.2": "return model.fit(images, labels, epochs=epochs)",
    "3.4": "return keras.callbacks.EarlyStopping()",
    "3.5": "return class_names[0]",
    "3.6": "return 0.0",
    "3.7": "return patient_a(images, labels, epochs)",
    "3.8": "return patient_b(images, labels, epochs)",
    "3.9": "return patient_c(images, labels, epochs)",
    "3.10": "return patient_d(images, labels, epochs)",
    "3.11": "return patient_e(images, labels)",
    "3.12": "return patient_f(images, labels, epochs)",
}
EXERCISES = tuple(f"3.{number}" for number in range(1, len(SOLUTIONS) + len(MISTAKES) + 1))
STYLES = ("the lesson's own", "another way", "in part", "mistake", "not done")


@dataclass(frozen=True)
class Learner:
    """An invented learner, and what the grader is expected to find.

    Attributes:
        learner: identifier, the name of the folder in ``submitted/``.
        first_name, last_name, email: as in the gradebook.
        kind: what was handed in, in a word or two.
        description: the same in a sentence.
        expected_score: points that it deserves.
        max_score: points that could be earned.
    """

    learner: str
    first_name: str
    last_name: str
    email: str
    kind: str
    description: str
    expected_score: float
    max_score: float


@dataclass(frozen=True)
class _Kind:
    """What a learner hands in.

    Attributes:
        name, description: see :class:`Learner`.
        styles: how each exercise is solved; in the lesson's own way where none is given.
        bodies: what stands in an exercise in place of a solution.
        damage: what happens to the notebook afterwards.
        encode: turns it into the text of a file.
        file_name: its name, of which ``{}`` is the assignment's.
        lost: exercises of which nothing counts.
    """

    name: str
    description: str
    styles: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[str, str] = field(default_factory=dict)
    damage: Callable[[NotebookNode], None] = lambda notebook: None
    encode: Callable[[NotebookNode], str] = lambda notebook: f"{nbformat.writes(notebook)}\n"
    file_name: str = "{}.ipynb"
    lost: tuple[str, ...] = ()


def make_example_class(
    course_folder: Path, num_learners: int, *, seed: int, kinds: Sequence[str] | None = None
) -> tuple[Learner, ...]:
    """Let invented learners hand in lesson 3, and write what is to be expected beside.

    The first learners show one kind of submission each: right, right in another way, right in
    part, with the usual mistakes, not done, and broken or hostile in several ways. The rest is
    drawn. It is safe to run their notebooks in the sandbox only: among them are an endless loop,
    a fork bomb and one that takes all memory.

    Args:
        course_folder: an nbgrader course with lesson 3 in its ``source/``.
        num_learners: at least 1.
        seed: fixes what is drawn.
        kinds: what the first learners hand in; by default :data:`KINDS`, in this order.

    Returns:
        The learners. ``example-class.csv`` in the course's folder holds the same.

    Raises:
        ExampleClassError: there is no such course or kind, or other submissions are in the way.
    """
    if num_learners < 1:
        raise ExampleClassError(f"a class of {num_learners} was asked for; it takes at least 1")
    lesson = course_folder / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    if not lesson.is_file():
        raise ExampleClassError(
            f"{lesson} is not there; make the course with `course init-grading` first"
        )
    handed_in = _choose_kinds(KINDS if kinds is None else kinds, num_learners, seed=seed)
    points = _read_points(lesson)
    learners = tuple(
        _describe_learner(number, kind, points) for number, kind in enumerate(handed_in, start=1)
    )
    released, solutions = make_student_edition(lesson), _read_solutions(lesson)
    contents = {
        course_folder.joinpath(
            "submitted", learner.learner, ASSIGNMENT, kind.file_name.format(ASSIGNMENT)
        ): kind.encode(_solve(released, kind, solutions))
        for learner, kind in zip(learners, handed_in, strict=True)
    }
    contents[course_folder / TABLE] = _to_csv(learners)
    try:
        write_new(contents, advice="make the example class in a course of its own")
    except ReleaseError as error:
        raise ExampleClassError(f"the example class is not written: {error}") from error
    return learners


def read_example_class(course_folder: Path) -> tuple[Learner, ...]:
    """Read what is to be expected of an example class.

    Raises:
        OSError: the course has none.
    """
    text = (course_folder / TABLE).read_text(encoding="utf-8")
    return tuple(
        Learner(
            **{name: value for name, value in row.items() if not name.endswith("_score")},
            expected_score=float(row["expected_score"]),
            max_score=float(row["max_score"]),
        )
        for row in csv.DictReader(io.StringIO(text))
    )


def _read_points(lesson: Path) -> dict[str, float]:
    """Points of each exercise."""
    return {
        _exercise(cell): float(marks(cell)["points"])
        for cell in read_notebook(lesson).cells
        if marks(cell).get("grade")
    }


def _read_solutions(lesson: Path) -> dict[str, str]:
    """The lesson's own solution of each exercise, without its indentation."""
    return {
        _exercise(cell): textwrap.dedent(found[1])
        for cell in read_notebook(lesson).cells
        if (found := _SOLUTION.search(cell.source))
    }


def _exercise(cell: NotebookNode) -> str:
    """The exercise that a cell with nbgrader's metadata belongs to: 3.1 for check-3-1."""
    return ".".join(grade_id(cell).split("-")[1:])


def _solve(released: NotebookNode, kind: _Kind, solutions: Mapping[str, str]) -> NotebookNode:
    """The student edition as a learner of this kind hands it in."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        if is_solution(cell):
            exercise = _exercise(cell)
            head = cell.source.removesuffix(CODE_STUB)
            indentation = head[len(head.rstrip(" ")) :]
            body = _choose_body(kind, exercise, solutions[exercise])
            cell.source = head.rstrip(" ") + textwrap.indent(body, indentation)
    kind.damage(notebook)
    return notebook


def _choose_body(kind: _Kind, exercise: str, own: str) -> str:
    if exercise in kind.bodies:
        return kind.bodies[exercise].replace("<own>", own)
    style = kind.styles.get(exercise, STYLES[0])
    if style == "not done":
        return CODE_STUB
    if exercise in MISTAKES:
        return MISTAKES[exercise] if style == "mistake" else own
    return own if style == STYLES[0] else SOLUTIONS[exercise][style].body


def _share(kind: _Kind, exercise: str) -> Fraction:
    """Which part of an exercise's points a learner of this kind deserves."""
    style = kind.styles.get(exercise, STYLES[0])
    if exercise in kind.lost or style == "not done":
        return Fraction(0)
    if exercise in MISTAKES:
        return Fraction(style != "mistake")
    return Fraction(1) if style == STYLES[0] else SOLUTIONS[exercise][style].share


def _describe_learner(number: int, kind: _Kind, points: Mapping[str, float]) -> Learner:
    first_name = _FIRST_NAMES[(number - 1) % len(_FIRST_NAMES)]
    learner = f"{first_name.lower()}-{number:02d}"
    return Learner(
        learner,
        first_name,
        f"{_LAST_NAME} {number}",
        f"{learner}@example.org",
        kind.name,
        kind.description,
        float(sum(Fraction(points[exercise]) * _share(kind, exercise) for exercise in points)),
        sum(points.values()),
    )


def _choose_kinds(names: Sequence[str], num_learners: int, *, seed: int) -> list[_Kind]:
    """The kinds of these names, as many as there are learners, and drawn ones for the rest."""
    known = {kind.name: kind for kind in _KINDS}
    if unknown := [name for name in names if name not in known]:
        raise ExampleClassError(
            f"there is no kind {', '.join(map(repr, unknown))} of submission; there are "
            f"{', '.join(map(repr, known))}"
        )
    generator = random.Random(seed)  # noqa: S311, nothing secret is drawn
    chosen = [known[name] for name in names[:num_learners]]
    return chosen + [_draw_kind(generator) for _ in range(num_learners - len(chosen))]


def _draw_kind(generator: random.Random) -> _Kind:
    """A mixture as classes hand it in, mostly right."""
    styles = {one: generator.choices(STYLES, weights=[5, 5, 3, 3, 1])[0] for one in EXERCISES}
    description = "; ".join(f"{exercise} {style}" for exercise, style in styles.items())
    return _Kind("mixed", description, styles)


def _to_csv(learners: tuple[Learner, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [one.name for one in dataclasses.fields(Learner)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(dataclasses.asdict(learner) for learner in learners)
    return text.getvalue()


# What happens to notebooks


def _find(notebook: NotebookNode, name: str) -> int:
    return [grade_id(cell) for cell in notebook.cells].index(name)


def _delete_check(notebook: NotebookNode) -> None:
    del notebook.cells[_find(notebook, "check-3-3")]


def _edit_check(notebook: NotebookNode) -> None:
    notebook.cells[_find(notebook, "check-3-1")].source = 'print("3.1 ✓ downhill")'


def _duplicate_cells(notebook: NotebookNode) -> None:
    start = _find(notebook, "exercise-3-3")
    copies = copy.deepcopy(notebook.cells[start : start + 2])
    for cell in copies:
        cell.id = f"copy-{cell.id}"
    notebook.cells += copies


def _retag_check(notebook: NotebookNode) -> None:
    tags = ["nbval-skip", "nbval-ignore-output", "raises-exception", "skip-execution"]
    notebook.cells[_find(notebook, "check-3-3")].metadata["tags"] = tags


def _leave(notebook: NotebookNode) -> None:
    notebook.cells[_find(notebook, "exercise-3-3")].source += "\n\n\nimport sys\n\nsys.exit(0)"


def _compute_long(notebook: NotebookNode) -> None:
    notebook.cells[_find(notebook, "exercise-3-14")].source += _TWELVE_SECONDS


def _move_cells(notebook: NotebookNode) -> None:
    start = _find(notebook, "exercise-3-3")
    moved = notebook.cells[start : start + 2]
    del notebook.cells[start : start + 2]
    notebook.cells += moved


def _lose_metadata(notebook: NotebookNode) -> None:
    notebook.metadata.clear()
    for number, cell in enumerate(notebook.cells):
        cell.metadata.clear()
        cell.id = f"cell-{number}"


def _cut_off(notebook: NotebookNode) -> str:
    text = str(nbformat.writes(notebook))
    return text[: len(text) // 2]


def _to_format_3(notebook: NotebookNode) -> str:
    return f"{nbformat.writes(notebook, version=3)}\n"


def _from(exercise: str) -> tuple[str, ...]:
    """This exercise and those behind it."""
    return EXERCISES[EXERCISES.index(exercise) :]


def _all(style: str) -> dict[str, str]:
    return dict.fromkeys(EXERCISES, style)


_ENDLESS_LOOP = "num = 1\nwhile 1.96 * math.sqrt(accuracy / num) >= 0:\n    num += 1\nreturn num"
_ALL_MEMORY = """\
seen = []
for _ in range(256):
    seen.append(b"x" * 2**26)
<own>"""
_ENDLESS_OUTPUT = """\
while True:
    print("step", step, "of", num_steps, "." * 10_000)"""
_FORK_BOMB = """\
import os

while True:
    try:
        os.fork()
    except OSError:
        pass"""
_GIGABYTE = """\
for _ in range(1000):
    print("." * 1_000_000)
<own>"""
_SLOW = """\
import time

time.sleep(0.5)
<own>"""

_TWELVE_SECONDS = """


import time

end = time.process_time() + 12
while time.process_time() < end:
    num_pictures(0.5, 0.01)"""

_KINDS = (
    _Kind("right", "solved as in the lesson"),
    _Kind("another way", "solved in other ways than the lesson's", _all("another way")),
    _Kind("in part", "every function is right for some inputs", _all("in part")),
    _Kind("mistakes", "the usual mistakes, one in every exercise", _all("mistake")),
    _Kind("not done", "handed in as it was handed out", _all("not done")),
    _Kind(
        "syntax error",
        "3.13 lacks a bracket, so it cannot run",
        bodies={"3.13": "return np.mean(probabilities.argmax(axis=1) == labels"},
        lost=("3.13",),
    ),
    _Kind(
        "endless loop",
        "3.14 never ends: what comes before it counts",
        bodies={"3.14": _ENDLESS_LOOP},
        lost=_from("3.14"),
    ),
    _Kind(
        "all memory",
        "3.15 takes 16 GB of memory: what comes before it counts",
        bodies={"3.15": _ALL_MEMORY},
        lost=_from("3.15"),
    ),
    _Kind("deleted check", "the check of 3.3 is deleted", damage=_delete_check),
    _Kind(
        "edited check",
        "3.1 is wrong, and its check is edited so that it says otherwise",
        {"3.1": "mistake"},
        damage=_edit_check,
    ),
    _Kind(
        "cut off",
        "half of the file is missing, as after a full disk",
        encode=_cut_off,
        lost=EXERCISES,
    ),
    _Kind("renamed", "the file has another name", file_name="{} (1).ipynb"),
    _Kind("duplicated cells", "3.3 and its check are there twice", damage=_duplicate_cells),
    _Kind(
        "retagged check",
        "3.3 is wrong, and its check has tags that make programs pass over it",
        {"3.3": "mistake"},
        damage=_retag_check,
    ),
    _Kind("sys.exit", "sys.exit() is called behind 3.3", damage=_leave),
    _Kind("old format", "the file has notebook format 3", encode=_to_format_3),
    _Kind("moved cells", "3.3 and its check are at the end", damage=_move_cells),
    _Kind("lost metadata", "another program has removed all metadata", damage=_lose_metadata),
    _Kind("slow", "3.14 takes half a second for each call", bodies={"3.14": _SLOW}),
    _Kind(
        "endless output",
        "3.16 prints without end: what comes before it counts",
        bodies={"3.16": _ENDLESS_OUTPUT},
        lost=_from("3.16"),
    ),
    _Kind(
        "fork bomb",
        "3.13 starts processes without end: what comes before it counts",
        bodies={"3.13": _FORK_BOMB},
        lost=_from("3.13"),
    ),
    _Kind(
        "a gigabyte of output",
        "3.17 prints a gigabyte: what comes before it counts",
        bodies={"3.17": _GIGABYTE},
        lost=_from("3.17"),
    ),
    _Kind("computes long", "3.14 is tried out for twelve seconds", damage=_compute_long),
)
KINDS = tuple(kind.name for kind in _KINDS)
