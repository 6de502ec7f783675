"""A learner's function where it is written, and the course's where it isn't."""

import pytest

from course_utils.labs import learners


def course(number):
    return number


def test_a_stub_gives_way_to_the_courses_function(capsys):
    def stub(number):
        raise NotImplementedError

    assert learners.choose(stub, course, 3, exercise="4.5") is course
    assert capsys.readouterr().out.startswith("Exercise 4.5 isn't done yet")


@pytest.mark.parametrize("own", [lambda number: 7, lambda number: 1 / 0, None, course])
def test_whatever_else_stands_there_is_taken(own, capsys):
    assert learners.choose(own, course, 3, exercise="4.5") is own
    assert capsys.readouterr().out == ""
