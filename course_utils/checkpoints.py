"""The state of a training in a folder, from which that training goes on, and no other."""

import errno
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary
from zipfile import BadZipFile

import numpy as np

import course_utils
from course_utils import backend
from course_utils.datasets.base import ImageDataset
from course_utils.files import write_bytes, write_text

with backend.quiet_startup():
    import keras
    import tensorflow as tf

Identity = Mapping[str, Any]

# What a difference means, where the two values would say little.
_DIFFERENCES = {
    "versions": "it was made with other versions of the course, Keras or TensorFlow",
    "network": "its network has other layers",
    "weights": "its classes or pictures had other weights",
    "pictures": "it was trained on other pictures or labels",
    "initial_weights": "its network began with other weights (build yours with the same seed, or "
    "anew if you have trained it in the meantime)",
}
# Keys of a layer's configuration that say how it began, which its weights say already.
_BEGINNINGS = ("seed", "_initializer")
_REFERENCES = ("keras_history", "input_layers", "output_layers")


class TrainingError(Exception):
    """Training can't start or go on; the message says why and what to do."""


class CheckpointError(TrainingError):
    """A training can't go on from a folder, or be kept in it; the message says why."""


@dataclass(frozen=True)
class _Left:
    """How the last training of a model left it."""

    folder: Path
    identity: Identity
    weights: str


_left: WeakKeyDictionary[keras.Model, _Left] = WeakKeyDictionary()


def identify(
    model: keras.Model, data: ImageDataset, recipe: Mapping[str, Any], seed: int
) -> Identity:
    """Say what the result of a training follows from: two that differ in it are two trainings.

    Args:
        model: with the weights that the training begins with.
        data: what is trained on; pixels, labels and class names count.
        recipe: all of its settings.
        seed: of the training.
    """
    return {
        "versions": {
            "course": course_utils.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        **recipe,
        "seed": seed,
        "dataset": data.name,
        "num_train": len(data.train),
        "class_names": list(data.class_names),
        "pictures": data.train.fingerprint(),
        "compute_dtypes": sorted({layer.compute_dtype for layer in _flatten(model)}),
        "network": _fingerprint_layers(model),
        "initial_weights": _fingerprint_weights(model),
    }


def _flatten(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _flatten(layer)


def _fingerprint_layers(model: keras.Model) -> str:
    """A text that networks share whose layers have the same settings, whatever their names."""
    try:
        config = model.get_config()
    except NotImplementedError:  # a class of the learner's own
        config = {"class": type(model).__qualname__, "shapes": [w.shape for w in model.weights]}
    text = json.dumps(_normalise(config, {}), sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _normalise(value: Any, names: dict[str, int], *, refers: bool = False) -> Any:
    """Number the layers' names, which Keras counts on with each network, and drop beginnings."""
    if isinstance(value, dict):
        return {
            key: _normalise(part, names, refers=refers or key in ("name", *_REFERENCES))
            for key, part in value.items()
            if not key.endswith(_BEGINNINGS)
        }
    if isinstance(value, list | tuple):
        return [_normalise(part, names, refers=refers) for part in value]
    if isinstance(value, str) and refers:
        return names.setdefault(value, len(names))
    return value


def _fingerprint_weights(model: keras.Model) -> str:
    """A text for all weights of a network and the state of its random layers."""
    digest = hashlib.sha256()
    for variable in model.variables:
        array = keras.ops.convert_to_numpy(variable)
        digest.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
    return digest.hexdigest()


class Checkpoint:
    """The state of a training after its last finished epoch, in a folder.

    ``state.json`` names the file of arrays that belongs to it. Both are written under another
    name and then renamed, the arrays first, so that whenever the process is killed the folder holds
    one whole state. The first is that before the first epoch.

    Args:
        folder: made if need be.
        identity: from :func:`identify`; what must be the same for the training to go on.
        model: the network that is trained.
        grows: whether the same training may go on for more epochs than it was begun with.

    Raises:
        CheckpointError: the folder holds the state of another training, or can't be read. Nothing
            has been changed then.
    """

    def __init__(
        self, folder: Path, identity: Identity, model: keras.Model, *, grows: bool
    ) -> None:
        self._folder = folder
        self._model = model
        self._identity = identity
        self._grows = grows
        self._state = self._read()
        if self._state:
            self._identity = self._as_it_began()
            self._compare(self._state["identity"], num_finished=len(self._state["rows"]))

    def _read(self) -> dict[str, Any] | None:
        path = self._folder / "state.json"
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            names = {"rows", "variables"} - state.keys()
            if (
                names
                or not isinstance(state["identity"], dict)
                or not isinstance(state["rows"], list)
            ):
                raise ValueError("it lacks a part")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise CheckpointError(
                f"{path} can't be read ({error}); choose another checkpoint folder or delete it"
            ) from error
        return dict(state)

    def _as_it_began(self) -> Identity:
        """The identity with the weights that the training of this very model began with.

        A cell that was stopped is run again with the model that it has half trained.
        """
        left = _left.get(self._model)
        weights = self._identity["initial_weights"]
        if left is None or (left.folder, left.weights) != (self._folder.resolve(), weights):
            return self._identity
        return {**self._identity, "initial_weights": left.identity["initial_weights"]}

    def _compare(self, found: Identity, *, num_finished: int) -> None:
        epochs = self._identity["epochs"]
        for name, value in self._identity.items():
            if found.get(name) == value or (name == "epochs" and self._grows):
                continue
            other = f"its {name} is {found.get(name)!r}, this run's is {value!r}"
            self._refuse(_DIFFERENCES.get(name, other))
        if num_finished > epochs:
            self._refuse(f"it has finished {num_finished} epochs, and this run asks for {epochs}")

    def _refuse(self, difference: str) -> None:
        raise CheckpointError(
            f"{self._folder} holds the checkpoint of another run: {difference}; choose another "
            "folder or delete it"
        )

    def load(self) -> list[dict[str, float]]:
        """Bring the compiled model to the saved state; without one, save that it is in now.

        Returns:
            The rows of the finished epochs.

        Raises:
            CheckpointError: the weights can't be read, or the state can't be written.
        """
        self._model.optimizer.build(self._model.trainable_variables)
        if self._state is None:
            self.save([])
            return []
        path = self._folder / Path(self._state["variables"]).name
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = [arrays[name] for name in arrays.files]
            for variable, value in list(zip(self._variables(), values, strict=True)):
                variable.assign(value.view(keras.ops.convert_to_numpy(variable).dtype))
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise CheckpointError(
                f"{path} can't be read ({error}); choose another checkpoint folder or delete it"
            ) from error
        return list(self._state["rows"])

    def save(self, rows: list[dict[str, float]]) -> None:
        """Put the model's present state in place of the saved one.

        Raises:
            CheckpointError: it can't be written; the one before is whole.
        """
        path = self._folder / f"epoch-{len(rows):04d}.npz"
        # In memory first: HDF5, as Keras saves weights, takes the process down on a full disk.
        content = io.BytesIO()
        np.savez(content, *map(keras.ops.convert_to_numpy, self._variables()))
        state = {"identity": self._identity, "rows": rows, "variables": path.name}
        try:
            write_bytes(path, content.getvalue())
            write_text(self._folder / "state.json", json.dumps(state, indent=1))
            for old in self._folder.glob("epoch-*.npz"):
                if old != path:
                    old.unlink()
        except OSError as error:
            raise CheckpointError(
                f"the state after epoch {len(rows)} can't be written to {self._folder}: "
                f"{_reason(error)}. The state before it is whole"
            ) from None

    def leave(self) -> None:
        """Remember how this training leaves the model, so that the same call goes on with it."""
        weights = _fingerprint_weights(self._model)
        _left[self._model] = _Left(self._folder.resolve(), self._identity, weights)

    def _variables(self) -> list[keras.Variable]:
        """Weights, random numbers of the dropout layers, momenta: all that training changes."""
        return [*self._model.variables, *self._model.optimizer.variables]


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "no space left on the disk"
    return str(error)
