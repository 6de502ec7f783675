"""The class at a glance: for none, one and five hundred learners, and names from outside."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.files import LEDGER
from course_utils.grading.judgement import AnswerResult, CheckResult, Ending, Judgement, Repair
from course_utils.grading.pages.class_report import report, summarise_exercises
from tests.grading.browsing import Page, assert_harmless

HOSTILE = '<script>alert("&")</script>\u202e'
ESCAPED = '<script>alert("&")</script>\\u202e'  # as a reader sees it
ENDINGS = (
    "finished",
    "timed_out",
    "out_of_memory",
    "died",
    "too_much_output",
    "refused",
    "interrupted",
)


def make_check(exercise="3.1", passed=(True, True), *, reason="", found="", max_score=2.0):
    share = sum(passed) / len(passed) if passed else 0
    answers = tuple(
        AnswerResult(f"case {place}", one, "" if one else "too large")
        for place, one in enumerate(passed)
    )
    return CheckResult(
        f"check-{exercise}", exercise, max_score * share, max_score, answers, reason, found
    )


def make_judgement(learner, *checks, ending="finished", **changes):
    judgement = Judgement(
        learner,
        "03_training",
        "03_training",
        checks,
        (),
        Ending(
            ending, 0 if ending == "finished" else 3, "" if ending == "finished" else "it ended"
        ),
        10.0,
        300 * 10**6,
        "",
    )
    return replace(judgement, **changes)


def test_no_submissions_make_a_page_that_says_so(tmp_path):
    path = report([], tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    assert {found.name for found in path.parent.iterdir()} == {"index.html", LEDGER}
    page = Page(path)
    assert_harmless(page)
    assert "No submission has been graded yet" in page.text
    assert "course grade" in page.text
    assert page.pictures == []


def test_a_class_of_one(tmp_path):
    page = Page(report([make_judgement("ada", make_check(passed=(True, False)))], tmp_path))
    assert_harmless(page)
    assert "1 learner." in page.text
    assert "One learner earned 1 to 1 of 2 points" in page.text
    assert "Every notebook ran to its end." in page.text
    assert page.tables["All submissions"][1:] == [
        ["ada", "1", "2", "ran to the end", "10.0 s", "300 MB", "0"]
    ]
    assert len(page.pictures) == 3


def test_a_learner_whose_notebook_has_no_checks(tmp_path):
    page = Page(report([make_judgement("ada")], tmp_path))
    assert_harmless(page)
    assert len(page.pictures) == 2
    assert "Results by exercise, in learners" not in page.tables


def test_a_class_of_five_hundred(tmp_path):
    judgements = [
        make_judgement(
            f"learner{number:03}",
            make_check("3.1", (number % 2 == 0, number % 3 == 0), found=f"value {number % 7}"),
            make_check("3.2", (), reason="not done"),
            ending=ENDINGS[number % 7],
            seconds=float(number),
            peak_memory=number * 10**6,
        )
        for number in range(500)
    ]
    path = report(judgements, tmp_path)
    page = Page(path)
    assert_harmless(page)
    assert "500 learners earned 0 to 2 of 4 points" in page.text
    assert len(page.tables["All submissions"]) == 501
    assert len(page.tables["Runs that did not come to their end"]) == 1 + 428
    assert path.stat().st_size < 1_500_000


def test_exercises_are_summed_up():
    first, second = summarise_exercises(
        [
            make_judgement("a", make_check("3.1", (True, True)), make_check("3.2", (False,))),
            make_judgement("b", make_check("3.1", (True, False)), make_check("3.2", (False,))),
            make_judgement("c", make_check("3.1", (False, False)), make_check("3.2", ())),
            make_judgement("d", make_check("3.1", (), reason="not done")),
        ]
    )
    assert (first.name, first.max_score, first.mean_score) == ("3.1", 2.0, 0.75)
    assert first.verdicts == {"right": 1, "partly right": 1, "wrong": 1, "not done": 1}
    assert [(one.case, one.num_right, one.num_learners) for one in first.cases] == [
        ("case 0", 2, 3),
        ("case 1", 1, 3),
    ]
    assert second.verdicts == {"right": 0, "partly right": 0, "wrong": 2, "not done": 1}


def test_the_commonest_wrong_values_come_first(tmp_path):
    found = ["3.5"] * 4 + ["None"] * 2 + ["a", "b", "c", "d", "e"] + [""] * 9
    page = Page(
        report(
            [
                make_judgement(f"learner{place}", make_check(passed=(False,), found=value))
                for place, value in enumerate(found)
            ],
            tmp_path,
        )
    )
    table = page.tables["Commonest wrong values in exercise 3.1"]
    assert table[1:3] == [["3.5", "4"], ["None", "2"]]
    assert [number for _, number in table[3:]] == ["1", "1", "1", "2"]
    assert table[-1][0] == "others"


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_failures_come_with_learner_reason_and_what_to_do(tmp_path, ending):
    judgements = [
        make_judgement("ada", make_check()),
        make_judgement("grace", make_check(), ending=ending),
    ]
    table = Page(report(judgements, tmp_path)).tables["Runs that did not come to their end"]
    ((learner, what, advice, points),) = table[1:]
    assert (learner, what, points) == ("grace", "it ended", "2")
    assert len(advice) > 10


def test_repairs_name_their_learners_once_each(tmp_path):
    repairs = (Repair("changed", "a", ""), Repair("changed", "b", ""), Repair("extra", "", ""))
    judgements = [
        make_judgement("ada", repairs=repairs),
        make_judgement("bob", repairs=repairs[:1]),
    ]
    assert Page(report(judgements, tmp_path)).tables["Repairs before grading"][1:] == [
        ["changed", "2", "ada, bob"],
        ["extra", "1", "ada"],
    ]


def test_each_notebook_has_its_part(tmp_path):
    judgements = [
        make_judgement("ada", make_check("3.1")),
        make_judgement("ada", make_check("4.1"), assignment="04_ethics", notebook="04_ethics"),
        make_judgement("ada", make_check("4.2"), assignment="04_ethics", notebook="essay"),
    ]
    page = Page(report(judgements, tmp_path))
    assert_harmless(page)
    assert "1 learner." in page.text
    assert re.findall(r"^(?:03|04)_.*$", page.text, re.MULTILINE) == [
        "03_training",
        "04_ethics",
        "04_ethics: essay",
    ]


def test_memory_that_is_not_known_is_said_to_be_so(tmp_path):
    judgements = [make_judgement("ada", peak_memory=0), make_judgement("bob")]
    page = Page(report(judgements, tmp_path))
    assert page.tables["All submissions"][1][5] == "not known"
    assert "where the memory is not known it says 0" in page.text
    assert "300 MB and at most 300 MB" in page.text


def test_texts_from_outside_are_only_shown(tmp_path):
    check = replace(
        make_check(HOSTILE, (False,), found=HOSTILE, reason=HOSTILE),
        answers=(AnswerResult(HOSTILE, False, HOSTILE),),
    )
    judgement = make_judgement(
        HOSTILE,
        check,
        assignment=HOSTILE,
        notebook=HOSTILE + HOSTILE,
        repairs=(Repair("extra", HOSTILE, HOSTILE),),
    )
    judgement = replace(judgement, ending=Ending("died", 1, HOSTILE))
    page = Page(report([judgement], tmp_path))
    assert_harmless(page)
    assert page.text.count(ESCAPED) >= 10
    assert "\u202e" not in page.text


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            make_judgement,
            st.text(max_size=20),
            st.builds(
                make_check,
                st.sampled_from(["3.1", "$x_1^{2$", "\\alpha", ""]),
                st.lists(st.booleans(), max_size=3).map(tuple),
                found=st.text(max_size=300),
                max_score=st.sampled_from([0.0, 0.5, 1.0, 1e6]),
            ),
            ending=st.sampled_from(ENDINGS),
            seconds=st.floats(0, 1e9),
            peak_memory=st.integers(0, 2**40),
        ),
        max_size=4,
    )
)
def test_whatever_was_found_makes_a_page(tmp_path, judgements):
    assert_harmless(Page(report(judgements, tmp_path)))
