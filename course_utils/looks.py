"""How the course's figures look: their colours, markers and sizes. It imports nothing slow."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 8.0  # inches, the widest that a notebook shows without scaling
DPI = 110
DARK, MIDDLE, LIGHT = "#222222", "#767676", "#d9d9d9"

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MIDDLE,
    "axes.grid.axis": "both",
    "axes.labelcolor": DARK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "errorbar.capsize": 3,
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "font.size": 10.5,
    "grid.color": LIGHT,
    "hatch.linewidth": 1.2,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "text.color": DARK,
    "text.parse_math": False,  # a class may be called "$" or "x_1"
    "xtick.color": DARK,
    "ytick.color": DARK,
}


class Look(NamedTuple):
    """How one series is told from the others, in colour and without it."""

    color: str
    marker: str
    line: str
    hatch: str


BLUE, ORANGE, GREEN, PURPLE, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00"
LOOKS = (
    Look(BLUE, "o", "-", ""),
    Look(ORANGE, "s", "--", "//"),
    Look(GREEN, "^", "-.", ".."),
    Look(PURPLE, "D", ":", "xx"),
    Look(VERMILLION, "v", (0, (5, 1, 1, 1, 1, 1)), "\\\\"),  # type: ignore[arg-type]
)


def looks_of(number: int) -> Sequence[Look]:
    """As many different looks as there are series."""
    if number > len(LOOKS):
        raise ValueError(f"at most {len(LOOKS)} series can be told apart in a figure, got {number}")
    return LOOKS[:number]
