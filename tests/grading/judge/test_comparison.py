"""Answers are read as a stranger's, and compared without being taken in."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from course_utils.exercises.probes import PROBES, collect_answers
from course_utils.grading.judge.comparison import (
    MAX_LENGTH,
    EmissionError,
    compare,
    describe,
    parse_emission,
    shorten,
)

NUMBERS = st.integers() | st.floats()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3)
    ),
    max_leaves=15,
)
KINDS = ["number", "array", "text", "boolean", "none", "list", "error", "other"]


def reading(kind, value=None, *, case="a", **fields):
    return {"case": case, "kind": kind, "dtype": None, "shape": None, "value": value} | fields


def number(value, **fields):
    value = value if isinstance(value, int) or math.isfinite(value) else str(value)
    return reading("number", value, **fields)


def array(values, **fields):
    values = np.asarray(values)
    return reading("array", values.tolist(), shape=list(values.shape), **fields)


def parse(*readings, exercise="3.1"):
    return parse_emission(json.dumps({"exercise": exercise, "answers": list(readings)})).answers


def find_reason(expected, found, *, tolerance=1e-6):
    (result,) = compare(parse(expected), parse(found), tolerance=tolerance)
    assert result.passed == (not result.reason)
    return result.reason


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (number(2.0), number(2.0)),
        (number(2.0), number(2)),
        (number(2.0), number(2.0 + 1e-7)),
        (number(math.nan), number(math.nan)),
        (number(-math.inf), number(-math.inf)),
        (number(3, dtype="int"), number(3, dtype="int")),
        (array([[1, 2], [3, 4]]), array([[1.0, 2], [3, 4 - 1e-7]])),
        (array(np.zeros((0, 3))), array(np.zeros((0, 3)))),
        (array([1.0]) | {"value": ["nan"]}, array([1.0]) | {"value": ["nan"]}),
        (array([1.0], dtype="float32"), array([1.0], dtype="float32")),
        (reading("text", "cat"), reading("text", "cat")),
        (reading("boolean", True), reading("boolean", True)),
        (reading("none"), reading("none")),
        (reading("list", [1, "a", None]), reading("list", [1, "a", None])),
    ],
)
def test_equal_answers_pass(expected, found):
    assert find_reason(expected, found) == ""


@pytest.mark.parametrize(
    ("expected", "found", "reason"),
    [
        (number(2.0), number(3.0), "another number was expected than 3.0"),
        (number(2.0), number(2.0 + 1e-5), "another number was expected than 2.00001"),
        (number(2.0), number(math.nan), "another number was expected than nan"),
        (number(math.nan), number(2.0), "another number was expected than 2.0"),
        (number(math.inf), number(-math.inf), "another number was expected than -inf"),
        (number(1e308), number(math.inf), "another number was expected than inf"),
        (number(1.5), number(10**4000), "another number was expected than 1000"),
        (number(1), reading("boolean", True), "another kind of answer was expected than True"),
        (reading("boolean", True), number(1), "another kind of answer was expected than 1"),
        (number(2.0), reading("text", "2.0"), "another kind of answer was expected than '2.0'"),
        (number(2.0), reading("none"), "expected than None: is the return missing?"),
        (number(2.0), array([2.0]), "expected than an array of 1 numbers, 2.0"),
        (number(2.0), reading("list", [2.0]), "another kind of answer was expected than [2.0]"),
        (number(3, dtype="int"), number(3.0, dtype="float"), "type was expected than float"),
        (number(3, dtype="int"), number(3), "another type was expected than this one"),
        (array([1.0, 2]), array([[1.0, 2]]), "another shape was expected than (1, 2)"),
        (array([1.0, 2]), array([1.0, 3]), "expected than an array of 2 numbers, 1.0, 3.0"),
        (array([1.0]), array([1.0]) | {"value": ["nan"]}, "numbers, nan"),
        (array([1.0], dtype="float32"), array([1.0], dtype="float64"), "than float64"),
        (reading("text", "cat"), reading("text", "Cat"), "another text was expected than 'Cat'"),
        (reading("list", [1, 2]), reading("list", [1]), "another list was expected than [1]"),
        (reading("list", [1]), reading("list", [True]), "expected than [True]"),
        (reading("list", ["1"]), reading("list", [1]), "expected than [1]"),
        (number(1.0), reading("error", error="ValueError: no\x1b[2J"), "ValueError: no [2J"),
        (number(1.0), reading("other", error="a number is expected"), "a number is expected"),
        (reading("other"), reading("other"), "something that cannot be compared"),
        (number(1.0), number(1.0, case="b"), "no answer came back"),
    ],
)
def test_a_wrong_answer_is_told_by_what_came_back(expected, found, reason):
    assert reason in find_reason(expected, found)


@given(expected=NUMBERS, found=NUMBERS, tolerance=st.sampled_from([0, 1e-6, 0.5]))
def test_numbers_are_equal_when_they_are_close(expected, found, tolerance):
    passed = not find_reason(number(expected), number(found), tolerance=tolerance)
    if math.isfinite(expected) and math.isfinite(found):
        close = expected == found or abs(float(expected) - float(found)) <= tolerance
        assert passed == close
    else:
        assert passed == (str(float(expected)) == str(float(found)))


@given(
    one=st.floats(1, 10) | st.text(min_size=1),
    other=st.floats(1, 10) | st.text(min_size=1),
    found=st.floats(-10, 0) | st.just(""),
)
def test_the_reason_does_not_depend_on_the_expected_value(one, other, found):
    assume(type(one) is type(other))

    def read(value):
        return reading("text", value) if isinstance(value, str) else number(value)

    reason = find_reason(read(one), read(found))
    assert reason
    assert reason == find_reason(read(other), read(found))


def test_each_expected_case_has_one_result_in_their_order():
    expected = parse(number(1, case="one"), number(2, case="two"), number(3, case="three"))
    found = parse(number(9, case="more"), number(3, case="three"), number(0, case="one"))
    results = compare(expected, found, tolerance=0)
    assert [(result.case, result.passed) for result in results] == [
        ("one", False),
        ("two", False),
        ("three", True),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no sound JSON"),
        ("[" * 100_000, "no sound JSON"),
        ('{"exercise": "3.1", "answers": [' + "9" * 5000 + "]}", "no sound JSON"),
        ('{"exercise": "3.1", "answers": [1e400]}', "no number in JSON"),
        ('{"exercise": "3.1", "answers": [NaN]}', "no number in JSON"),
        ("[]", "no exercise"),
        ('{"exercise": 3.1, "answers": []}', "no exercise"),
        ('{"exercise": "3.1"}', "no list"),
        ('{"exercise": "3.1", "answers": {}}', "no list"),
        (" " * (MAX_LENGTH + 1), "characters"),
    ],
)
def test_what_is_no_emission_is_refused(text, reason):
    with pytest.raises(EmissionError, match=reason):
        parse_emission(text)


@pytest.mark.parametrize(
    "found",
    [
        None,
        {"kind": "none"},
        reading("none", case=1),
        reading("unheard of"),
        reading(["number"]),
        reading("number", "1.0"),
        reading("number", True),
        reading("number", None),
        reading("number", [1.0]),
        reading("boolean", 1),
        reading("text", 1),
        reading("list", 1),
        reading("list", [[1]]),
        reading("dictionary", {"a": 1}),
        reading("dictionary", [["a"]]),
        reading("dictionary", [[1, number(1.0)]]),
        reading("dictionary", [["a", number(1.0)], ["a", number(2.0)]]),
        reading("table", [["a", 1.0]]),
        reading("array", 1.0, shape=[]),
        reading("array", [1.0], shape=None),
        reading("array", [1.0], shape=[2]),
        reading("array", [1.0], shape=[True]),
        reading("array", [1.0], shape=[-1]),
        reading("array", [[1.0], [2.0, 3.0]], shape=[2, 1]),
        reading("array", [[1.0]], shape=[1]),
        reading("array", [True], shape=[1]),
        reading("array", [], shape=[0] * 100),
        reading("none", dtype=1),
        reading("error", error=[]),
    ],
)
def test_an_answer_of_wrong_types_is_refused(found):
    with pytest.raises(EmissionError):
        parse(found)


@pytest.mark.parametrize("field", ["tolerance", "weight"])
@pytest.mark.parametrize("value", [-1, -1e-9, 1e301, True, "1", None, [1]])
def test_a_tolerance_or_a_weight_is_a_number_from_0_up(field, value):
    with pytest.raises(EmissionError, match=f"a {field} among the answers is not a number"):
        parse(number(1.0) | {field: value})
    if field == "tolerance":
        with pytest.raises(EmissionError, match="a tolerance among the answers"):
            parse_emission(json.dumps({"exercise": "3.1", "answers": [], field: value}))


def test_a_list_of_answers_is_none_of_numbers():
    nested = reading("list", [reading("dictionary", [["a", number(1.0)]])])
    plain = reading("list", [1.0])
    assert find_reason(nested, nested) == ""
    assert find_reason(nested, plain) == "another list was expected than [1.0]"
    assert find_reason(plain, nested) == "another list was expected than [{'a': 1.0}]"


def test_a_case_that_is_answered_twice_is_refused():
    with pytest.raises(EmissionError, match="more than once"):
        parse(number(1), number(2))


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "case": st.text(max_size=3) | JSON,
                "kind": st.sampled_from(KINDS) | JSON,
                "value": JSON,
                "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
                "dtype": JSON,
                "error": JSON,
            },
        )
        | JSON,
        max_size=4,
    )
)
def test_whatever_comes_is_compared_or_refused(answers):
    expected = parse(number(1, case=""), array([[1, 2]], case="0"))
    try:
        found = parse_emission(json.dumps({"exercise": "", "answers": answers})).answers
    except EmissionError as error:
        assert str(error).isprintable()
        return
    for result in compare(expected, found, tolerance=1e-6):
        assert result.reason.isprintable()
    assert all(describe(answer).isprintable() for answer in found)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with pytest.raises(EmissionError):
        parse_emission(text)


@given(st.text(st.characters()), st.integers(1, 30))
def test_a_shortened_text_is_printable_and_short(text, length):
    shortened = shorten(text, max_length=length)
    assert shortened.isprintable()
    assert len(shortened) <= length
    if text.isprintable() and len(text) <= length:
        assert shortened == " ".join(text.split())


@pytest.mark.parametrize("exercise", PROBES)
def test_what_a_lesson_emits_can_be_read(exercise):
    answers = collect_answers(exercise, lambda *_: np.array([0.5, np.nan]), seed=1)
    emission = parse_emission(json.dumps({"exercise": exercise, "answers": answers}))
    assert [answer.case for answer in emission.answers] == [one["case"] for one in answers]
