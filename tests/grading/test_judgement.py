"""What a judgement says of itself."""

from course_utils.grading.judgement import AnswerResult, CheckResult, Ending, Judgement

CHECK = CheckResult("check-3-1", "3.1", 1.5, 2.0, (AnswerResult("a", False, "no"),), "", "[1, 2]")
JUDGEMENT = Judgement(
    learner="ada",
    assignment="03_training",
    notebook="03_training",
    checks=(CHECK, CHECK),
    repairs=(),
    ending=Ending("out_of_memory", 12, "out of memory at cell 12"),
    seconds=1.0,
    peak_memory=3,
    executed="{}",
)


def test_the_points_are_those_of_all_checks():
    assert (JUDGEMENT.score, JUDGEMENT.max_score) == (3.0, 4.0)
