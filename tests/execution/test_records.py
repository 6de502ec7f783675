"""Records written by a real kernel are read back; malformed notebooks never break the reader."""

import math
from dataclasses import dataclass

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from course_utils.execution.records import MIME_PREFIX, Record, collect, make_record, record


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.1%} ({self.low:.1%}–{self.high:.1%})"


def notebook_of(*sources):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )


def test_records_survive_a_real_kernel_and_a_file(tmp_path):
    notebook = notebook_of(
        "from course_utils import record\n"
        "record('num_train', 400)\n"
        "record('gap', 0.25, interval=(0.125, 0.5))",
        "record('recipe', 'classic')\nrecord('undefined', float('nan'))\nrecord('num_train', 800)",
    )
    NotebookClient(notebook).execute()
    path = tmp_path / "executed.ipynb"
    nbformat.write(notebook, path)
    records = collect(path)
    assert list(records) == ["num_train", "gap", "recipe", "undefined"]
    assert records["num_train"] == Record("num_train", 800, None, None, "800")
    assert records["gap"] == Record("gap", 0.25, 0.125, 0.5, "0.25 (0.125–0.5)")
    assert records["recipe"] == Record("recipe", "classic", None, None, "classic")
    assert math.isnan(records["undefined"].value)
    assert notebook.cells[0].outputs[0].data["text/plain"] == "num_train: 400"


def test_outside_a_notebook_a_record_is_printed(capsys):
    record("test_accuracy", Estimate(0.842, 0.825, 0.857))
    assert capsys.readouterr().out == "test_accuracy: 84.2% (82.5%–85.7%)\n"


@pytest.mark.parametrize(
    ("value", "stored", "text"),
    [
        (np.int64(1676842), 1676842, "1,676,842"),
        (np.float32(0.5), 0.5, "0.5"),
        (Estimate(0.5, 0.25, 0.75), 0.5, "50.0% (25.0%–75.0%)"),
    ],
)
def test_values_become_plain_python_numbers(value, stored, text):
    made = make_record("name", value)
    assert (made.value, made.text) == (stored, text)
    assert type(made.value) in (int, float)


@pytest.mark.parametrize(
    ("name", "value", "interval", "message"),
    [
        ("test accuracy", 1, None, "test accuracy"),
        (3, 1, None, "identifier"),
        ("name", True, None, "bool"),
        ("name", [1], None, "list"),
        ("name", "text", (0, 1), "text"),
        ("name", 0.5, (0.75, 0.25), "begins"),
        ("name", Estimate(0.5, 0.25, 0.75), (0, 1), "already"),
    ],
)
def test_what_is_no_record_is_refused(name, value, interval, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_record(name, value, interval=interval)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def sometimes(strategy):
    """Mostly what belongs there, sometimes anything."""
    return st.one_of(strategy, strategy, JSON)


OUTPUT = st.fixed_dictionaries(
    {
        "metadata": sometimes(
            st.fixed_dictionaries(
                {
                    "scrapbook": sometimes(
                        st.fixed_dictionaries(
                            {
                                "name": sometimes(st.just("accuracy")),
                                "record": sometimes(
                                    st.dictionaries(st.sampled_from(["value", "low", "high"]), JSON)
                                ),
                            }
                        )
                    )
                }
            )
        ),
        "data": sometimes(st.just({f"{MIME_PREFIX}text/plain": "84 %"})),
    }
)
NOTEBOOK = sometimes(
    st.fixed_dictionaries(
        {
            "cells": sometimes(
                st.lists(
                    sometimes(st.fixed_dictionaries({"outputs": sometimes(st.lists(OUTPUT))})),
                    max_size=3,
                )
            )
        }
    )
)


@given(NOTEBOOK)
def test_a_malformed_notebook_yields_sound_records_or_none(notebook):
    if isinstance(notebook, str):
        return
    for name, found in collect(notebook).items():
        assert found.name == name
        assert isinstance(found.text, str)
        assert isinstance(found.value, int | float | str)
        assert all(end is None or math.isfinite(end) for end in (found.low, found.high))


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\xff"])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"broken\.ipynb is no notebook"):
        collect(path)
