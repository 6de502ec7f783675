"""What an instructor sees while a batch runs, and at its end."""

import io

from rich.console import Console

from course_utils.grading.batch.batch_display import BatchProgress, judgements_table
from course_utils.grading.batch.grade import (
    Planned,
    Ready,
    SubmissionFinished,
    SubmissionPostponed,
    SubmissionStarted,
)
from course_utils.grading.judgement import CheckResult, Ending, Judgement, Repair

REPAIR = Repair("missing", "check-3-1", "it was missing")


def make_judgement(learner="ada", *, score=1.5, ending=None, repairs=()):
    check = CheckResult("check-3-1", "3.1", score, 2.0, (), "", "")
    ending = ending or Ending("finished", 0, "")
    return Judgement(learner, "demo", "demo", (check,), repairs, ending, 3.2, 10**8, "")


def show(*events, terminal=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100)
    with BatchProgress(console) as progress:
        for event in events:
            progress.show(event)
    return text.getvalue()


def test_there_is_a_line_for_each_submission():
    ending = Ending("out_of_memory", 12, "out of memory at cell 12")
    shown = show(
        Planned(("ada", "bob"), ()),
        Ready(2),
        SubmissionStarted("ada"),
        SubmissionStarted("bob"),
        SubmissionFinished("bob", (make_judgement("bob", score=0.0, ending=ending),), ""),
        SubmissionFinished("ada", (make_judgement(repairs=(REPAIR,)),), "the disk is full"),
    )
    first, second, third = shown.splitlines()
    assert first.startswith("bob: 0 of 2 points (")
    assert first.endswith("; out of memory at cell 12")
    assert second.startswith("ada: 1.5 of 2 points (")
    assert second.endswith("; 1 repair")
    assert third == "ada: the disk is full"


def test_who_will_be_run_again_is_told():
    shown = show(Planned(("ada", "bob"), ()), SubmissionStarted("ada"), SubmissionPostponed("ada"))
    assert shown == "ada: out of time on a busy computer; will be run again, alone\n"


def test_a_terminal_shows_who_is_being_graded_and_the_time_left():
    shown = show(Planned(("ada", "bob"), ()), Ready(2), SubmissionStarted("ada"), terminal=True)
    assert "ada" in shown
    assert "0/2" in shown
    assert "left" in shown


def test_a_learners_name_is_no_markup():
    assert "[red]x[/]" in show(SubmissionFinished("[red]x[/]", (make_judgement("[red]x[/]"),), ""))


def test_the_table_is_in_the_order_of_the_learners():
    text = io.StringIO()
    judgements = [make_judgement(name) for name in ("eve", "ada")]
    Console(file=text, width=100).print(judgements_table(judgements))
    assert text.getvalue().index("ada") < text.getvalue().index("eve")
