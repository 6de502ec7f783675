"""What everybody has, as the gradebook says it."""

import pytest
from traitlets.config import Config

from course_utils.grading.lms.scores import ExportError, collect_scores
from course_utils.grading.records.gradebook import Course
from tests.grading.lms.tables import make_score, write


def test_scores_hold_manual_points_penalties_and_comments(course):
    ada, alan, grace = sorted(
        collect_scores(course, assignments=["Training"]), key=lambda score: score.learner
    )
    assert (ada.raw_score, ada.penalty, ada.score, ada.max_score) == (7.5, 1.25, 6.25, 10)
    assert (ada.first_name, ada.last_name, ada.lms_user_id) == ("Ada", "Lovelace", "11")
    assert (ada.needs_manual_grade, ada.comments) == (False, ("Well <argued>",))
    assert (grace.score, grace.needs_manual_grade, grace.comments) == (4.5, True, ())
    assert (alan.submitted, alan.score, alan.max_score) == (False, 0, 10)


def test_a_penalty_takes_no_more_than_there_is():
    assert make_score("ada", 1.0, penalty=5.0).score == 0


def test_a_gradebook_that_is_not_there_is_not_made(tmp_path):
    course = Course(tmp_path, f"sqlite:///{tmp_path / 'none.db'}", Config())
    with pytest.raises(ExportError, match=r"none\.db.*grade an assignment"):
        collect_scores(course)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_gradebook_is_named(tmp_path):
    write(tmp_path / "gradebook.db", b"something else" * 100)
    course = Course(tmp_path, f"sqlite:///{tmp_path / 'gradebook.db'}", Config())
    with pytest.raises(ExportError, match=r"gradebook.db cannot be used: file is not a database"):
        collect_scores(course)


def test_an_unknown_assignment_is_named_with_those_there_are(course):
    with pytest.raises(ExportError, match="no assignment Trainning; it has Empty, Training"):
        collect_scores(course, assignments=["Trainning"])
