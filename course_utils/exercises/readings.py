"""What an answer is, as JSON: numbers, arrays, texts, lists, dictionaries, tables, layers, axes.

A reading is a dictionary with the keys ``kind``, ``dtype``, ``shape``, ``value`` and ``error``.
Whoever compares readings needs no library that made the values, and runs nothing of theirs.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from course_utils.exercises.errors import summarise_error

MAX_NUMBERS = 10_000
MAX_DIMENSIONS = 8
MAX_CHARACTERS = 200
MAX_INTEGER = 2**53

_MAX_TEXT = 20_000
_MAX_DEPTH = 6
# Of a layer, what its output shape and parameters don't tell.
_SETTINGS = ("activation", "rate", "scale", "offset")

Reading = dict[str, Any]


def make_reading(
    kind: str,
    value: Any = None,
    *,
    dtype: str | None = None,
    shape: tuple[int, ...] | None = None,
    error: str | None = None,
) -> Reading:
    """Make a reading of its parts."""
    size = None if shape is None else list(shape)
    return {"kind": kind, "dtype": dtype, "shape": size, "value": value, "error": error}


def make_other(found: Any, expected: str) -> Reading:
    """Make the reading of something that no comparison could make sense of."""
    if found is None:
        return make_reading("none")
    return make_reading("other", error=f"{expected} is expected, not a {type(found).__name__}")


def describe_error(error: BaseException) -> str:
    """Say in a line which error was raised."""
    return cut(f"{type(error).__name__}: {summarise_error(error)}")


def cut(text: str, *, length: int = MAX_CHARACTERS) -> str:
    """Cut a text that is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def to_json(value: Any) -> Any:
    """Numbers in nested lists, with text for those that JSON does not know."""
    if isinstance(value, list):
        return [to_json(one) for one in value]
    return value if math.isfinite(value) else str(value)


def read(value: Any, *, exact_type: bool = False) -> Reading:
    """Read whatever an answer is.

    Numbers in lists, tuples, arrays, tensors and series are an array of their shape, whoever holds
    them.

    Args:
        value: a number, text, truth value or None; an array, tensor or series of numbers; a list,
            tuple or dictionary of any of these; a pandas table.
        exact_type: whether the type of numbers counts, such as ``float32``.
    """
    return _read(value, exact_type=exact_type, depth=0)


def _read(value: Any, *, exact_type: bool, depth: int) -> Reading:
    if depth > _MAX_DEPTH:
        return make_reading("other", error="too many lists or dictionaries in one another")
    pandas = sys.modules.get("pandas")
    if pandas and isinstance(value, pandas.DataFrame):
        return _read_table(value, exact_type=exact_type, depth=depth)
    if pandas and isinstance(value, pandas.Series | pandas.Index):
        value = value.to_numpy()
    elif not isinstance(value, np.ndarray | np.generic) and hasattr(value, "__array__"):
        value = np.asarray(value)
    dtype = str(getattr(value, "dtype", type(value).__name__))
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    reading = _read_plain(value, exact_type=exact_type, depth=depth)
    if exact_type and reading["kind"] in ("number", "array"):
        reading["dtype"] = cut(dtype)
    return reading


def _read_plain(value: Any, *, exact_type: bool, depth: int) -> Reading:
    if type(value) is bool:
        return make_reading("boolean", value)
    if isinstance(value, str):
        return make_reading("text", cut(str(value), length=_MAX_TEXT))
    if type(value) is float or (type(value) is int and abs(value) <= MAX_INTEGER):
        return make_reading("number", to_json(value), shape=())
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_NUMBERS]
        return _read_pairs("dictionary", pairs, exact_type=exact_type, depth=depth)
    if isinstance(value, list | tuple | range | np.ndarray):
        return _read_sequence(value, exact_type=exact_type, depth=depth)
    return make_other(value, "something that can be compared")


def _read_sequence(value: Any, *, exact_type: bool, depth: int) -> Reading:
    if not isinstance(value, np.ndarray) and len(value) > MAX_NUMBERS:
        return make_reading("other", error="it is too large to be right")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError, RecursionError):  # lists of different lengths
        array = np.empty(0, dtype=object)
    if array.size > MAX_NUMBERS or array.ndim > MAX_DIMENSIONS:
        return make_reading("other", error=f"an array of shape {array.shape} is too large")
    if array.dtype.kind in "iuf" and array.ndim:
        return make_reading("array", to_json(array.astype(float).tolist()), shape=array.shape)
    if array.dtype.kind == "b" and array.ndim:
        array = array.astype(object)
    items = value.tolist() if isinstance(value, np.ndarray) else list(value)
    read_items = [_read(item, exact_type=exact_type, depth=depth + 1) for item in items]
    return make_reading("list", read_items, shape=(len(read_items),))


def _read_table(table: Any, *, exact_type: bool, depth: int) -> Reading:
    """A table's columns in their order; its index counts where it has a name."""
    if table.size > MAX_NUMBERS:
        return make_reading("other", error=f"a table of shape {table.shape} is too large")
    if any(table.index.names):
        table = table.reset_index()
    return _read_pairs("table", list(table.items()), exact_type=exact_type, depth=depth)


def _read_pairs(
    kind: str, pairs: Sequence[tuple[Any, Any]], *, exact_type: bool, depth: int
) -> Reading:
    value = [
        [
            cut(key if isinstance(key, str) else repr(key)),
            _read(one, exact_type=exact_type, depth=depth + 1),
        ]
        for key, one in pairs
    ]
    return make_reading(kind, value, shape=(len(value),))


def read_layer(layer: Any) -> Reading:
    """Read a layer of a Keras model: its kind, output shape, parameters and what else matters."""
    return read(describe_layer(layer))


def describe_layer(layer: Any) -> dict[str, Any]:
    """Say what a layer of a built Keras model is; an open length in its output shape is -1."""
    configuration = layer.get_config()
    facts: dict[str, Any] = {
        "kind": type(layer).__name__,
        "output shape": [-1 if size is None else size for size in layer.output.shape],
        "parameters": int(layer.count_params()),
    }
    for name in _SETTINGS:
        if isinstance(configuration.get(name), str | float | int):
            facts[name] = configuration[name]
    return facts


def read_axes(axes: Any) -> Reading:
    """Read a matplotlib axes: what kinds of marks it has, their data, and its labels."""
    legend = axes.get_legend()
    bars = [patch for patch in axes.patches if hasattr(patch, "get_height")]
    return read(
        {
            "title": axes.get_title() or axes.get_title(loc="left"),
            "x label": axes.get_xlabel(),
            "y label": axes.get_ylabel(),
            "scales": [axes.get_xscale(), axes.get_yscale()],
            "lines": [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines],
            "bars": [[bar.get_x(), bar.get_width(), bar.get_height()] for bar in bars],
            "points": [
                np.asarray(points.get_offsets(), dtype=float) for points in axes.collections
            ],
            "pictures": [np.asarray(image.get_array(), dtype=float) for image in axes.images],
            "legend": [text.get_text() for text in legend.get_texts()] if legend else [],
        }
    )
