"""What an error of a learner's code says: in a line, and in which line of theirs it was raised."""

import re
import traceback
from collections.abc import Iterator
from types import CodeType
from typing import Any

_MAX_LENGTH = 20_000  # characters that are looked at

# TensorFlow and Keras tell where in themselves an error was raised, and only then what it is.
_INNER = re.compile(
    r"""
    \x1b\[[0-9;]*m  # colours
    | ^Graph\ execution\ error:$
    | ^Detected\ at\ node\ .*$
    | ^\ \ File\ ".*",\ line\ \d+,\ in\ .*$
    | \{\{function_node\ .*?\}\}
    | \[\[\{\{node\ .*?\}\}\]\]
    | \ for\ '\{\{node\ .*?\}\}\ =\ .*?'(?=\ with)
    | \[Op:.*?\](\ name:.*)?
    | ^Arguments\ received\ by\ [\s\S]*
    """,
    re.MULTILINE | re.VERBOSE,
)


def summarise_error(error: BaseException) -> str:
    """What an error says, in one line and without what only its makers understand."""
    try:
        text = str(error)
    except Exception:  # an error of the learner's own making
        text = ""
    return " ".join(_INNER.sub(" ", text[:_MAX_LENGTH]).split())


def find_line(error: BaseException, answer: Any) -> int | None:
    """The line of a learner's function in which an error was raised, counted from 1.

    None where it wasn't raised in there, nor in anything that is called from there.
    """
    code = getattr(answer, "__code__", None)
    if code is None:
        return None
    own = set(_codes(code))
    lines = [
        line - code.co_firstlineno + 1
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code in own
    ]
    return lines[-1] if lines else None


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
