"""Tables from outside: whatever is in them, they are read or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.grading.lms.export import export
from course_utils.grading.lms.scores import ExportError
from tests.grading.lms.tables import (
    CANVAS,
    MOODLE,
    by_first,
    make_score,
    property_settings,
    read,
    write,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfeS\x00t\x00", "not written in UTF-8"),
        (CANVAS.encode("utf-16"), "not written in UTF-8"),
        (CANVAS.encode().replace(b"ada", b"a\0a"), "NUL bytes"),
        (CANVAS.replace('"Hopper, Grace"', '"Hopper, Grace'), "no CSV file"),
        (CANVAS.replace('"Hopper, Grace"', '"Hopper"x'), "no CSV file, in line 5"),
        (CANVAS.replace("grace", "g" * 200_000), "no CSV file, in line 5"),
        (CANVAS.replace("80\n", "80,90\n"), "a row of 9 cells"),
        (CANVAS.replace("Section", "Sections"), "no gradebook from Canvas"),
        (CANVAS.replace("Ethics (78)", "Section"), "no gradebook from Canvas"),
        (MOODLE, "no gradebook from Canvas"),
        (b"PK\x03\x04 \x9c", "not written in UTF-8"),
    ],
)
def test_what_is_no_roster_is_refused_and_nothing_written(tmp_path, content, message):
    roster = write(tmp_path / "roster.csv", content)
    with pytest.raises(ExportError, match=message):
        export([make_score("ada")], tmp_path / "out.csv", to="canvas", roster=roster)
    assert not (tmp_path / "out.csv").exists()


def test_a_roster_that_is_not_there_or_a_folder(tmp_path):
    for roster in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ExportError, match="cannot be read"):
            export([make_score("ada")], tmp_path / "out.csv", to="canvas", roster=roster)


@pytest.mark.parametrize(("to", "text"), [("canvas", CANVAS), ("moodle", MOODLE)])
def test_who_handed_in_nothing_keeps_what_the_roster_says(tmp_path, to, text):
    roster = write(tmp_path / "roster.csv", text)
    scores = [make_score("13", submitted=False), make_score("502", submitted=False)]
    exported = export(scores, tmp_path / "out.csv", to=to, roster=roster)
    assert read(tmp_path / "out.csv") == read(roster)
    assert (exported.num_scores, exported.unknown) == (0, ())
    assert len(exported.ungraded) == {"canvas": 3, "moodle": 2}[to]


def test_short_rows_and_empty_lines_are_borne(tmp_path):
    text = CANVAS.replace("alan,B,2,N/A,", "alan").replace('"Hopper', '\n"Hopper')
    roster = write(tmp_path / "roster.csv", text)
    export([make_score("alan")], tmp_path / "out.csv", to="canvas", roster=roster)
    assert by_first(read(tmp_path / "out.csv"))["Turing, Alan"][5] == "7"


@property_settings
@given(st.binary() | st.text().map(str.encode), st.sampled_from(["canvas", "moodle"]))
def test_arbitrary_files_are_refused_in_words(tmp_path, content, to):
    roster = write(tmp_path / "roster.csv", content)
    with pytest.raises(ExportError, match=r"roster\.csv"):
        export([make_score("ada")], tmp_path / "out.csv", to=to, roster=roster)
