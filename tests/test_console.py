"""Whatever the course says, any terminal can print it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.console import print_anything

COURSE = [sys.executable, "-m", "course_utils.cli"]
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
