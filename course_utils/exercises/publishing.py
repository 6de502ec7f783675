"""What a hidden check of an instructor's own publishes when it is graded.

In the hidden part of a check cell::

    from course_utils.exercises import Publisher

    with Publisher("squares") as check:
        n = int(check.random.integers(2, 30))
        check.call("squares", n, name="a drawn number")
        check.variable("total", tolerance=0.01)

The learner's notebook and the instructor's run with the same seed, so both draw the same inputs.
What they publish is compared outside, value by value, with the tolerances and weights of the
instructor's copy. Nothing in a learner's process knows a right answer.
"""

import copy
import io
import os
import sys
import warnings
import zlib
from collections.abc import Callable
from contextlib import redirect_stdout
from types import TracebackType
from typing import Any, Self

import numpy as np

from course_utils.exercises.readings import (
    Reading,
    describe_error,
    make_reading,
    read,
    read_axes,
    read_layer,
)

SEED_VARIABLE = "COURSE_GRADING_SEED"
MIME_TYPE = "application/vnd.pixels-and-people.answers+json"

TOLERANCE = 1e-6  # between numbers, where nothing else is said

_NUM_PICTURES = 4


def grading_seed() -> int | None:
    """The seed of a batch; None outside grading."""
    seed = os.environ.get(SEED_VARIABLE)
    return None if seed is None else int(seed)


def publish(name: str, answers: list[Reading], *, tolerance: float) -> None:
    """Send the answers of a check, as one message of display data."""
    from IPython.display import display

    content = {"exercise": name, "tolerance": tolerance, "answers": answers}
    display({MIME_TYPE: content}, raw=True)


class Publisher:
    """Collects what a learner's code gives, and publishes it at the end of its ``with`` block.

    Outside grading nothing is called, looked up or published. Nothing that the learner's code does
    raises an error in here: it becomes a wrong answer with a reason.

    Attributes:
        random: draws the inputs, the same ones in the learner's notebook and the instructor's, and
            new ones in each batch.
        is_grading: whether anything is published.
    """

    def __init__(self, name: str, *, tolerance: float = TOLERANCE, seed: int | None = None) -> None:
        """Begin a check.

        Args:
            name: of the check, the same in both notebooks.
            tolerance: the largest difference between numbers that still count as equal.
            seed: of the inputs; by default that of the batch.
        """
        seed = grading_seed() if seed is None else seed
        self.is_grading = seed is not None
        self.random = np.random.default_rng([seed or 0, zlib.crc32(name.encode())])
        self._name = name
        self._tolerance = tolerance
        self._answers: list[Reading] = []

    @property
    def answers(self) -> list[Reading]:
        """What has been collected so far."""
        return list(self._answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_grading:
            publish(self._name, self._answers, tolerance=self._tolerance)

    def call(
        self,
        function: str | Callable[..., Any],
        *arguments: Any,
        name: str | None = None,
        exact_type: bool = False,
        keep_arguments: bool = False,
        **options: float,
    ) -> None:
        """Try a function on some input.

        Args:
            function: the learner's, best by its name, since it may not be there.
            arguments: what it is called with; it gets copies.
            name: what is special about this input, for the learner to read; by default the inputs.
            exact_type: whether the type of numbers counts, such as ``float32``.
            keep_arguments: whether a function that changes what it was given is wrong.
            options: ``tolerance`` and ``weight`` of this answer.
        """
        shown = name or f"{getattr(function, '__name__', function)}{_show(arguments)}"

        def ask() -> Reading:
            found = self._find(function) if isinstance(function, str) else function
            given = copy.deepcopy(arguments)
            result = found(*given)
            if keep_arguments and read(given, exact_type=True) != read(arguments, exact_type=True):
                return make_reading("error", error="argument changed: return a new value instead")
            return read(result, exact_type=exact_type)

        self._ask(shown, ask, **options)

    def variable(self, variable: str, *, exact_type: bool = False, **options: float) -> None:
        """Look at a variable of the notebook.

        Args:
            variable: its name.
            exact_type: whether the type of numbers counts.
            options: ``tolerance`` and ``weight`` of this answer.
        """
        self._ask(variable, lambda: read(self._find(variable), exact_type=exact_type), **options)

    def value(self, value: Any, *, name: str, exact_type: bool = False, **options: float) -> None:
        """Look at any value: a number, text, array, list, dictionary or table.

        Args:
            value: what the learner's code gave.
            name: what it is, for the learner to read.
            exact_type: whether the type of numbers counts.
            options: ``tolerance`` and ``weight`` of this answer.
        """
        self._ask(name, lambda: read(value, exact_type=exact_type), **options)

    def model(
        self, model: Any, *, images: Any = None, tolerance: float = 1e-3, weight: float = 1.0
    ) -> None:
        """Look at a Keras model: each layer, and what it predicts with drawn weights.

        The layers share half of the weight, the predictions have the other half. The model's own
        weights are put back.

        Args:
            model: the learner's, best by its name, or a function without arguments that builds it.
            images: what to predict on; by default pictures drawn from 0 to 1, of the shape that the
                model takes.
            tolerance: of the predictions.
            weight: of all this together.
        """
        if not self.is_grading:
            return
        generator = np.random.default_rng(self.random.integers(2**63))
        try:
            found = self._find(model) if isinstance(model, str) else model
            found = found if hasattr(found, "layers") else found()
            layers = [one for one in found.layers if type(one).__name__ != "InputLayer"]
        except (Exception, SystemExit) as error:
            self._add(
                "the model", make_reading("error", error=describe_error(error)), weight=weight
            )
            return
        share = weight / 2 / (len(layers) + 1)
        self._ask("the number of layers", lambda: read(len(layers)), weight=share)
        for number, layer in enumerate(layers, start=1):
            self._ask(f"layer {number}", lambda one=layer: read_layer(one), weight=share)  # type: ignore[misc]

        def predict() -> Reading:
            kept = found.get_weights()
            shape = (_NUM_PICTURES, *found.input_shape[1:])
            asked = generator.random(shape, dtype=np.float32) if images is None else images
            try:
                found.set_weights(_draw_weights(found.weights, generator))
                return read(np.asarray(found(asked, training=False)))
            finally:
                found.set_weights(kept)

        self._ask("predictions with drawn weights", predict, tolerance=tolerance, weight=weight / 2)

    def figure(self, axes: Any, *, name: str = "the figure", **options: float) -> None:
        """Look at the data of a figure: lines, bars, points, pictures, labels and legend.

        Args:
            axes: matplotlib's, or the name of the variable that holds them.
            name: what it is, for the learner to read.
            options: ``tolerance`` and ``weight`` of this answer.
        """
        self._ask(
            name,
            lambda: read_axes(self._find(axes) if isinstance(axes, str) else axes),
            **options,
        )

    def _ask(self, name: str, ask: Callable[[], Reading], **options: float) -> None:
        if not self.is_grading:
            return
        try:
            with (
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                redirect_stdout(io.StringIO()),
            ):
                warnings.simplefilter("ignore")
                reading = ask()
        except (Exception, SystemExit) as error:  # whatever a learner's code may raise
            reading = make_reading("error", error=describe_error(error))
        self._add(name, reading, **options)

    def _add(self, name: str, reading: Reading, **options: float) -> None:
        if unknown := options.keys() - {"tolerance", "weight"}:
            raise TypeError(
                f"unknown option {', '.join(sorted(unknown))}; there are tolerance and weight"
            )
        names = {answer["case"] for answer in self._answers}
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name} ({number})", number + 1
        self._answers.append({"case": unique} | reading | options)

    @staticmethod
    def _find(name: str) -> Any:
        """Look a variable of the notebook up."""
        variables = vars(sys.modules["__main__"])
        if name not in variables:
            raise NotImplementedError(f"there is no {name}")
        return variables[name]


def _show(arguments: tuple[Any, ...]) -> str:
    text = ", ".join(" ".join(repr(one).split()) for one in arguments)
    return f"({text if len(text) <= 60 else text[:59] + '…'})"


def _draw_weights(variables: Any, generator: np.random.Generator) -> list[Any]:
    """Draw weights of the same shapes: small enough for signals to pass, variances above zero."""
    drawn = []
    for variable in variables:
        shape = tuple(variable.shape)
        fan_in = max(1, int(np.prod(shape[:-1])))
        values = generator.normal(0, fan_in**-0.5, shape)
        drawn.append(np.abs(values) + 0.5 if "variance" in variable.path else values)
    return drawn
