"""What the pages of grading share: templates, and text from outside made harmless and readable."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbconvert.filters import strip_ansi

from course_utils.formats import format_memory, format_points, format_seconds

_TEMPLATES = Path(__file__).parent / "templates"
# The escape sequences of a terminal that strip_ansi leaves: titles and links, with their text.
_TERMINAL_STRINGS = re.compile(r"\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?")
_BACKSPACES = re.compile(r"[^\n\x08]\x08")
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def render(template: str, **values: object) -> str:
    """Fill in a page's template; every text is made plain and escaped on its way in.

    Args:
        template: name of a file in ``templates/``.
        values: what the template shows.
    """
    return _environment().get_template(template).render(values)


def plain_text(text: str) -> str:
    r"""Make text from outside safe to show: it keeps its words and loses its tricks.

    What a terminal would have acted on (colours, titles, lines written over) is acted on or
    dropped. Other control characters, and those that change the direction of writing, become
    visible as ``\u202e``.
    """
    text = strip_ansi(_TERMINAL_STRINGS.sub("", text)).replace("\r\n", "\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", _BACKSPACES.sub("", text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        points=format_points, seconds=format_seconds, megabytes=format_memory
    )
    return environment


def _finalize(value: object) -> object:
    """Make every text plain that a template shows, unless it is markup already."""
    return plain_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value
