"""A miniature of the quick network, and what every experiment needs to train many of them.

A training here does what :func:`course_utils.training.fit` does, and takes a third of the time: an
epoch is one call of TensorFlow, not one for each batch, and a training step that has been traced
once serves all trainings of the same architecture. Two trainings run at a time, each in a thread of
its own: on two cores that is faster again, and takes no memory for a second process.
"""

import hashlib
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from course_utils import hardware, models, training
from course_utils.datasets.base import ImageDataset
from course_utils.evaluation import Evaluation, evaluate_predictions
from course_utils.layers import ConvolutionalMuon, WarmUpAndDecay
from course_utils.progress import is_watched

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

WIDTH = 0.5  # half of the filters
EPOCHS = 3
SMALLEST_NUM_TRAIN = 32

# Smaller batches than quick's: more steps from few pictures. Nothing is held back, since nothing is
# decided by validation.
RECIPE = replace(
    training.RECIPES["quick"],
    name="miniature",
    batch_size=SMALLEST_NUM_TRAIN,
    validation_split=0.0,
    epochs=EPOCHS,
)

_NUM_KEPT = 200  # networks, each of less than half a megabyte
_PREDICT_BATCH = 250  # pictures

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class LabError(ValueError):
    """An experiment can't be done with these settings; the message says what it needs."""


@dataclass(frozen=True)
class _Architecture:
    """All that decides which layers a miniature has."""

    pooling: models.Pooling
    head: models.Head
    num_classes: int
    image_shape: tuple[int, ...]

    def build(self) -> "keras.Model":
        return models.build(
            "quick",
            pooling=self.pooling,
            head=self.head,
            width=WIDTH,
            compute_dtype="float32",  # the same on every processor
            num_classes=self.num_classes,
            image_shape=self.image_shape,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, eq=False)
class Network:
    """A trained miniature: it can be asked, and never changes.

    Attributes:
        class_names: what it tells apart.
    """

    class_names: tuple[str, ...]
    _architecture: _Architecture = field(repr=False)
    _weights: tuple[NDArray[np.float32], ...] = field(repr=False)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give the class probabilities (n, num_classes) of pictures (n, height, width, 3)."""
        with _borrow(self._architecture) as trainer:
            return trainer.predict(self._weights, images)

    def evaluate(self, data: ImageDataset, *, group: str | None = None) -> Evaluation:
        """See how well it does on a data set's test pictures.

        Args:
            data: with the classes that it was trained on.
            group: the attribute by which accuracy is compared; ``data.group`` by default.
        """
        return evaluate_predictions(
            data.test.labels,
            self.predict(data.test.images),
            class_names=data.class_names,
            groups=data.test.attributes[group or data.group],
        )

    def to_keras(self) -> "keras.Model":
        """Build a Keras model of its own with these weights, to save it or to take gradients of."""
        model = self._architecture.build()
        model.set_weights(self._weights)
        model.class_names = self.class_names
        return model


def train(
    data: ImageDataset,
    *,
    seed: int,
    epochs: int = EPOCHS,
    pooling: models.Pooling = "max",
    head: models.Head = "average",
    recipe: training.Recipe = RECIPE,
    sample_weight: NDArray[np.floating[Any]] | None = None,
) -> Network:
    """Train a miniature on a data set's training pictures.

    The same arguments give the same network; within a run it is trained only once.

    Args:
        data: what to train on.
        seed: fixes the initial weights and the order of the pictures.
        epochs: passes over the training pictures, from 1.
        pooling: as in :func:`course_utils.models.build`.
        head: as there, too.
        recipe: :data:`RECIPE`, or a variant without ``validation_split`` and with its optimizer,
            such as ``replace(RECIPE, label_smoothing=0.0)``.
        sample_weight: (num_train,) how much the loss of each picture counts.

    Raises:
        LabError: too few pictures or epochs, or a recipe or weights that don't fit.
    """
    weights = _check(data, epochs, recipe, sample_weight)
    architecture = _Architecture(pooling, head, len(data.class_names), data.train.images.shape[1:])
    key = (
        data.train.fingerprint(),
        architecture,
        seed,
        replace(recipe, epochs=epochs),
        None if weights is None else hashlib.sha256(weights.data).hexdigest(),
    )
    found = _kept.get(key)
    if found is None:
        with _borrow(architecture) as trainer:
            found = trainer.train(
                data, seed=seed, recipe=replace(recipe, epochs=epochs), weights=weights
            )
        _kept.put(key, found)
    return Network(data.class_names, architecture, found)


def in_parallel(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, label: str
) -> list[_Result]:
    """Call a function for each item, as many at a time as there are cores, but at most two.

    The results come in the order of the items. When one call fails, or the learner stops the cell,
    no further one is begun.

    Args:
        function: called in a thread, so it may train and ask networks, and must change nothing
            that is shared.
        items: such as the seeds, or the pairs of condition and seed.
        label: what the progress bar counts, such as ``"pooling × seed"``.
    """
    items = list(items)
    pool = ThreadPoolExecutor(max(1, min(2, round(hardware.num_cores()))))
    try:
        calls = pool.map(function, items)
        return list(tqdm(calls, total=len(items), desc=label, disable=not is_watched()))
    finally:
        pool.shutdown(cancel_futures=True)


def table(
    function: Callable[[_Item], Iterable[dict[str, Any]]], items: Iterable[_Item], *, label: str
) -> pd.DataFrame:
    """Collect the rows that a function returns for each item; as :func:`in_parallel`."""
    return pd.DataFrame([row for rows in in_parallel(function, items, label=label) for row in rows])


def _check(
    data: ImageDataset,
    epochs: int,
    recipe: training.Recipe,
    sample_weight: NDArray[np.floating[Any]] | None,
) -> NDArray[np.float32] | None:
    number = len(data.train)
    if recipe.validation_split or recipe.warm_up is None or recipe.optimizer != "muon":
        raise LabError(
            "the miniature's recipe has Muon, a warm_up, and a validation_split of 0: make "
            "variants with replace(miniature.RECIPE, …)"
        )
    if number < recipe.batch_size:
        raise LabError(
            f"there are {number} training pictures and one batch has {recipe.batch_size}; raise "
            "num_train"
        )
    if epochs < 1:
        raise LabError(f"epochs is {epochs}; a training has at least 1")
    if sample_weight is None:
        return None
    weights = np.ascontiguousarray(sample_weight, np.float32)
    if weights.shape != (number,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise LabError(
            f"sample_weight has shape {weights.shape}; it is one number from 0 for each of the "
            f"{number} training pictures"
        )
    return weights


class _Kept:
    """The networks trained last, by all that they depend on."""

    def __init__(self) -> None:
        self._weights: OrderedDict[Any, tuple[NDArray[np.float32], ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> tuple[NDArray[np.float32], ...] | None:
        with self._lock:
            if key in self._weights:
                self._weights.move_to_end(key)
            return self._weights.get(key)

    def put(self, key: Any, weights: tuple[NDArray[np.float32], ...]) -> None:
        with self._lock:
            self._weights[key] = weights
            if len(self._weights) > _NUM_KEPT:
                self._weights.popitem(last=False)


class _Trainer:
    """One model of an architecture, trained and asked again and again, by one thread at a time."""

    def __init__(self, architecture: _Architecture) -> None:
        import tensorflow as tf

        self._model = architecture.build()
        self._optimizer = ConvolutionalMuon()
        self._optimizer.build(self._model.trainable_variables)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self._num_classes = architecture.num_classes
        self._epoch = tf.function(self._train_epoch, reduce_retracing=True)
        self._answer = tf.function(
            lambda images: self._model(images, training=False), reduce_retracing=True
        )
        self._holds: tuple[NDArray[np.float32], ...] | None = None

    def train(
        self,
        data: ImageDataset,
        *,
        seed: int,
        recipe: training.Recipe,
        weights: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], ...]:
        """Train from new weights, and return what they have become."""
        self._holds = None
        models.initialise(self._model, seed=seed)
        for variable, fresh in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(fresh)
        order = np.random.default_rng(seed).permutation(len(data.train))
        training.adapt(self._model, data.train.images[np.sort(order[: training.NUM_ADAPT])])
        batches = training.Batches(
            data.train,
            order,
            recipe,
            num_classes=self._num_classes,
            weights=np.ones(len(data.train), np.float32) if weights is None else weights,
            seed=seed,
            augment=True,
        )
        assert recipe.warm_up is not None  # train() has looked
        num_steps = recipe.epochs * len(batches)
        schedule = WarmUpAndDecay(recipe.learning_rate, num_steps, recipe.warm_up)
        rates = np.array([schedule(step) for step in range(num_steps)], np.float32)
        for epoch, part in enumerate(np.split(rates, recipe.epochs)):
            batches.start_epoch(epoch)
            drawn = [batches[index] for index in range(len(batches))]
            images, answers, importance = map(np.stack, zip(*drawn, strict=True))
            smooth = recipe.label_smoothing
            answers = answers * (1 - smooth) + smooth / self._num_classes
            self._epoch(images, answers, importance, part)
        self._holds = tuple(self._model.get_weights())
        return self._holds

    def _train_epoch(
        self, images: "tf.Tensor", answers: "tf.Tensor", importance: "tf.Tensor", rates: "tf.Tensor"
    ) -> None:
        import keras
        import tensorflow as tf

        for step in tf.range(tf.shape(rates)[0]):
            self._optimizer.learning_rate = rates[step]
            with tf.GradientTape() as tape:
                probabilities = self._model(images[step], training=True)
                losses = keras.losses.categorical_crossentropy(answers[step], probabilities)
                loss = tf.reduce_mean(losses * importance[step])
            gradients = tape.gradient(loss, self._model.trainable_variables)
            self._optimizer.apply(gradients, self._model.trainable_variables)

    def predict(
        self, weights: tuple[NDArray[np.float32], ...], images: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        if self._holds is not weights:
            self._model.set_weights(weights)
            self._holds = weights
        parts = [
            self._answer(np.ascontiguousarray(images[start : start + _PREDICT_BATCH])).numpy()
            for start in range(0, len(images), _PREDICT_BATCH)
        ]
        return np.concatenate([np.empty((0, self._num_classes), np.float32), *parts])


_kept = _Kept()
_idle: defaultdict[_Architecture, list[_Trainer]] = defaultdict(list)
_lock = threading.Lock()


@contextmanager
def _borrow(architecture: _Architecture) -> Iterator[_Trainer]:
    """A trainer that nobody else uses meanwhile."""
    with _lock:
        idle = _idle[architecture]
        trainer = idle.pop() if idle else _Trainer(architecture)
    yield trainer  # after an error it may be in the middle of something, and isn't used again
    with _lock:
        _idle[architecture].append(trainer)
