"""How the ``course`` command speaks: where it prints, and what its helps have in common."""

import codecs
import sys
import unicodedata
from typing import Any

from rich.console import Console

console = Console()
error_console = Console(stderr=True)
# What stands for a character in a terminal that doesn't have it.
_STAND_INS = {"−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "→": "->"}
_STAND_INS |= {"“": '"', "”": '"', "‘": "'", "’": "'", "✓": "OK", "✗": "no", "·": "*", "≈": "~"}
_ERRORS = "course-stand-in"

PLAIN: dict[str, Any] = {"soft_wrap": True, "markup": False, "highlight": False}


def examples(*lines: str) -> str:
    """An epilogue for a command's help."""
    return "\n\n".join(["[bold]Examples[/]", *(f"  [cyan]{line}[/]" for line in lines)])


def print_anything() -> None:
    """Let standard output and error print any character: one that they lack gets a stand-in.

    Terminals may know no more than ASCII (``LC_ALL=C``) or cp1252 (Windows), where a minus sign or
    a learner's name would otherwise end the command.
    """
    codecs.register_error(_ERRORS, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=_ERRORS)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(map(_stand_in_for, missing)), error.end


def _stand_in_for(character: str) -> str:
    if character in _STAND_INS:
        return _STAND_INS[character]
    without_accents = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return without_accents or "?"
