"""Files with scores: nbgrader's CSV, and what holds for every system."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

from course_utils.grading.lms.export import CSV_COLUMNS, export
from course_utils.grading.lms.scores import ExportError, collect_scores
from tests.grading.lms.tables import CANVAS, SCORES, make_score, property_settings, read, write


def test_the_csv_says_what_nbgraders_own_says(course, tmp_path):
    exported = export(collect_scores(course), tmp_path / "ours.csv", to="csv")
    with Gradebook(course.database) as gradebook:
        CsvExportPlugin(to=str(tmp_path / "theirs.csv")).export(gradebook)
    ours, theirs = read(tmp_path / "ours.csv"), read(tmp_path / "theirs.csv")
    assert ours[0] == theirs[0] == list(CSV_COLUMNS)
    assert sorted(ours) == sorted(theirs)
    assert exported.num_scores == 6
    assert "1 of these scores wait" in exported.notes[0]


@property_settings
@given(st.lists(SCORES, min_size=1, max_size=4), st.sampled_from(["csv", "canvas"]))
def test_no_text_is_a_formula_and_none_is_lost(tmp_path, scores, to):
    export(scores, tmp_path / "out.csv", to=to)
    rows = read(tmp_path / "out.csv")
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows[1:] for cell in row):
        assert not re.match(r"\s*[=+@-]", cell) or is_number(cell)
    names = {cell.removeprefix("'") for row in rows for cell in row}
    assert {score.learner.removeprefix("'") for score in scores} <= names


def is_number(text):
    try:
        return math.isfinite(float(text)) or text == "-"
    except ValueError:
        return text == "-"


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("to", ["csv", "canvas", "moodle"])
def test_a_score_that_is_no_number_is_refused(tmp_path, to, number):
    with pytest.raises(ExportError, match=r"'ada'.*no finite number"):
        export([make_score("ada", number)], tmp_path / "out.csv", to=to)
    assert list(tmp_path.iterdir()) == []


def test_no_scores_are_no_export(tmp_path):
    with pytest.raises(ExportError, match="no scores"):
        export([], tmp_path / "out.csv", to="canvas")


def test_the_roster_is_not_overwritten(tmp_path):
    roster = write(tmp_path / "roster.csv", CANVAS)
    with pytest.raises(ExportError, match="the roster itself"):
        export([make_score("ada")], roster, to="canvas", roster=roster)
    assert roster.read_text() == CANVAS
