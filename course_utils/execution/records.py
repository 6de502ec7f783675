"""Records: the named results of a lesson, kept in the outputs of its notebook.

The format is that of MyST-NB's ``glue``, so an essay or a web page can quote a record by its name,
with the number itself added to the output's metadata, so that a program need not parse the text.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

MIME_PREFIX = "application/papermill.record/"


@runtime_checkable
class HasInterval(Protocol):
    """An estimate with its interval, such as :class:`course_utils.evaluation.Estimate`."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end of its 95 % interval."""

    @property
    def high(self) -> float:
        """Upper end of its 95 % interval."""


@dataclass(frozen=True)
class Record:
    """A named result of a run.

    Attributes:
        name: what the lesson calls it, a Python identifier.
        value: the number (NaN where it is undefined) or the text.
        low: lower end of its 95 % interval, if it has one.
        high: upper end of its 95 % interval, if it has one.
        text: how the value reads in a sentence, such as ``84.2 % (82.5–85.7)``.
    """

    name: str
    value: float | str
    low: float | None
    high: float | None
    text: str

    def numbers(self) -> dict[str, float | str | None]:
        """Its value and interval as JSON can hold them: what is undefined becomes None."""
        return {
            key: None if isinstance(number, float) and not math.isfinite(number) else number
            for key, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }


def record(
    name: str, value: float | str | HasInterval, *, interval: tuple[float, float] | None = None
) -> None:
    """Store a result in the output of the current cell, and show it.

    Args:
        name: what to call it, a Python identifier; a second record of the same name in a notebook
            takes the place of the first.
        value: a number, a text, or an estimate that brings its interval along.
        interval: ``(low, high)`` of the 95 % interval, when ``value`` is a plain number.

    Raises:
        ValueError: the name is no identifier, or the interval does not fit the value.
        TypeError: the value is neither a number, a text nor an estimate.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    made = make_record(name, value, interval=interval)
    visible = f"{made.name}: {made.text}"
    if get_ipython() is None:
        print(visible)
        return
    display(
        {"text/plain": visible, f"{MIME_PREFIX}text/plain": made.text},
        metadata={
            "scrapbook": {
                "name": made.name,
                "mime_prefix": MIME_PREFIX,
                "record": made.numbers(),
            }
        },
        raw=True,
    )


def make_record(
    name: str, value: float | str | HasInterval, *, interval: tuple[float, float] | None = None
) -> Record:
    """Make the :class:`Record` that :func:`record` stores; same arguments and errors."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(
            f"a record's name is a Python identifier such as 'test_accuracy', not {name!r}"
        )
    if isinstance(value, HasInterval):
        if interval is not None:
            raise ValueError(f"record {name!r}: the estimate {value} already has an interval")
        return Record(name, float(value.value), float(value.low), float(value.high), str(value))
    if isinstance(value, str):
        if interval is not None:
            raise ValueError(f"record {name!r}: a text has no interval")
        return Record(name, value, None, None, value)
    number: object = value
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(
            f"record {name!r}: the value is a number, a text or an estimate, "
            f"not {value!r} ({type(value).__name__})"
        )
    number = int(number) if isinstance(number, Integral) else float(number)
    if interval is None:
        return Record(name, number, None, None, _number_text(number))
    low, high = (float(end) for end in interval)
    if low > high:
        raise ValueError(f"record {name!r}: its interval ends ({high}) before it begins ({low})")
    text = f"{_number_text(number)} ({_number_text(low)}–{_number_text(high)})"
    return Record(name, number, low, high, text)


def collect(notebook: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Record]:
    """Read the records back from an executed notebook.

    Outputs that are no record, or no sound one, are passed over: a learner's notebook can hold
    anything.

    Args:
        notebook: the notebook (a dictionary or ``NotebookNode``), or the path of its file.

    Returns:
        The records by name, in the order in which the notebook made them.

    Raises:
        ValueError: the file is not JSON.
        OSError: the file cannot be read.
    """
    if isinstance(notebook, str | os.PathLike):
        try:
            notebook = json.loads(Path(notebook).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{notebook} is no notebook: {error}") from None
    found = (_read_output(output) for output in _outputs(notebook))
    return {made.name: made for made in found if made is not None}


def _outputs(notebook: object) -> Iterator[Mapping[str, Any]]:
    for cell in _list(_get(notebook, "cells")):
        for output in _list(_get(cell, "outputs")):
            if isinstance(output, Mapping):
                yield output


def _read_output(output: Mapping[str, Any]) -> Record | None:
    scrapbook = _get(_get(output, "metadata"), "scrapbook")
    name, stored = _get(scrapbook, "name"), _get(scrapbook, "record")
    text = _get(_get(output, "data"), f"{MIME_PREFIX}text/plain")
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "".join(text)
    if not (isinstance(name, str) and name.isidentifier() and isinstance(text, str)):
        return None
    if not (isinstance(stored, Mapping) and "value" in stored):
        return None
    value, low, high = (stored.get(key) for key in ("value", "low", "high"))
    if not isinstance(value, str):
        if not all(number is None or _is_finite(number) for number in (value, low, high)):
            return None
        value = math.nan if value is None else value
    elif low is not None or high is not None:
        return None
    return Record(name, value, low, high, text)


def _get(mapping: object, key: str) -> Any:
    return mapping.get(key) if isinstance(mapping, Mapping) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _number_text(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.4g}"
