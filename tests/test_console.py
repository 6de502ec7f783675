"""Whatever the course says, any terminal can print it."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from course_utils.console import PLAIN, SafeConsole, print_anything

COURSE = [sys.executable, "-m", "course_utils"]
PRINT = """
import sys
from course_utils.console import console, print_anything
print_anything()
console.print(sys.argv[1], markup=False, soft_wrap=True)
"""


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "-4.0 % (-5.1--3.0) ... x Bar ? OK"),
        ("cp1252", "-4.0 % (-5.1–-3.0) … × Bär ? OK"),
        ("utf-8", "−4.0 % (−5.1–−3.0) … × Bär 熊 ✓"),
    ],
)
def test_a_character_that_a_terminal_lacks_gets_a_stand_in(encoding, expected, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    said = "−4.0 % (−5.1–−3.0) … × Bär 熊 ✓"
    done = subprocess.run([sys.executable, "-c", PRINT, said], capture_output=True, check=True)
    assert done.stdout.decode(encoding).rstrip() == expected


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_encoded(text):
    print_anything()
    assert text.encode("ascii", errors="course-stand-in").isascii()


@pytest.mark.parametrize("command", ["claims", "--help"])
def test_commands_work_in_the_c_locale(command, monkeypatch):
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    done = subprocess.run([*COURSE, command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


HOSTILE = "a\x1b]0;mine\x07b\x1b[2Jc\x9b31md\u202ee\rf"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_text_from_outside_acts_on_the_terminal(is_terminal):
    stream = io.StringIO()
    console = SafeConsole(file=stream, force_terminal=is_terminal, width=200)
    table = Table("name")
    table.add_row(Text(HOSTILE))
    for renderable in (HOSTILE, table):
        console.print(renderable, **(PLAIN if renderable is HOSTILE else {}))
    shown = stream.getvalue()
    assert shown.count(r"a\x1b]0;mine") == 2
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert not set("\x07\x9b\u202e\r") & set(shown)


def test_lines_and_styles_stay():
    stream = io.StringIO()
    SafeConsole(file=stream, force_terminal=True, width=80).print("[bold]one[/]\ntwo\tthree")
    assert "\x1b[1mone\x1b[0m\ntwo" in stream.getvalue()
