"""How the ``course`` command speaks: where it prints, and what its helps have in common."""

import codecs
import errno
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer.core import TyperGroup

# What acts on a terminal instead of being shown, and what changes the direction of writing.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class SafeConsole(Console):
    """A console whose terminal shows the control characters of names and texts from outside.

    A name in an archive, a message of a learner's kernel: none of them moves the cursor, sets the
    window's title or writes over what is there.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as the console does, with control characters made visible."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(make_visible(segment.text), segment.style)


def make_visible(text: str) -> str:
    r"""Write control characters, and those that change the direction of writing, as ``\x1b``."""
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], text)


console = SafeConsole()
error_console = SafeConsole(stderr=True)
# What stands for a character in a terminal that doesn't have it.
_STAND_INS = {"−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "→": "->"}
_STAND_INS |= {"“": '"', "”": '"', "‘": "'", "’": "'", "✓": "OK", "✗": "no", "·": "*", "≈": "~"}
_ERRORS = "course-stand-in"

PLAIN: dict[str, Any] = {"soft_wrap": True, "markup": False, "highlight": False}


class CommandGroup(TyperGroup):
    """Shows errors of the package, which are written for its user, and of files as one line."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command; whatever it prints, the terminal can show."""
        print_anything()
        return super().main(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Call the subcommand, and print its errors."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of `course … | head`
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            error_console.print(f"Error: {place}{_explain(error)}", **PLAIN)
            raise typer.Exit(2) from None
        except Exception as error:
            if not type(error).__module__.startswith(("course_utils.", "benchmarks.")):
                raise
            error_console.print(f"Error: {error}", **PLAIN)
            raise typer.Exit(2) from None


def _explain(error: OSError) -> str:
    advice = {
        errno.ENOSPC: "no space left on the disk; make room and call again",
        errno.EDQUOT: "your share of the disk is used up; make room and call again",
        errno.EACCES: "no permission for that; choose another place or change its permissions",
        errno.EROFS: "nothing can be written there; choose another place",
    }
    return advice.get(error.errno or 0, error.strerror or str(error))


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
