"""Scores for Moodle: what its importer reads back."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.formats import escape_formula
from course_utils.grading.lms.export import export
from course_utils.grading.lms.scores import ExportError
from tests.grading.lms.tables import (
    CELLS,
    MOODLE,
    WORKSHEETS,
    make_score,
    property_settings,
    read,
    write,
)


def test_moodle_gets_grades_and_comments_and_keeps_the_rest(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE)
    scores = [
        make_score("501", 6.25, penalty=1.0, comments=("<script>\nWell done",)),
        make_score("Mallory"),
    ]
    exported = export(scores, tmp_path / "out.csv", to="moodle", roster=roster)
    before, after = read(roster), read(tmp_path / "out.csv")
    assert after[1][4] == "5.25"
    assert after[1][9] == (
        "5.25 of 10 points, after 1 for lateness.<br>&lt;script&gt;<br>Well done"
    )
    after[1][4], after[1][9] = before[1][4], before[1][9]
    assert after == before
    assert exported.unknown == ("Mallory",)
    assert exported.ungraded == ("Participant 502: Grace Hopper",)
    assert (exported.num_scores, exported.notes) == (1, ())


@pytest.mark.parametrize("known_by", ["501", "Participant 501", "ada@example.org"])
def test_moodle_learners_are_known_by_number_and_address(tmp_path, known_by):
    roster = write(tmp_path / "roster.csv", MOODLE)
    export([make_score(known_by)], tmp_path / "out.csv", to="moodle", roster=roster)
    assert read(tmp_path / "out.csv")[1][4] == "7"


def test_a_full_name_in_moodle_is_no_identifier(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE)
    exported = export([make_score("Ada Lovelace")], tmp_path / "o.csv", to="moodle", roster=roster)
    assert exported.unknown == ("Ada Lovelace",)


@pytest.mark.parametrize("language", WORKSHEETS)
def test_worksheets_in_other_languages(tmp_path, language):
    roster = write(tmp_path / "roster.csv", WORKSHEETS[language])
    exported = export([make_score("501", 7.5)], tmp_path / "out.csv", to="moodle", roster=roster)
    row = read(tmp_path / "out.csv")[1]
    assert (row[4], row[9]) == ("7.5", "7.5 of 10 points.")
    assert exported.notes == ()


def test_a_worksheet_that_cannot_be_understood_is_refused(tmp_path):
    roster = write(tmp_path / "roster.csv", MOODLE.replace(",Grade,", ",Mark,"))
    with pytest.raises(ExportError, match=r"Identifier, Full name.*language set to English"):
        export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)


def test_a_worksheet_with_the_required_columns_only(tmp_path):
    roster = write(
        tmp_path / "roster.csv", "Identifier,Grade,Last modified (grade)\nParticipant 501,,-\n"
    )
    exported = export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)
    assert read(tmp_path / "out.csv")[1] == ["Participant 501", "7", "-"]
    assert any("no column for comments" in note for note in exported.notes)


@pytest.mark.parametrize("maximum", ["100.00", "Fail\nPass"])
def test_another_maximum_in_moodle_is_reported(tmp_path, maximum):
    roster = write(tmp_path / "roster.csv", MOODLE.replace("10.00", f'"{maximum}"'))
    exported = export([make_score("501")], tmp_path / "out.csv", to="moodle", roster=roster)
    assert re.search("maximum for Training is (100|no number)", exported.notes[0])


def test_moodle_needs_its_worksheet_and_one_assignment(tmp_path):
    with pytest.raises(ExportError, match="download the grading worksheet"):
        export([make_score("501")], tmp_path / "out.csv", to="moodle")
    scores = [make_score("501"), make_score("501", assignment="Ethics")]
    with pytest.raises(ExportError, match="choose one of Ethics, Training"):
        export(scores, tmp_path / "out.csv", to="moodle", roster=tmp_path)


@property_settings
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.sampled_from(",;\t"))
def test_moodle_worksheets_survive_whatever_is_in_them(tmp_path, people, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    header = ["Identifier", "Name", "Grade", "Maximum", "Modified (grade)", "Comments"]
    rows = [[f"Participant {place}", name, "", "10", "-", old]
            for place, (name, old) in enumerate(people, start=1000)]  # fmt: skip
    writer.writerows([header, *rows, ["Participant 7", "Ada", "", "10", "-", ""]])
    roster = write(tmp_path / "roster.csv", text.getvalue())
    export([make_score("7")], tmp_path / "out.csv", to="moodle", roster=roster)
    found = read(tmp_path / "out.csv", delimiter)
    assert found[:-1] == [header, *[[escape_formula(cell) for cell in row] for row in rows]]
    assert found[-1] == ["Participant 7", "Ada", "7", "10", "-", "7 of 10 points."]
