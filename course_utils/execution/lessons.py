"""The lessons: where they are, and the parameters each of them knows."""

import ast
import math
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import course_utils
from course_utils.notebooks import read_notebook

PROJECT = "pixels-and-people"
Value = int | float | bool | str

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RunError(Exception):
    """A run was asked for that cannot be had; the message says what can."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a lesson, as its parameters cell declares it.

    Attributes:
        name: what the lesson calls it.
        type_name: ``int``, ``float``, ``bool`` or ``str``; anything else when it is not known.
        default: Python source of its default.
        help: the comment behind it.
    """

    name: str
    type_name: str
    default: str
    help: str


def course_folder() -> Path:
    """Find the course's own folder, with ``notebooks`` and ``essays`` in it.

    It is the checkout that this package lies in, or what was installed along with it. The working
    folder doesn't count: a folder ``notebooks`` in it is somebody else's.
    """
    checkout = Path(course_utils.__file__).absolute().parent.parent
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
        if project["project"]["name"] == PROJECT:
            return checkout
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the package isn't in a checkout
    return Path(sys.prefix, "share", PROJECT)


def find_lessons(folder: Path | None = None) -> list[Path]:
    """Find the lessons, ``01_….ipynb``, ``02_….ipynb``, …, in their order.

    Args:
        folder: where to look; by default in the :func:`course_folder`.

    Raises:
        RunError: there are none.
    """
    place = folder or course_folder() / "notebooks"
    if found := sorted(place.resolve().glob("[0-9][0-9]_*.ipynb")):
        return found
    raise RunError(f"no lessons (01_….ipynb) in {place}")


def select(lessons: Sequence[Path], names: Iterable[str]) -> list[Path]:
    """Choose lessons by number (``03``, ``3``) or name (``03_training``); all when none is named.

    Raises:
        RunError: a name fits no lesson.
    """
    wanted = [_find_lesson(lessons, name) for name in names]
    return [lesson for lesson in lessons if lesson in wanted] if wanted else list(lessons)


def _find_lesson(lessons: Sequence[Path], name: str) -> Path:
    stem = Path(name).name.removesuffix(".ipynb")
    for lesson in lessons:
        if stem == lesson.stem or stem.zfill(2) == lesson.stem[:2]:
            return lesson
    known = ", ".join(lesson.stem for lesson in lessons)
    raise RunError(f"no lesson is called {name!r}; there are {known}")


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Read which parameters a lesson knows.

    Raises:
        NotebookError: the file is not a notebook.
    """
    from papermill import inspect_notebook

    return {
        name: Parameter(
            name,
            _type_name(found["inferred_type_name"], found["default"]),
            found["default"],
            found["help"],
        )
        for name, found in inspect_notebook(read_notebook(path)).items()
    }


def all_values(lesson: Path, given: Mapping[str, Value]) -> dict[str, object]:
    """Name the value of each parameter of a lesson that runs with some of them given."""
    values: dict[str, object] = {}
    for name, parameter in read_parameters(lesson).items():
        try:
            values[name] = given.get(name, ast.literal_eval(parameter.default))
        except (ValueError, SyntaxError):  # an expression
            values[name] = given.get(name, parameter.default)
    return values


def _type_name(annotation: str, default: str) -> str:
    if annotation != "None":
        return annotation
    try:
        return type(ast.literal_eval(default)).__name__
    except (ValueError, SyntaxError):
        return annotation


def parse_value(parameter: Parameter, text: str) -> Value:
    """Convert what was typed into the parameter's type.

    Raises:
        RunError: the text does not stand for a value of that type.
    """
    try:
        match parameter.type_name:
            case "int":
                return int(text)
            case "float":
                return _finite(float(text))
            case "bool":
                return _BOOLEANS[text.strip().lower()]
            case "str":
                return text
            case _:
                return _guess(text)
    except (ValueError, KeyError):
        expected = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
        }[parameter.type_name]
        raise RunError(
            f"parameter {parameter.name}: {text!r} is not {expected} "
            f"(default {parameter.default}{'; ' if parameter.help else ''}{parameter.help})"
        ) from None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _guess(text: str) -> Value:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.strip().lower(), text)


def assign_parameters(
    lessons: Sequence[Path], given: Iterable[tuple[str, str]]
) -> dict[Path, dict[str, Value]]:
    """Decide which of the given parameters go to which lesson; each goes to all that know it.

    Args:
        lessons: the lessons that will run.
        given: names and values as typed.

    Raises:
        RunError: a parameter no lesson knows, given twice, or of the wrong type.
        DatasetError: the parameter ``dataset`` names none.
    """
    from course_utils import datasets

    known = {lesson: read_parameters(lesson) for lesson in lessons}
    assigned: dict[Path, dict[str, Value]] = {lesson: {} for lesson in lessons}
    seen: set[str] = set()
    for name, text in given:
        takers = [lesson for lesson in lessons if name in known[lesson]]
        if not takers:
            raise RunError(_unknown_parameter(name, known.values()))
        if name in seen:
            raise RunError(f"parameter {name} is given twice")
        seen.add(name)
        value = str(datasets.locate(text)) if name == "dataset" else text
        for lesson in takers:
            assigned[lesson][name] = parse_value(known[lesson][name], value)
    return assigned


def _unknown_parameter(name: str, known: Iterable[dict[str, Parameter]]) -> str:
    names = sorted({parameter for parameters in known for parameter in parameters})
    return f"no lesson to be run knows a parameter {name!r}; known are {', '.join(names) or 'none'}"
