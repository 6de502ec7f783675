"""How a check says what it expected."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from course_utils.exercises.readings import describe_layer


class Wrong(Exception):  # noqa: N818 (it reads better in a check than WrongError)
    """The answer ran but is wrong; the message says for which input."""


def expect_close(found: Any, expected: ArrayLike, situation: str, tolerance: float = 1e-6) -> None:
    """Compare numbers or arrays of numbers.

    Args:
        found: what the learner's function returned.
        expected: the right value, of any shape.
        situation: what the function was called on, to begin a sentence with.
        tolerance: the largest difference that still counts as equal.

    Raises:
        Wrong: with the first reason that applies: nothing returned, wrong kind, shape or value.
    """
    expected = np.asarray(expected)
    if found is None:
        raise Wrong(f"{situation} your function returns None: is the return missing?")
    try:
        value = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{situation} a number is expected, not {_short(found)}.") from None
    if value.shape != expected.shape:
        raise Wrong(f"{situation} the shape should be {expected.shape} but yours is {value.shape}.")
    if not np.allclose(value, expected, rtol=0, atol=tolerance):
        raise Wrong(f"{situation} the answer is {_short(expected)} but yours is {_short(value)}.")


def expect_equal(found: Any, expected: Any, situation: str) -> None:
    """Compare things that are no floating-point numbers; NumPy's integers count as integers.

    Raises:
        Wrong: if they differ.
    """
    if found is None and expected is not None:
        raise Wrong(f"{situation} your function returns None: is the return missing?")
    if isinstance(found, np.generic):
        found = found.item()
    if isinstance(found, np.ndarray) or type(found) is not type(expected) or found != expected:
        raise Wrong(f"{situation} the answer is {expected!r} but yours is {_short(found)}.")


def expect_model(
    found: Any, expected: Sequence[Mapping[str, Any]], situation: str, *, name: str
) -> None:
    """Compare a Keras model layer by layer: kinds, output shapes, parameters, activations, rates.

    Args:
        found: what the learner's function returned.
        expected: what each layer is to be, as :func:`describe_layer` says it.
        situation: what the function was called on, to begin a sentence with.
        name: what the right model is called.

    Raises:
        Wrong: with the first layer that differs, and what is different about it.
    """
    own = list_layers(found, situation)
    for number, (layer, other) in enumerate(zip(own, expected, strict=False), start=1):
        if difference := _compare_layers(describe_layer(layer), other, name, number):
            raise Wrong(f"{situation} layer {number} of yours {difference}")
    if len(own) != len(expected):
        raise Wrong(
            f"{situation} your network has {len(own)} layers and {name} has {len(expected)}; "
            f"the first {min(len(own), len(expected))} are right."
        )


def list_layers(found: Any, situation: str) -> list[Any]:
    """List the layers of a Keras model, but for its input.

    Raises:
        Wrong: it is no model, or one that has not been built.
    """
    if found is None:
        raise Wrong(f"{situation} your function returns None: is the return missing?")
    if not hasattr(found, "layers"):
        raise Wrong(f"{situation} a Keras model is expected, not {_short(found)}.")
    if not found.built:
        raise Wrong(f"{situation} your network doesn't know its input: begin with keras.Input.")
    return [layer for layer in found.layers if type(layer).__name__ != "InputLayer"]


def _compare_layers(
    own: Mapping[str, Any], other: Mapping[str, Any], name: str, number: int
) -> str:
    """The first difference between two layers, as the end of a sentence; empty if there is none."""
    if own["kind"] != other["kind"]:
        return f"is a {own['kind']}, but {name} has a {other['kind']} there."
    for fact in ("output shape", "parameters", "activation", "rate", "scale", "offset"):
        if own.get(fact) != other.get(fact):
            return (
                f"is a {own['kind']} with {fact} {_show_fact(own.get(fact))}; {name}'s has "
                f"{_show_fact(other.get(fact))}.{_guess_reason(fact, own, other, number)}"
            )
    return ""


def _show_fact(value: Any) -> str:
    if isinstance(value, list):
        return " × ".join(str(size) for size in value[1:])
    return f"{value:,}" if isinstance(value, int) else str(value)


def _guess_reason(fact: str, own: Mapping[str, Any], other: Mapping[str, Any], number: int) -> str:
    """What most often makes a fact about a layer another one."""
    if fact == "output shape":
        if number == 1 and own["kind"] != "Conv2D":
            return " Does keras.Input get the shape that your function is called with?"
        return _guess_from_shapes(own, other)
    if fact == "parameters" and own["kind"] == "Conv2D":
        return " Look at the side of its kernels, and at what it is called on."
    return ""


def _guess_from_shapes(own: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What most often makes an output shape another one."""
    (*places, filters), (*other_places, other_filters) = own["output shape"], other["output shape"]
    if places == other_places:
        return "" if filters == other_filters else " Look at the number of filters or units."
    if len(places) != len(other_places):
        return " Is something missing before it, such as Flatten?"
    if own["kind"] != "Conv2D":
        return ""
    if all(0 < one - two <= 6 for one, two in zip(places[1:], other_places[1:], strict=True)):
        return ' Its padding is "same"; there it is "valid", Keras\'s default.'
    if all(0 < two - one <= 6 for one, two in zip(places[1:], other_places[1:], strict=True)):
        return ' Its padding is "valid", Keras\'s default; there it is "same".'
    return " Look at its strides, and at what comes before it."


def _short(value: Any) -> str:
    """A value as text that fits a line."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, threshold=12, separator=", ")
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"
