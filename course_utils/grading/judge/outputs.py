"""What a cell shows, beside what the instructor's shows: nbval's comparison, with a tolerance."""

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from nbformat import NotebookNode

from course_utils.grading.judge.comparison import shorten

TAG = "compare-output"  # of a check cell whose outputs are compared
# What nbval passes over: how an output came about, and pictures.
_SKIPPED = (
    *("metadata", "traceback", "text/latex", "prompt_number", "output_type", "name"),
    *("execution_count", "application/vnd.jupyter.widget-view+json", "image/png", "image/jpeg"),
)
_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+−]?\.\d+")


def find_difference(
    expected: Sequence[NotebookNode], found: Sequence[NotebookNode], *, tolerance: float
) -> str:
    """Say what a cell shows that it shouldn't, without what it should; empty when it is right.

    Args:
        expected: the instructor's outputs.
        found: the learner's.
        tolerance: the largest difference between numbers that still count as equal.
    """
    from nbval.plugin import IPyNbCell

    comparison = _Comparison(keep_numbers=tolerance == 0)
    is_equal: bool = IPyNbCell.compare_outputs(comparison, list(found), list(expected))
    if is_equal and _are_close(_numbers(expected), _numbers(found), tolerance):
        return ""
    shown = " ".join(filter(None, map(_text, found)))
    return f"another output was expected than {shorten(shown) or 'nothing'}"


def has_something_to_compare(outputs: Sequence[NotebookNode]) -> bool:
    """Tell whether outputs hold more than blanks and pictures, which are passed over."""
    return any(
        str(output.get("text", "")).strip()
        or output.output_type == "error"
        or output.get("data", {}).keys() - set(_SKIPPED)
        for output in outputs
    )


class _Comparison:
    """What nbval's comparison asks of a cell."""

    parent = SimpleNamespace(skip_compare=_SKIPPED)

    def __init__(self, *, keep_numbers: bool) -> None:
        from nbval.plugin import nocolors

        self.colors = nocolors
        self.comparison_traceback: list[str] = []
        self._keep_numbers = keep_numbers

    def sanitize(self, text: Any) -> Any:
        """Leave the numbers to :func:`_are_close` where they need only be close."""
        if self._keep_numbers or not isinstance(text, str):
            return text
        return _NUMBER.sub("0", text)

    def format_output_compare(self, key: str, left: object, right: object) -> None:
        """Do nothing: what was expected is not said."""


def _text(output: NotebookNode) -> str:
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    data = output.get("data", {})
    return str(output.get("text") or data.get("text/plain") or "")


def _numbers(outputs: Sequence[NotebookNode]) -> list[float]:
    return [
        float(number.replace("−", "-"))
        for output in outputs
        for number in _NUMBER.findall(_text(output))
    ]


def _are_close(expected: Sequence[float], found: Sequence[float], tolerance: float) -> bool:
    return len(expected) == len(found) and all(
        one == other or abs(one - other) <= tolerance
        for one, other in zip(expected, found, strict=True)
    )
