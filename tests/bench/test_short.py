"""The benchmarks measure something, and say what they ran."""

import pytest

from course_utils.bench import short as bench
from course_utils.execution.lessons import RunError


def test_starting_is_measured_in_fresh_processes():
    measurements = list(bench.measure_start())
    assert [one.name for one in measurements] == ["import course_utils", "course --help"]
    assert all(one.value > 0 and one.unit == "s" and one.target for one in measurements)


def test_lessons_are_run_and_added_up(make_lesson, own_course):
    make_lesson("01_first", "n = 3", "print(n)")
    make_lesson("02_second", "n = 3", "print(n)")
    found = {one.name: one for one in bench.measure_lessons()}
    assert list(found) == [
        "01_first: time", "01_first: peak memory", "02_second: time", "02_second: peak memory",
        "all lessons: time",
    ]  # fmt: skip
    total = found["01_first: time"].value + found["02_second: time"].value
    assert found["all lessons: time"].value == pytest.approx(total)
    assert 0.01 < found["01_first: peak memory"].value < 1


def test_a_lesson_that_fails_is_named(make_lesson, own_course):
    make_lesson("01_first", "n = 3", "1 / 0")
    with pytest.raises(RunError, match="01_first failed in"):
        list(bench.measure_lessons())


def test_a_benchmark_that_fails_says_why():
    with pytest.raises(RunError, match="ZeroDivisionError"):
        bench._run_python("1 / 0")
