"""What all figures share: how they look, and how they are shown in words and pixels."""

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from course_utils.evaluation import Unit, percentage
from course_utils.files import write_bytes
from course_utils.looks import STYLE, WIDTH
from course_utils.plots.glyphs import make_printable


@contextmanager
def in_style() -> Iterator[None]:
    """Draw what is drawn inside in the course's style."""
    with matplotlib.rc_context(STYLE):
        yield


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure with words for those who can't see it, and for those who can.

    In a notebook it shows itself as a picture, with the alternative text in its metadata, followed
    by the summary.
    """

    figure: Figure
    alt: str  # what kind of figure it is and what is on its axes
    summary: str  # one sentence: what the data say

    def __post_init__(self) -> None:
        """Number the names for which there is no font, and say in the summary what they are."""
        if numbers := make_printable(self.figure):
            names = listing([f"{number} is {name}" for number, name in numbers.items()])
            summary = f"{self.summary} No font here has some of these names: {names}."
            object.__setattr__(self, "summary", summary)

    def save(self, path: str | Path) -> None:
        """Write the figure to a file whose ending says the format: .png, .svg or .pdf."""
        path = Path(path)
        write_bytes(path, self.render(path.suffix.removeprefix(".")))

    def render(self, file_format: str) -> bytes:
        """Make the content of a file in a format: ``png``, ``svg`` or ``pdf``."""
        buffer = io.BytesIO()
        with in_style():
            self.figure.savefig(buffer, format=file_format)
        return _shrink(buffer) if file_format == "png" else buffer.getvalue()

    def __repr__(self) -> str:
        return f"<Plot: {self.alt}>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        png = base64.b64encode(self.render("png")).decode()
        display(
            {"image/png": png, "text/plain": repr(self)},
            metadata={"image/png": {"alt": self.alt}},
            raw=True,
        )
        display({"text/markdown": _markdown(self.summary), "text/plain": self.summary}, raw=True)


def _shrink(png: io.BytesIO) -> bytes:
    """A third of the bytes: a palette of 256 colours, unless there are photographs to spoil."""
    picture = Image.open(png).convert("RGB")
    if picture.getcolors(maxcolors=4096):
        picture = picture.quantize(dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    picture.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _markdown(text: str) -> str:
    """``text`` with everything escaped that Markdown or HTML would take for markup."""
    return re.sub(r"([\\`*_\[\]<>&$~|#!])", r"\\\1", text)


def make_figure(height: float, width: float = WIDTH) -> Figure:
    """Make an empty figure; its size is in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def percent(share: float) -> str:
    """Write a share in per cent."""
    return f"{percentage(share)} %"


def percent_axis(unit: Unit = "%") -> FuncFormatter:
    """Write ticks in per cent: 10 % and 2.5 %, where matplotlib's own would write 10.0 %.

    Points are written as numbers, so the axis's label has to name them.
    """
    sign = " %" if unit == "%" else ""
    return FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}{sign}".replace("-", "−"))


def listing(words: Sequence[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(number: int, noun: str) -> str:
    """Write a number and what it counts."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
