"""How long a run may last."""

from course_utils.grading.judge.limits import SLOWEST_CLOCK, RunLimits


def test_the_longest_run_waits_for_the_computer_most_of_the_time():
    limits = RunLimits(start_seconds=10, notebook_seconds=30)
    assert limits.longest_seconds * SLOWEST_CLOCK == 40
    assert limits.longest_seconds == 160
