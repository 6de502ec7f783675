"""Numbers are written as people read them, and texts so that a spreadsheet leaves them alone."""

import pytest

from course_utils.formats import (
    escape_formula,
    format_memory,
    format_points,
    format_seconds,
)


@pytest.mark.parametrize(
    "text", ["-1", "+1.5", "-1,5", "-3e2", "5", "-", "", "a=b", "’=1", "-12 %"]
)
def test_numbers_and_harmless_texts_stay(text):
    assert escape_formula(text) == text


@pytest.mark.parametrize(
    "text", ["=1", "-1+1", "+A1", "@x", "\t1", "\rx", "  =1", "＝1", "-", "--1"]
)
def test_formulas_become_texts(text):
    assert escape_formula(text) == ("-" if text == "-" else f"'{text}")


@pytest.mark.parametrize(
    ("points", "text"), [(0, "0"), (10, "10"), (7.5, "7.5"), (2 / 3, "0.67"), (100.0, "100")]
)
def test_points_are_short(points, text):
    assert format_points(points) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (60, "1 min 00 s"), (65, "1 min 05 s")],
)
def test_durations_are_short(seconds, text):
    assert format_seconds(seconds) == text


def test_memory_is_in_megabytes():
    assert format_memory(1_234_567_890) == "1,235 MB"
