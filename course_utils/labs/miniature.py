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
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
_Key = TypeVar("_Key")
_Thing = TypeVar("_Thing")


class LabError(ValueError):
    """An experiment can't be done with these settings; the message says what it needs."""


@dataclass(frozen=True, eq=False)
class GroupObjective:
    """What a training makes smaller in place of the mean loss: a weighted sum over groups.

    Attributes:
        groups: (num_train,) the group of each training picture, numbered from 0.
        update: is called in every step with the groups' weights, which are equal at first, and
            their mean losses among the pictures of the step, both (num_groups,), 0 for a group that
            has none there. It returns the new weights, and the step's loss is the sum of the losses
            times these. Networks are kept by the function, so it must always do the same.
    """

    groups: NDArray[np.integer[Any]]
    update: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.floating[Any]]]

    @property
    def num_groups(self) -> int:
        """How many groups there are."""
        return int(self.groups.max()) + 1


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
        weights: in the order of a Keras model's ``get_weights()``.
    """

    class_names: tuple[str, ...]
    _architecture: _Architecture = field(repr=False)
    weights: tuple[NDArray[np.float32], ...] = field(repr=False)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give the class probabilities (n, num_classes) of pictures (n, height, width, 3)."""
        with _trainers.borrow(self._architecture) as trainer:
            return trainer.predict(self.weights, images)

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
        model.set_weights(self.weights)
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
    objective: GroupObjective | None = None,
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
        objective: what to make smaller in place of the mean loss; without ``sample_weight``.

    Raises:
        LabError: too few pictures or epochs, or a recipe, weights or groups that don't fit.
    """
    weights = _check(data, epochs, recipe, sample_weight)
    if objective is not None:
        weights = _members(objective, len(data.train), sample_weight)
    architecture = _architecture(data, pooling, head)
    key = (
        data.train.fingerprint(),
        architecture,
        seed,
        replace(recipe, epochs=epochs),
        None if weights is None else hashlib.sha256(weights.data).hexdigest(),
        None if objective is None else objective.update,
    )
    found = _kept.get(key)
    if found is None:
        with _trainers.borrow(architecture) as trainer:
            found = trainer.train(
                data,
                seed=seed,
                recipe=replace(recipe, epochs=epochs),
                weights=weights,
                update=None if objective is None else objective.update,
            )
        _kept.put(key, found)
    return Network(data.class_names, architecture, found)


def untrained(
    data: ImageDataset,
    *,
    seed: int,
    pooling: models.Pooling = "max",
    head: models.Head = "average",
) -> Network:
    """Make the network that :func:`train` begins with: it has seen no labels.

    Args:
        data: whose training pictures its first layer is computed from.
        seed: fixes the weights.
        pooling: as in :func:`course_utils.models.build`.
        head: likewise.
    """
    architecture = _architecture(data, pooling, head)
    with _trainers.borrow(architecture) as trainer:
        weights = trainer.begin(data, seed=seed)
    return Network(data.class_names, architecture, weights)


def _architecture(data: ImageDataset, pooling: models.Pooling, head: models.Head) -> _Architecture:
    return _Architecture(pooling, head, len(data.class_names), data.train.images.shape[1:])


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


def _members(
    objective: GroupObjective, number: int, sample_weight: NDArray[np.floating[Any]] | None
) -> NDArray[np.float32]:
    """(num_train, num_groups): 1 where a picture is in a group, else 0."""
    groups = np.asarray(objective.groups)
    if sample_weight is not None:
        raise LabError("a training has sample_weight or an objective; leave one of them out")
    if (
        groups.shape != (number,)
        or not np.issubdtype(groups.dtype, np.integer)
        or set(np.unique(groups)) != set(range(objective.num_groups))
    ):
        raise LabError(
            f"the objective's groups are {groups.dtype} of shape {groups.shape}; they are whole "
            f"numbers from 0, one for each of the {number} training pictures, and none is skipped"
        )
    members: NDArray[np.float32] = np.eye(objective.num_groups, dtype=np.float32)[groups]
    return members


class Lent(Generic[_Key, _Thing]):
    """Things that are slow to make, such as traced networks: each is used by one thread at a time.

    Args:
        make: makes one for a key.
    """

    def __init__(self, make: Callable[[_Key], _Thing]) -> None:
        self._make = make
        self._idle: defaultdict[_Key, list[_Thing]] = defaultdict(list)
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, key: _Key) -> Iterator[_Thing]:
        """Lend one that nobody else uses meanwhile."""
        with self._lock:
            idle = self._idle[key]
            thing = idle.pop() if idle else self._make(key)
        yield thing  # after an error it may be in the middle of something, and isn't used again
        with self._lock:
            self._idle[key].append(thing)


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
        self._epoch, self._epoch_by_group = (
            tf.function(partial(self._train_epoch, summarise), reduce_retracing=True)
            for summarise in (self._average, self._sum_groups)
        )
        self._group_weights: _GroupWeights | None = None
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
        update: Callable[..., Any] | None = None,
    ) -> tuple[NDArray[np.float32], ...]:
        """Train from new weights, and return what they have become.

        With ``update``, ``weights`` say which groups each picture is in, (num_train, num_groups).
        """
        self.begin(data, seed=seed)
        for variable, fresh in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(fresh)
        order = _order(data, seed)
        run = self._epoch
        if update is not None:
            assert weights is not None  # they are the groups
            run = self._epoch_by_group
            self._group_weights = _GroupWeights(update, weights.shape[1])
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
            run(images, answers, importance, part)
            if self._group_weights is not None and self._group_weights.error is not None:
                raise self._group_weights.error
        self._group_weights = None
        self._holds = tuple(self._model.get_weights())
        return self._holds

    def begin(self, data: ImageDataset, *, seed: int) -> tuple[NDArray[np.float32], ...]:
        """Make new weights, and return them."""
        models.initialise(self._model, seed=seed)
        seen = np.sort(_order(data, seed)[: training.NUM_ADAPT])
        training.adapt(self._model, data.train.images[seen])
        self._holds = tuple(self._model.get_weights())
        return self._holds

    def _train_epoch(
        self,
        summarise: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]",
        images: "tf.Tensor",
        answers: "tf.Tensor",
        importance: "tf.Tensor",
        rates: "tf.Tensor",
    ) -> None:
        """Make a step downhill for each batch; ``summarise`` turns its pictures' losses into one.

        It gets what the batch says of its pictures' importance, and their losses.
        """
        import keras
        import tensorflow as tf

        for step in tf.range(tf.shape(rates)[0]):
            self._optimizer.learning_rate = rates[step]
            with tf.GradientTape() as tape:
                probabilities = self._model(images[step], training=True)
                losses = keras.losses.categorical_crossentropy(answers[step], probabilities)
                loss = summarise(importance[step], losses)
            gradients = tape.gradient(loss, self._model.trainable_variables)
            self._optimizer.apply(gradients, self._model.trainable_variables)

    @staticmethod
    def _average(importance: "tf.Tensor", losses: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        return tf.reduce_mean(losses * importance)

    def _sum_groups(self, members: "tf.Tensor", losses: "tf.Tensor") -> "tf.Tensor":
        """The groups' mean losses, times the weights that NumPy is asked for."""
        import tensorflow as tf

        counts = tf.reduce_sum(members, axis=0)
        means = tf.linalg.matvec(members, losses, transpose_a=True) / tf.maximum(counts, 1.0)
        weights = tf.numpy_function(self._ask_for_weights, [means], tf.float32)
        return tf.reduce_sum(means * tf.reshape(weights, tf.shape(means)))

    def _ask_for_weights(self, losses: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self._group_weights is not None  # train() has set it
        return self._group_weights.update(losses)

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


class _GroupWeights:
    """The weights of the groups during one training."""

    def __init__(self, function: Callable[..., Any], num_groups: int) -> None:
        self.error: Exception | None = None  # what the function raised, for when the epoch is over
        self._function = function
        self._weights = np.full(num_groups, 1 / num_groups)

    def update(self, losses: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.error is None:
            try:
                self._weights = self._checked(
                    self._function(self._weights.copy(), losses.astype(np.float64))
                )
            except Exception as error:  # TensorFlow would wrap it in a page of its own
                self.error = error
        return self._weights.astype(np.float32)

    def _checked(self, found: Any) -> NDArray[np.float64]:
        weights = np.asarray(found, np.float64)
        if weights.shape != self._weights.shape or not (
            np.isfinite(weights).all() and (weights >= 0).all()
        ):
            raise LabError(
                f"the groups' new weights are {weights}; they are {len(self._weights)} numbers "
                "from 0, one for each group"
            )
        return weights


def _order(data: ImageDataset, seed: int) -> NDArray[np.int64]:
    """The order of the training pictures that a seed gives."""
    return np.random.default_rng(seed).permutation(len(data.train))


_kept = _Kept()
_trainers = Lent(_Trainer)
