"""Otter gives a right submission all points and one that is not done none, where it is installed.

Without otter, what its tests call is tried out by itself.
"""

import ast
import sys
import zipfile

import pytest

from benchmarks import otter
from benchmarks.grading import set_parameters
from course_utils.execution.lessons import find_lessons
from course_utils.grading.release.example_class import ASSIGNMENT, make_example_class

LESSON = next(one for one in find_lessons() if one.stem == ASSIGNMENT)


def test_every_check_becomes_a_test_with_its_points(tmp_path):
    otter.write_autograder(LESSON, tmp_path / "autograder.zip")
    values = {}
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        for name in archive.namelist():
            assert name.startswith("tests/check-3-")
            for one in ast.parse(archive.read(name)).body:
                if isinstance(one, ast.Assign):
                    values.setdefault(one.targets[0].id, []).append(ast.literal_eval(one.value))
    assert values["name"] == [f"3.{number}" for number in range(1, 18)]
    assert values["points"] == [1, 3, 1, 2, 3, 4, *[2] * 6, 1, 2, 2, 2, 2]
    assert not any(values["OK_FORMAT"])


def test_each_case_is_compared_with_the_lessons_own_solution():
    def own(weight, gradient, learning_rate):
        return weight - learning_rate * gradient

    def wrong_way(weight, gradient, learning_rate):
        return weight + learning_rate * gradient

    cases = otter.name_cases("3.1", own)
    assert len(cases) > 3
    for case in cases:
        otter.check_case("3.1", case, own, own)
        for answer in (wrong_way, None):
            with pytest.raises(AssertionError):
                otter.check_case("3.1", case, own, answer)


def test_what_is_missing_is_said_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "otter.generate", None)
    assert "otter.generate" in otter.unavailable()
    assert "pip install otter-grader" in otter.unavailable()


@pytest.mark.skipif(otter.unavailable() is not None, reason=str(otter.unavailable()))
def test_submissions_get_the_points_that_they_deserve(tmp_path, capsys):
    source = tmp_path / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    (source / LESSON.name).write_bytes(LESSON.read_bytes())
    learners = make_example_class(tmp_path, 3, seed=0, kinds=["right", "not done", "cut off"])
    set_parameters(tmp_path)
    otter.write_autograder(LESSON, tmp_path / "autograder.zip")
    paths = {
        next(tmp_path.glob(f"submitted/{one.learner}/*/*")): one.expected_score for one in learners
    }
    *_, cut_off = paths
    points = otter.grade(list(paths), tmp_path / "autograder.zip")
    assert points == pytest.approx({path: paths[path] for path in paths if path != cut_off})
    assert f"otter failed at {cut_off}: NotJSONError" in capsys.readouterr().err
