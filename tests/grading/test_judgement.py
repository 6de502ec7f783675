"""What is written of a judgement is read back, and nothing else is taken for one."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.grading.judgement import (
    AnswerResult,
    CheckResult,
    Ending,
    EndingKind,
    Judgement,
    Repair,
    RepairKind,
    ResultError,
)

TEXT = st.text(max_size=10)
POINTS = st.floats(allow_nan=False, allow_infinity=False)
JUDGEMENTS = st.builds(
    Judgement,
    learner=TEXT,
    assignment=TEXT,
    notebook=TEXT,
    checks=st.lists(
        st.builds(
            CheckResult,
            grade_id=TEXT,
            exercise=TEXT,
            score=POINTS,
            max_score=POINTS,
            answers=st.lists(
                st.builds(AnswerResult, case=TEXT, passed=st.booleans(), reason=TEXT), max_size=2
            ).map(tuple),
            reason=TEXT,
            found=TEXT,
        ),
        max_size=2,
    ).map(tuple),
    repairs=st.lists(
        st.builds(Repair, kind=st.sampled_from(get_args(RepairKind)), cell=TEXT, message=TEXT),
        max_size=2,
    ).map(tuple),
    ending=st.builds(
        Ending,
        kind=st.sampled_from(get_args(EndingKind)),
        cell=st.integers(0, 100),
        message=TEXT,
    ),
    seconds=POINTS,
    peak_memory=st.integers(0, 10**12),
    executed=TEXT,
)
CHECK = CheckResult("check-3-1", "3.1", 1.5, 2.0, (AnswerResult("a", False, "no"),), "", "[1, 2]")
JUDGEMENT = Judgement(
    learner="ada",
    assignment="03_training",
    notebook="03_training",
    checks=(CHECK, CHECK),
    repairs=(Repair("moved", "check-3-1", "it was moved"),),
    ending=Ending("out_of_memory", 12, "out of memory at cell 12"),
    seconds=1.0,
    peak_memory=3,
    executed="{}",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=10,
)


@given(JUDGEMENTS)
def test_a_judgement_survives_being_written(judgement):
    assert Judgement.from_json(judgement.to_json()) == judgement


def test_the_points_are_those_of_all_checks():
    assert (JUDGEMENT.score, JUDGEMENT.max_score) == (3.0, 4.0)


@given(st.text() | JSON.map(json.dumps))
def test_what_is_no_judgement_is_refused(text):
    with pytest.raises(ResultError):
        Judgement.from_json(text)


@given(field=st.sampled_from(list(json.loads(JUDGEMENT.to_json()))), value=JSON)
def test_a_field_of_another_type_is_refused(field, value):
    fields = json.loads(JUDGEMENT.to_json())
    if type(value) is type(fields[field]) or (field == "seconds" and type(value) is int):
        value = {"something": "else"}
    with pytest.raises(ResultError, match=field.rstrip("s")):
        Judgement.from_json(json.dumps(fields | {field: value}))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("ending", "kind"), "won"),
        (("ending", "cell"), True),
        (("repairs", 0, "kind"), "improved"),
        (("checks", 0, "score"), float("nan")),
        (("checks", 0, "score"), "2"),
        (("checks", 0, "score"), True),
        (("checks", 0, "answers", 0, "passed"), 1),
        (("checks", 0, "bonus"), 1),
        (("checks", 0), None),
        (("learner",), None),
    ],
)
def test_a_wrong_value_inside_is_refused(place, value):
    fields = json.loads(JUDGEMENT.to_json())
    inner = fields
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(ResultError):
        Judgement.from_json(json.dumps(fields))


@pytest.mark.parametrize("field", list(json.loads(JUDGEMENT.to_json())))
def test_a_missing_field_is_refused(field):
    fields = json.loads(JUDGEMENT.to_json())
    del fields[field]
    with pytest.raises(ResultError, match=field):
        Judgement.from_json(json.dumps(fields))


def test_deep_nesting_is_refused():
    with pytest.raises(ResultError):
        Judgement.from_json("[" * 100_000)
