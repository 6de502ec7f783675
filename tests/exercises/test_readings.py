"""Whatever an answer is, its reading is short JSON that the judge reads back."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from course_utils.exercises.readings import read
from course_utils.grading.judge.comparison import compare, parse_emission

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.text(max_size=5)
    | npst.arrays(npst.scalar_dtypes(), npst.array_shapes(max_dims=3, max_side=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def answers(*values, **options):
    readings = [{"case": str(place), **read(one, **options)} for place, one in enumerate(values)]
    return parse_emission(json.dumps({"exercise": "x", "answers": readings})).answers


def is_equal(one, other, *, tolerance=0.0, **options):
    (result,) = compare(answers(one, **options), answers(other, **options), tolerance=tolerance)
    return result.passed


@given(VALUES)
def test_whatever_it_is_it_reads_and_equals_itself(value):
    (answer,) = answers(value)
    text = json.dumps(read(value))
    assert len(text) < 100_000
    assert is_equal(value, value) or "other" in text
    assert answer.case == "0"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2.0], np.array([1, 2])),
        ([1, 2], (1, 2)),
        ([1, 2], pd.Series([1.0, 2.0])),
        (3, np.int64(3)),
        (0.5, np.float32(0.5)),
        (0.5, np.array(0.5)),
        ("cat", np.str_("cat")),
        (True, np.bool_(True)),
        ({"a": [1], "b": "x"}, {"b": "x", "a": (1,)}),
        ({1: "a"}, {1: "a"}),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 8])),
        ([math.nan], [math.nan]),
        ([], np.empty(0)),
        ([["a", 1], ["b"]], [["a", 1.0], ["b"]]),
    ],
)
def test_what_means_the_same_is_equal(one, other):
    assert is_equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, "1"),
        ([1, 2], [2, 1]),
        ([1, 2], [[1, 2]]),
        (["a"], ["a", "b"]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1, "b": 2}),
        (pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [2], "a": [1]})),
        (pd.DataFrame({"a": [1]}), {"a": [1]}),
        (pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="k")), pd.DataFrame({"a": [1]})),
        ([["a", 1], ["b"]], [["a", 2], ["b"]]),
        ([[True]], [[1]]),
        (0.1, 0.2),
        (None, 0),
    ],
)
def test_what_differs_is_not_equal(one, other):
    assert not is_equal(one, other)


def test_the_tolerance_holds_inside_of_things():
    for wrap in (lambda x: [x], lambda x: {"a": x}, lambda x: pd.DataFrame({"a": [x]})):
        assert is_equal(wrap(1.0), wrap(1.05), tolerance=0.1)
        assert not is_equal(wrap(1.0), wrap(1.2), tolerance=0.1)


def test_the_type_counts_where_it_is_asked_for():
    assert is_equal(np.float32([1]), np.float64([1]))
    assert not is_equal(np.float32([1]), np.float64([1]), exact_type=True)
    assert is_equal(np.float32([1]), np.float32([1]), exact_type=True)
    assert not is_equal(1, 1.0, exact_type=True)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda: 0,
        np.zeros(10**6),
        "x" * 10**7,
        list(range(10**5)),
        10**400,
        pd.DataFrame({"a": np.zeros(10**5)}),
        np.zeros((1,) * 20),
        {str(number): number for number in range(10**5)},
        1j,
    ],
)
def test_what_is_too_large_or_strange_is_said_and_sends_little(value):
    assert len(json.dumps(read(value))) < 2_000_000
    assert answers(value)


def test_endless_nesting_ends():
    nested = []
    nested.append(nested)
    assert "in one another" in json.dumps(read(nested))


def test_reading_imports_neither_pandas_nor_keras():
    script = (
        "import sys, course_utils.exercises.readings as r; r.read([1]);"
        "sys.exit(bool({'pandas', 'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
