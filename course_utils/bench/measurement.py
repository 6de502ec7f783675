"""A measured number beside its target, in the terminal and as a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Column, Table
from rich.text import Text

import course_utils
from course_utils.files import write_own
from course_utils.hardware import machine

MAKER = "course bench"


@dataclass(frozen=True)
class Measurement:
    """One measured number.

    Attributes:
        name: what was measured.
        value: the number, in ``unit``.
        unit: such as ``s`` or ``images/s``.
        at_most: the largest value that meets the target; None where there is no such target.
        at_least: the smallest value that meets the target; None where there is no such target.
        condition: where the target holds, such as ``on 2 cores``.
    """

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    condition: str = ""

    def __str__(self) -> str:
        digits = ".0f" if self.value >= 100 else ".3g"
        return f"{self.value:,{digits}} {self.unit}"

    @property
    def target(self) -> str:
        """What the course aims for, such as ``≤ 0.2 s``; empty where there is no aim."""
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        shown = [f"{sign} {bound:g} {self.unit}" for sign, bound in bounds if bound is not None]
        return " ".join(filter(None, [" and ".join(shown), self.condition]))

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def format_measurements(measurements: Sequence[Measurement]) -> Table:
    """Show measurements beside their targets."""
    words = {True: Text("yes", "green"), False: Text("no", "bold red"), None: Text("")}
    table = Table("measured", Column("value", justify="right"), "target", "met", title=machine())
    for one in measurements:
        table.add_row(one.name, str(one), one.target, words[one.is_met])
    return table


def write_json(
    measurements: Sequence[Measurement], path: Path, *, maker: str = MAKER, force: bool = False
) -> None:
    """Write measurements to a file, with the computer they were made on.

    Raises:
        FilesError: a file that ``maker`` didn't write is in the way, unless ``force``.
    """
    content = {
        "machine": machine(),
        "version": course_utils.__version__,
        "measurements": [
            {
                "name": one.name,
                "value": one.value,
                "unit": one.unit,
                "target": one.target,
                "met": one.is_met,
            }
            for one in measurements
        ],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_own(path.parent, {path.name: text}, maker=maker, force=force)
