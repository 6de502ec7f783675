"""Recipes, and one function that trains a network by them.

Training is a function of its arguments: the same network, data, recipe and seed give the same
weights on one machine, also when the run is killed and goes on from its last finished epoch.
"""

import hashlib
import importlib.util
import math
import numbers
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from course_utils import augmentation, backend, classifiers
from course_utils.checkpoints import Checkpoint, CheckpointError, TrainingError, identify
from course_utils.datasets.base import ImageDataset, ImageSplit, expand_home
from course_utils.layers import ConvolutionalMuon, PatchWhitening, WarmUpAndDecay
from course_utils.progress import is_watched

with backend.quiet_startup():
    import keras

__all__ = [
    "RECIPES",
    "CheckpointError",
    "History",
    "Recipe",
    "TrainingError",
    "WarmUpAndDecay",
    "fit",
    "held_back",
]

NUM_ADAPT = 500  # training images from which a whitening layer is computed, at most


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. The defaults are the classic recipe."""

    name: str = "classic"
    optimizer: str = "rmsprop"  # "muon", or a Keras optimizer with its defaults but for the next
    learning_rate: float = 0.001  # the highest, where there is a warm-up
    batch_size: int = 128  # images per step
    epochs: int = 20  # passes over the training images
    validation_split: float = 0.2  # share of the training images that is held back, from 0
    # Share of all steps in which the learning rate rises from 0; in the others it falls to 0 again.
    warm_up: float | None = None  # None keeps it the same
    label_smoothing: float = 0.0  # share of the true class's probability that all classes share
    mirror: bool = False  # show every picture mirrored in every other epoch
    shift: int = 0  # pixels by which a picture may be moved, in either direction
    cut_out: int = 0  # side in pixels of a grey square that hides a part of every picture
    whole_batches: bool = False  # leave out the last few images of an epoch that fill no batch
    validate_last: bool = False  # measure the held-back images once, after the last epoch


_FAST = Recipe(
    "quick",
    optimizer="muon",
    learning_rate=0.1,
    epochs=3,
    warm_up=0.2,
    label_smoothing=0.1,
    mirror=True,
    shift=2,
    whole_batches=True,
    validate_last=True,
)

# Each is meant for the network of the same name.
RECIPES = {
    "classic": Recipe("classic"),
    "fast": _FAST,
    "quick": _FAST,
    "good": replace(_FAST, name="good", learning_rate=0.05, epochs=6),
    "best": replace(_FAST, name="best", learning_rate=0.05, epochs=16, shift=4, cut_out=8),
}


@dataclass(frozen=True, eq=False)
class History:
    """What happened during training."""

    recipe: Recipe
    # epoch (from 1), accuracy, loss, val_accuracy and val_loss (if any were held back; NaN in
    # epochs that were not validated), seconds
    epochs: pd.DataFrame

    @property
    def final(self) -> pd.Series:
        """The last epoch's row."""
        return self.epochs.iloc[-1]

    @property
    def history(self) -> dict[str, list[float]]:
        """What was measured after each epoch, by its name, as Keras's ``history.history``."""
        measured = self.epochs.drop(columns=["epoch", "seconds"])
        return {str(name): values.tolist() for name, values in measured.items()}


def fit(
    model: keras.Model,
    data: ImageDataset,
    *,
    recipe: str | Recipe = "classic",
    epochs: int | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    class_weight: Mapping[int | str, float] | None = None,
    sample_weight: NDArray[np.floating[Any]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None = (),
    progress: bool = True,
) -> History:
    """Train a network in place on a data set's training images.

    The last ``validation_split`` of the training images, in an order drawn from ``seed``, are held
    back and only measured. Images stay uint8 and, where they are memory-mapped, on disk: one batch
    at a time is read.

    The network is compiled with the optimizer and loss of the recipe, whatever it was compiled with
    before; the loss is told whether the network answers probabilities or logits. The network learns
    the names of the classes: ``model.class_names``.

    Args:
        model: a network from :func:`course_utils.models.build`, or any other classifier that takes
            uint8 images and answers probabilities or logits, with the weights to begin with.
        data: what to train on; only ``data.train`` is used.
        recipe: a :class:`Recipe` or the name of one.
        epochs: passes over the training images; the recipe's number unless given.
        seed: fixes which images are held back and the order of the others.
        checkpoint: a folder that keeps the state after each epoch; ``~/`` is the home folder. When
            it holds the state of the same run, training goes on from there; the result is the same
            as without the break. The same run has the same network with the same initial weights,
            pictures, recipe, seed, number format and versions of the course, Keras and TensorFlow.
            It may have more epochs than before where the recipe does the same in each of them.
        class_weight: how much the loss of a picture counts, by the label or name of its class; 1
            for classes that aren't named.
        sample_weight: the same for each training picture, (num_train,); the two are multiplied.
            Held-back pictures all count alike.
        callbacks: further Keras callbacks, or a single one. They are no part of what makes two
            runs the same.
        progress: show a progress bar where somebody watches.

    Returns:
        Accuracy, loss and seconds of each epoch, the ones before a break included.

    Raises:
        TrainingError: when the recipe, data and network don't fit each other. Nothing has been
            changed then.
        CheckpointError: when the folder holds another run's state, and nothing has been changed; or
            when it can't be written to.
    """
    if not isinstance(data, ImageDataset):
        raise TrainingError(
            f"training.fit takes a data set, as datasets.load returns it, not a "
            f"{type(data).__name__}; model.fit of Keras trains on arrays and tf.data"
        )
    plan = _plan(recipe, epochs)
    seed = _checked_seed(seed)
    folder = _checked_folder(checkpoint)
    callbacks = _checked_callbacks(callbacks, plan)
    _check_fit(data, plan)
    answers = _inspect(model, data)
    weights = _weights(data, class_weight, sample_weight)
    plan = _fill_a_batch(plan, _num_training(plan, len(data.train)))
    keeper = None
    if folder:
        identity = {**identify(model, data, asdict(plan), seed), "weights": _digest(weights)}
        grows = plan.warm_up is None and not plan.validate_last
        keeper = Checkpoint(folder, identity, model, grows=grows)
    order = np.random.default_rng(seed).permutation(len(data.train))
    training, validation = np.split(order, [_num_training(plan, len(order))])
    batches = Batches(
        data.train,
        training,
        plan,
        num_classes=answers.num_classes,
        weights=weights,
        seed=seed,
        augment=True,
    )
    num_steps = len(batches) * plan.epochs
    _compile(model, plan, num_steps=num_steps, from_logits=answers.are_logits)
    log = _Log(keeper)
    finished = len(log.rows)
    model.class_names = data.class_names
    try:
        if finished < plan.epochs:
            adapt(model, data.train.images[np.sort(training[:NUM_ADAPT])])
            model.fit(
                batches,
                validation_data=(
                    Batches(data.train, validation, plan, num_classes=answers.num_classes)
                    if len(validation)
                    else None
                ),
                validation_freq=plan.epochs if plan.validate_last else 1,
                initial_epoch=finished,
                epochs=plan.epochs,
                shuffle=False,  # Batches shuffles images; Keras would shuffle whole batches
                verbose=0,
                callbacks=[
                    keras.callbacks.LambdaCallback(on_epoch_begin=batches.start_epoch),
                    _DivergenceGuard(plan),
                    log,
                    *callbacks,
                    *([_ProgressBar()] if progress and is_watched() else []),
                ],
            )
    except BaseException:
        # What TensorFlow has traced may be half of a training step: it is compiled anew next time.
        _compiled[model] = replace(_compiled[model], trainable=())
        raise
    finally:
        if keeper:
            keeper.leave()
    return History(plan, pd.DataFrame(log.rows))


def held_back(
    data: ImageDataset, *, recipe: str | Recipe = "classic", seed: int = 0
) -> ImageDataset:
    """The pictures that :func:`fit` holds back, to compare networks on.

    Args:
        data: what was trained on.
        recipe: by which.
        seed: as given to :func:`fit`.

    Returns:
        A data set whose training images are those that were trained on, and whose test images are
        those that were held back.

    Raises:
        TrainingError: there is no such recipe, or it holds none back.
    """
    plan = _plan(recipe, None)
    order = np.random.default_rng(_checked_seed(seed)).permutation(len(data.train))
    training, validation = np.split(order, [_num_training(plan, len(order))])
    if not len(validation):
        raise TrainingError(f"the recipe {plan.name!r} holds no pictures back")
    return replace(
        data, train=data.train.take(np.sort(training)), test=data.train.take(np.sort(validation))
    )


def _num_training(plan: Recipe, num_images: int) -> int:
    """How many of a split's images are trained on; the others are held back."""
    return num_images - round(plan.validation_split * num_images)


def adapt(model: keras.Model, images: NDArray[np.uint8]) -> None:
    """Let a whitening layer that knows no pictures yet see some, scaled as the network does it.

    One that lies deeper, or in a network that is no chain, takes the first batch that it sees.
    """
    if not isinstance(model, keras.Sequential):
        return
    for position, layer in enumerate(model.layers):
        if isinstance(layer, PatchWhitening) and not layer.adapted:
            values = images
            for before in model.layers[:position]:
                values = before(values)
            layer.adapt(keras.ops.convert_to_numpy(values))


@dataclass(frozen=True)
class _Compiled:
    """What :func:`fit` last compiled a model with."""

    optimizer: keras.optimizers.Optimizer
    loss: keras.losses.Loss
    trainable: tuple[int, ...]  # identities of the weights


_compiled: WeakKeyDictionary[keras.Model, _Compiled] = WeakKeyDictionary()


def _compile(model: keras.Model, plan: Recipe, *, num_steps: int, from_logits: bool) -> None:
    """Give the model a fresh optimizer, loss and metric.

    When it was compiled here for the same training before, only the optimizer's state is renewed:
    the training step that TensorFlow has traced stays, which saves a second and some memory each
    time.
    """
    learning_rate: float | WarmUpAndDecay = plan.learning_rate
    if plan.warm_up is not None:
        learning_rate = WarmUpAndDecay(plan.learning_rate, num_steps, plan.warm_up)
    if plan.optimizer == "muon":
        optimizer: keras.optimizers.Optimizer = ConvolutionalMuon(learning_rate)
    else:
        optimizer = type(keras.optimizers.get(plan.optimizer))(learning_rate, name=plan.optimizer)
    loss = keras.losses.CategoricalCrossentropy(from_logits, plan.label_smoothing)
    trainable = tuple(id(variable) for variable in model.trainable_variables)
    before = _compiled.get(model)
    if (
        before
        and (model.optimizer, model.loss) == (before.optimizer, before.loss)
        and before.optimizer.built
        and before.optimizer.get_config() == optimizer.get_config()
        and before.loss.get_config() == loss.get_config()
        and before.trainable == trainable
    ):
        optimizer.build(model.trainable_variables)
        for variable, fresh in zip(model.optimizer.variables, optimizer.variables, strict=True):
            variable.assign(fresh)
        return
    ours = before and (model.optimizer, model.loss) == (before.optimizer, before.loss)
    if model.compiled and not ours:
        _tell_what_is_replaced(model, optimizer)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    _compiled[model] = _Compiled(optimizer, loss, trainable)


def _tell_what_is_replaced(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Say which of the learner's own settings the recipe's take the place of."""
    own = []
    if not _is_cross_entropy(model.loss):
        own.append(f"the loss {_name(model.loss)}")
    if type(model.optimizer) is not type(optimizer):
        own.append(f"the optimizer {type(model.optimizer).__name__}")
    if own:
        warnings.warn(
            f"the network was compiled with {' and '.join(own)}; training.fit compiles it anew "
            f"with the recipe's, categorical cross-entropy and {type(optimizer).__name__}, so "
            "model.evaluate needs one-hot labels; model.fit trains as it was compiled",
            stacklevel=4,
        )


def _is_cross_entropy(loss: object) -> bool:
    own = keras.losses.CategoricalCrossentropy
    return isinstance(loss, own) or loss == "categorical_crossentropy"


def _name(loss: object) -> str:
    return repr(loss) if isinstance(loss, str) else type(loss).__name__


def _plan(recipe: str | Recipe, epochs: int | None) -> Recipe:
    """The recipe that will be followed, with the number of epochs that was asked for."""
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise TrainingError(
                f"unknown recipe {recipe!r}; the known ones are {', '.join(RECIPES)}"
            )
        recipe = RECIPES[recipe]
    if not isinstance(recipe, Recipe):
        raise TrainingError(
            f"recipe is the name of one ({', '.join(RECIPES)}) or a Recipe, not {recipe!r}"
        )
    plan = _checked_types(recipe if epochs is None else replace(recipe, epochs=epochs))
    if plan.epochs < 1:
        raise TrainingError(f"epochs is {plan.epochs}; training takes at least 1")
    if plan.batch_size < 1:
        raise TrainingError(f"batch_size is {plan.batch_size}; a step takes at least 1 image")
    if not (math.isfinite(plan.learning_rate) and plan.learning_rate > 0):
        raise TrainingError(
            f"learning_rate is {plan.learning_rate}; it is a positive number, such as 0.001"
        )
    if plan.warm_up is not None and not 0 <= plan.warm_up < 1:
        raise TrainingError(
            f"warm_up is {plan.warm_up}; it is a share of the steps, from 0 to less than 1, or None"
        )
    if not 0 <= plan.label_smoothing < 1:
        raise TrainingError(
            f"label_smoothing is {plan.label_smoothing}; it is a share from 0 to less than 1"
        )
    if not 0 <= plan.validation_split < 1:
        raise TrainingError(
            f"validation_split is {plan.validation_split}; it is a share from 0 to less than 1"
        )
    return plan


def _checked_types(recipe: Recipe) -> Recipe:
    """The recipe with Python's own numbers, which files and Keras take, in the place of NumPy's."""
    plain: dict[str, Any] = {}
    for field in fields(Recipe):
        value: Any = getattr(recipe, field.name)
        if field.type is bool:
            if not isinstance(value, bool | np.bool_):
                raise TrainingError(f"{field.name} is True or False, not {value!r}")
            plain[field.name] = bool(value)
        elif field.type is int:
            plain[field.name] = _whole_number(field.name, value)
        elif field.type is not str and value is not None:
            if isinstance(value, bool) or not isinstance(value, float | int | np.number):
                raise TrainingError(f"{field.name} is a number, not {value!r}")
            plain[field.name] = float(value)
    try:
        if recipe.optimizer != "muon":
            keras.optimizers.get(str(recipe.optimizer))
    except ValueError:
        raise TrainingError(
            f"there is no optimizer {recipe.optimizer!r}: a recipe names muon, sgd, adam, rmsprop "
            "or another one of Keras's"
        ) from None
    return replace(recipe, **plain)


def _whole_number(name: str, value: object) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TrainingError(f"{name} is a whole number, not {value!r}")
    return int(value)


def _checked_seed(seed: object) -> int:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise TrainingError(f"seed is a whole number from 0, not {seed!r}")
    return int(seed)


def _checked_folder(checkpoint: object) -> Path | None:
    if not checkpoint:
        return None
    if not isinstance(checkpoint, str | os.PathLike):
        raise TrainingError(f"checkpoint is the path of a folder, not {checkpoint!r}")
    try:
        return expand_home(Path(checkpoint))
    except FileNotFoundError as error:
        raise TrainingError(f"checkpoint: {error}") from None


def _checked_callbacks(callbacks: object, plan: Recipe) -> list[keras.callbacks.Callback]:
    """What Keras takes as callbacks, as a list; refuse what would fail in the midst of training."""
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    listed = [] if callbacks is None else listed
    for one in listed:
        if not isinstance(one, keras.callbacks.Callback):
            way = f"; it is a class: write {one.__name__}(…)" if isinstance(one, type) else ""
            raise TrainingError(
                f"callbacks are objects of keras.callbacks, such as EarlyStopping(…), not {one!r}"
                f"{way}"
            )
        if plan.warm_up is not None and isinstance(one, _SETTING_THE_RATE):
            raise TrainingError(
                f"{type(one).__name__} sets the learning rate, and the recipe {plan.name!r} does "
                "that itself, after a warm-up: leave the callback out, or take a recipe with "
                "warm_up=None, such as 'classic'"
            )
        if isinstance(one, keras.callbacks.TensorBoard) and not _is_installed("tensorboard"):
            raise TrainingError(
                "the callback TensorBoard needs a package of its own: pip install tensorboard, and "
                "restart the kernel"
            )
    return listed


_SETTING_THE_RATE = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # as for one that has been made unavailable
        return False


def _inspect(model: keras.Model, data: ImageDataset) -> classifiers.Answers:
    """What the network answers; refuse one that can't learn to tell these classes apart."""
    images, labels = data.train.images, data.train.labels
    if images.dtype != np.uint8:
        raise TrainingError(
            f"the images are {images.dtype}; the network scales them itself, so pass uint8 (0–255)"
        )
    try:
        answers = classifiers.inspect(model, images)
    except classifiers.ClassifierError as error:
        raise TrainingError(str(error)) from error
    if labels.max() >= answers.num_classes:
        raise TrainingError(
            f"labels run from {labels.min()} to {labels.max()} but the network has "
            f"{answers.num_classes} outputs, for labels 0 to {answers.num_classes - 1}; build it "
            f"with num_classes={len(data.class_names)}"
        )
    if found := classifiers.unscaled(model, images):
        warnings.warn(
            f"the first layer with weights, {found.layer}, gets numbers up to {found.largest:g}, "
            "and a network learns better from small ones: let it begin with "
            "keras.layers.Rescaling(1 / 255)",
            stacklevel=3,
        )
    return answers


def _weights(
    data: ImageDataset,
    class_weight: Mapping[int | str, float] | None,
    sample_weight: NDArray[np.floating[Any]] | None,
) -> NDArray[np.float32] | None:
    """(num_train,) how much the loss of each training image counts; None where all count alike."""
    if class_weight is None and sample_weight is None:
        return None
    if class_weight is not None and not isinstance(class_weight, Mapping | pd.Series):
        raise TrainingError(
            "class_weight is a dictionary such as {0: 1.0, 'cat': 2.5}, not "
            f"{class_weight!r:.60}; weights in the order of the classes become one by "
            "dict(enumerate(weights))"
        )
    by_image = np.ones(len(data.train)) if sample_weight is None else np.asarray(sample_weight)
    if by_image.dtype.kind not in "biuf":
        raise TrainingError(f"sample_weight holds {by_image.dtype}; it needs numbers")
    if by_image.shape != (len(data.train),):
        raise TrainingError(
            f"sample_weight has the shape {by_image.shape}; there are {len(data.train)} training "
            f"images, so it needs ({len(data.train)},)"
        )
    by_class = dict.fromkeys(range(len(data.class_names)), 1.0)
    by_name: dict[int | str, int] = {name: label for label, name in enumerate(data.class_names)}
    weight: Any
    for key, weight in ({} if class_weight is None else class_weight).items():
        label = by_name.get(key, key)
        if label not in by_class:
            raise TrainingError(
                f"class_weight names the class {key!r}; the classes are "
                f"{', '.join(data.class_names)}, or 0 to {len(by_class) - 1}"
            )
        if not isinstance(weight, numbers.Real):
            raise TrainingError(f"the weight of the class {key!r} is {weight!r}; it is a number")
        by_class[int(label)] = float(weight)
    shares = np.array([*by_class.values()])[data.train.labels]
    weights: NDArray[np.float32] = (by_image * shares).astype(np.float32)
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.max() > 0):
        raise TrainingError("weights are numbers from 0 on, and at least one is more than 0")
    return weights


def _fill_a_batch(plan: Recipe, num_training: int) -> Recipe:
    """The plan with a step of all pictures where there are fewer than it takes; that is said."""
    if plan.batch_size <= num_training:
        return plan
    warnings.warn(
        f"a step takes {plan.batch_size} pictures and only {num_training} are trained on: each "
        "step takes them all, so an epoch is one step; more epochs are needed",
        stacklevel=3,
    )
    return replace(plan, batch_size=num_training)


def _digest(weights: NDArray[np.float32] | None) -> str:
    return "" if weights is None else hashlib.sha256(weights.tobytes()).hexdigest()


def _check_fit(data: ImageDataset, plan: Recipe) -> None:
    """Refuse what would fail, or silently go wrong, in the middle of training."""
    images, labels = data.train.images, data.train.labels
    for name, pixels, usual in (("shift", plan.shift, 2), ("cut_out", plan.cut_out, 8)):
        if not 0 <= pixels < min(images.shape[1:3]):
            raise TrainingError(
                f"{name} is {pixels} pixels but the images are {_shape(images.shape[1:])}; it is "
                f"less than their side, and {usual} is usual for 32 pixels"
            )
    num_training = _num_training(plan, len(labels))
    if num_training < 1 or (num_training == len(labels) and plan.validation_split > 0):
        raise TrainingError(
            f"{len(labels)} training images can't be split with validation_split="
            f"{plan.validation_split}; load more with num_train"
        )
    if len(np.unique(labels)) < 2:
        raise TrainingError(
            f"all {len(labels)} training images belong to one class, "
            f"{data.class_names[labels[0]]!r}; a network learns to tell at least two apart, "
            "so load pictures of another class, too"
        )


def _shape(lengths: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in lengths)


class Batches(keras.utils.PyDataset):
    """Batches of (images, one-hot labels), and weights if there are any, read from a split.

    With ``augment`` they are shuffled anew in each epoch, and mirrored, shifted and cut as the
    recipe says. All that depends on the seed and the number of the epoch alone, so a run that goes
    on after a break sees the batches that it would have seen.
    """

    def __init__(
        self,
        split: ImageSplit,
        indices: NDArray[np.int64],
        plan: Recipe,
        *,
        num_classes: int,
        weights: NDArray[np.float32] | None = None,
        seed: int = 0,
        augment: bool = False,
    ) -> None:
        # With more than one worker Keras itself reads ahead. With one it leaves that to tf.data,
        # whose automatic tuning lets the network wait: on one core for a third of the time.
        super().__init__(workers=2, max_queue_size=4)
        self._split = split
        self._indices = indices
        self._plan = plan
        self._one_hot = np.eye(num_classes, dtype=np.float32)
        self._weights = weights
        self._seed = seed
        self._augment = augment
        self.start_epoch(0)

    def start_epoch(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Go to the beginning of an epoch, counted from 0; a Keras callback."""
        self._epoch = epoch
        if self._augment:
            generator = np.random.default_rng([self._seed, epoch])
            self._order = generator.permutation(self._indices)
            if self._plan.mirror:
                self._mirrored = augmentation.mirrored(
                    len(self._split), seed=self._seed, epoch=epoch
                )
        else:
            self._order = self._indices

    def __len__(self) -> int:
        num_batches = len(self._order) / self._plan.batch_size
        whole = self._augment and self._plan.whole_batches
        return math.floor(num_batches) if whole else math.ceil(num_batches)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        batch = self._order[index * self._plan.batch_size : (index + 1) * self._plan.batch_size]
        images = self._split.images[batch]
        if self._augment and self._plan.mirror:
            images = augmentation.mirror(images, self._mirrored[batch])
        if self._augment and self._plan.shift:
            generator = np.random.default_rng([self._seed, self._epoch, index])
            images = augmentation.shift(images, self._plan.shift, generator)
        if self._augment and self._plan.cut_out:
            generator = np.random.default_rng([self._seed, self._epoch, index, 1])
            images = augmentation.cut_out(images, self._plan.cut_out, generator)
        answers = self._one_hot[self._split.labels[batch]]
        if self._weights is None:
            return images, answers
        return images, answers, self._weights[batch]


class _DivergenceGuard(keras.callbacks.Callback):
    """Ends a training whose loss is no number any more, before the state is saved."""

    def __init__(self, plan: Recipe) -> None:
        super().__init__()
        self._plan = plan

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrainingError(
                f"training has diverged: the loss is {loss} in step {batch + 1} of epoch "
                f"{self._epoch + 1}, with learning_rate={self._plan.learning_rate:g}; "
                f"try a tenth of it, {self._plan.learning_rate / 10:g}"
            )


class _Log(keras.callbacks.Callback):
    """Collects one row per epoch, and saves the state with them."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self.rows = checkpoint.load() if checkpoint else []
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        measured = {name: float(value) for name, value in (logs or {}).items()}
        seconds = time.perf_counter() - self._started
        self.rows.append({"epoch": epoch + 1, **measured, "seconds": round(seconds, 3)})
        if self._checkpoint:
            self._checkpoint.save(self.rows)


class _ProgressBar(keras.callbacks.Callback):
    """One bar for the whole training, with the last epoch's accuracies behind it."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._bar = tqdm(total=self.params["epochs"] * self.params["steps"], unit="batch")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.set_description(f"epoch {epoch + 1}/{self.params['epochs']}")
        self._bar.update(epoch * self.params["steps"] - self._bar.n)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracies = {name: value for name, value in (logs or {}).items() if "accuracy" in name}
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in accuracies.items()})

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()
