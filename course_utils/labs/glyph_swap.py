"""What does it take to put one style in the place of another, and can it be told afterwards?

One encoder learns what two sets of pictures have in common, and each set has a decoder of its own.
A picture of one set, encoded, and decoded by the *other* decoder, is painted in the other style.
This is the classic design of a face swap. Here it is tried on drawn letters (see
:mod:`course_utils.labs.drawn.letters`) and on nothing else.

Whether a swap has kept the letter is judged by a *reader*, a miniature that learned the style from
pictures of its own; whether it can be told from a genuine picture, by a *detector*, another one.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from course_utils.datasets.base import Datasheet, ImageDataset, ImageSplit
from course_utils.datasets.pixels10.scenes import add_noise
from course_utils.datasets.pixels10.streams import bits
from course_utils.labs import miniature
from course_utils.labs.drawn import letters
from course_utils.labs.miniature import LabError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

NUM_TRAIN = 640  # pictures of each style
NUM_TEST = 300
EPOCHS = 25
QUALITIES = (90, 60, 30)  # of JPEG
AS_MADE = "as made"  # not saved as JPEG

NUM_CODES = 32  # numbers that the encoder leaves of a picture
_NUM_HIDDEN = 96
_BATCH = 32
_LEARNING_RATE = 0.003
_SHAPE = (letters.PICTURE_SIDE, letters.PICTURE_SIDE, 3)
_READER_SEED = 1_000_000  # of pictures that no swapper learns from
_NUM_READER_TRAIN = 1280
_UPRIGHT = replace(miniature.RECIPE, mirror=False)  # a letter in a mirror is another one
_JUDGE_EPOCHS = 4  # of readers and detectors

CONDITIONS: dict[str, tuple[str, bool]] = {  # pose, and whether the encoder is shared
    "one encoder, aligned": ("aligned", True),
    "one encoder, not aligned": ("free", True),
    "an encoder each, aligned": ("aligned", False),
}

_DATASHEET = Datasheet(
    title="letters: drawn letters in two styles, genuine and swapped",
    source="Synthetic: painted by this course's own code (course_utils.labs.drawn.letters).",
    consent="None needed: there are no people in the pictures and nobody's pictures behind them.",
    license="CC BY 4.0",
    known_faults=("Ten letters in two styles; what holds for them need not hold for photographs.",),
    citations=(),
)


def build_encoder() -> "keras.Model":
    """A small network from pictures, scaled to 0–1, to ``NUM_CODES`` numbers."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(_SHAPE),
            layers.Flatten(),
            layers.Dense(_NUM_HIDDEN, activation="relu"),
            layers.Dense(NUM_CODES),
        ],
        name="encoder",
    )


def build_decoder() -> "keras.Model":
    """A small network back, from the numbers to a picture, scaled to 0–1."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((NUM_CODES,)),
            layers.Dense(_NUM_HIDDEN, activation="relu"),
            layers.Dense(int(np.prod(_SHAPE)), activation="sigmoid"),
            layers.Reshape(_SHAPE),
        ],
        name="decoder",
    )


@dataclass(frozen=True, eq=False)
class Swapper:
    """Trained encoders and decoders, one of each for each style.

    Attributes:
        shared: whether both styles have the same encoder.
    """

    shared: bool
    _weights: tuple[NDArray[np.float32], ...] = field(repr=False)

    def translate(
        self, images: NDArray[np.uint8], *, source: str, target: str
    ) -> NDArray[np.uint8]:
        """Encode pictures as those of one style and decode them as those of a style.

        Args:
            images: (n, 16, 16, 3).
            source: the style whose encoder is used.
            target: the style whose decoder is used; the same as ``source`` to paint a picture
                again, the other one for a swap.
        """
        with _trainers.borrow(self.shared) as trainer:
            return trainer.translate(self._weights, images, source, target)

    def to_keras(self) -> tuple[dict[str, "keras.Model"], dict[str, "keras.Model"]]:
        """Build Keras models with these weights: encoders and decoders, by style."""
        encoders, decoders = _build_all(self.shared)
        models = [*_distinct(encoders), *decoders.values()]
        weights = iter(self._weights)
        for model in models:
            model.set_weights([next(weights) for _ in model.weights])
        return encoders, decoders


def train(
    thin: ImageSplit, bold: ImageSplit, *, seed: int, epochs: int = EPOCHS, shared: bool = True
) -> Swapper:
    """Train encoders and decoders to paint each picture again in its own style.

    No picture is ever shown with its counterpart in the other style: there is none. The same
    arguments give the same swapper; within a run it is trained only once.

    Args:
        thin: pictures of the first style.
        bold: as many of the second.
        seed: fixes the initial weights and the order of the pictures.
        epochs: passes over the pictures.
        shared: one encoder for both styles; or, as a control, one for each.

    Raises:
        LabError: too few pictures or epochs, or not as many of each style.
    """
    if len(thin) != len(bold) or len(thin) < _BATCH:
        raise LabError(
            f"there are {len(thin)} thin and {len(bold)} bold pictures; as many of each are needed,"
            f" and at least {_BATCH}"
        )
    if epochs < 1:
        raise LabError(f"epochs is {epochs}; a training has at least 1")
    key = (thin.fingerprint(), bold.fingerprint(), seed, epochs, shared)
    if key not in _kept:
        with _trainers.borrow(shared) as trainer:
            _kept[key] = trainer.train(thin.images, bold.images, seed=seed, epochs=epochs)
    return Swapper(shared, _kept[key])


def save_as_jpeg(images: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Save pictures (n, height, width, 3) as JPEG, in memory, and open them again.

    Args:
        images: what is saved.
        quality: of JPEG, 1 to 95 (Pillow's scale).
    """
    if not 1 <= quality <= 95:
        raise LabError(f"quality is {quality}; JPEG's goes from 1 to 95")
    opened = []
    for image in images:
        with io.BytesIO() as buffer:
            Image.fromarray(np.asarray(image)).save(buffer, "jpeg", quality=quality)
            opened.append(np.asarray(Image.open(buffer)))
    return np.stack(opened)


def read_letters(images: NDArray[np.uint8], *, pose: str = "aligned") -> NDArray[np.int64]:
    """Read bold letters: (n,) places in :data:`letters.NAMES`.

    The reader is a miniature that learned from genuine bold letters in the same pose; it is trained
    once within a run.
    """
    learned_from, unused = (
        letters.draw(number, style="bold", seed=_READER_SEED, split=split, pose=pose)
        for split, number in (("train", _NUM_READER_TRAIN), ("test", 1))
    )
    data = ImageDataset("letters", learned_from, unused, letters.NAMES, _DATASHEET, group="letter")
    reader = miniature.train(data, seed=0, epochs=_JUDGE_EPOCHS, recipe=_UPRIGHT)
    read: NDArray[np.int64] = reader.predict(images).argmax(axis=1)
    return read


def measure_swaps(
    *,
    seeds: Iterable[int],
    conditions: Sequence[str] = tuple(CONDITIONS),
    num_train: int = NUM_TRAIN,
    num_test: int = NUM_TEST,
    epochs: int = EPOCHS,
) -> pd.DataFrame:
    """Swap thin letters into bold ones, and let a reader say which letters they have become.

    Args:
        seeds: one training for each condition and seed; a seed fixes pictures, weights and order.
        conditions: some of :data:`CONDITIONS`.
        num_train: pictures of each style.
        num_test: pictures of each style to try it on.
        epochs: passes over the pictures.

    Returns:
        One row per condition and seed: ``condition``, ``seed``, ``same_letter`` (share of the
        swapped pictures that are read as the letter they were made from; one in ten by chance),
        ``repainted`` (the same for bold letters painted again by their own decoder) and
        ``genuine`` (for bold letters as they are: as well as the reader reads).

    Raises:
        LabError: an unknown condition, or too few pictures or epochs.
    """
    unknown = [name for name in conditions if name not in CONDITIONS]
    if unknown:
        raise LabError(f"unknown conditions {unknown}; there are {list(CONDITIONS)}")

    def run(setting: tuple[int, str]) -> list[dict[str, Any]]:
        seed, condition = setting
        pose, shared = CONDITIONS[condition]
        swapper = train(
            *_draw_both(num_train, seed, "train", pose), seed=seed, epochs=epochs, shared=shared
        )
        thin, bold = _draw_both(num_test, seed, "test", pose)
        painted = {
            "same_letter": (thin, swapper.translate(thin.images, source="thin", target="bold")),
            "repainted": (bold, swapper.translate(bold.images, source="bold", target="bold")),
            "genuine": (bold, bold.images),
        }
        shares = {
            name: float(np.mean(read_letters(images, pose=pose) == split.labels))
            for name, (split, images) in painted.items()
        }
        return [{"condition": condition, "seed": seed} | shares]

    # Readers first, so that two threads don't train the same one.
    for pose in {CONDITIONS[name][0] for name in conditions}:
        read_letters(letters.draw(1, style="bold", seed=0, pose=pose).images, pose=pose)
    return miniature.table(run, product(seeds, conditions), label="seed × condition")


def measure_detector(
    *,
    seeds: Iterable[int],
    qualities: Sequence[int] = QUALITIES,
    num_train: int = NUM_TRAIN,
    num_test: int = NUM_TEST,
    epochs: int = EPOCHS,
    grain: float = 0.0,
) -> pd.DataFrame:
    """Train a detector to tell swapped bold letters from genuine ones; then save both as JPEG.

    One detector learns from pictures as they were made. Another, of the same kind, learns from as
    many pictures, of which all but a part have been saved at one of the qualities.

    Args:
        seeds: one swapper and two detectors for each.
        qualities: of the JPEG files in which the test pictures are saved.
        num_train: pictures of each style for the swapper. The detectors learn from others, half as
            many of each kind.
        num_test: pictures of each kind to try the detectors on.
        epochs: of the swapper.
        grain: standard deviation of the noise, in levels of 0–255, that whoever made the swaps adds
            to those that the detectors are tried on; genuine pictures have ``letters.GRAIN``.

    Returns:
        One row for each detector, way of saving and seed: ``detector`` (what it learned from),
        ``saved`` ("as made", "JPEG 90", …), ``seed``, ``detected`` (share of the swapped pictures
        that it calls swapped), ``accused`` (the same for genuine ones) and ``accuracy`` (of both
        together, half of which are swapped).
    """
    qualities = list(qualities)

    def run(seed: int) -> list[dict[str, Any]]:
        swapper = train(*_draw_both(num_train, seed, "train", "aligned"), seed=seed, epochs=epochs)
        learned_from, tried_on = (
            _swapped_and_genuine(swapper, number, seed, split, grain=added)
            for split, number, added in (
                ("detector", num_train // 2, 0.0),
                ("test", num_test, grain),
            )
        )
        saved = {quality: save_as_jpeg(tried_on.images, quality) for quality in qualities}
        rows = []
        for name, split in (
            ("pictures as made", learned_from),
            ("saved pictures too", _save_some(learned_from, qualities)),
        ):
            data = ImageDataset(
                "swaps", split, tried_on, ("genuine", "swapped"), _DATASHEET, group="letter"
            )
            detector = miniature.train(data, seed=seed, epochs=_JUDGE_EPOCHS, recipe=_UPRIGHT)
            for quality in (None, *qualities):
                images = tried_on.images if quality is None else saved[quality]
                called = detector.predict(images).argmax(axis=1)
                rows.append({"detector": name} | _judge(called, tried_on.labels, quality, seed))
        return rows

    return miniature.table(run, seeds, label="seed")


def _judge(
    called: NDArray[np.int64], swapped: NDArray[np.int64], quality: int | None, seed: int
) -> dict[str, Any]:
    return {
        "saved": AS_MADE if quality is None else f"JPEG {quality}",
        "seed": seed,
        "detected": float(np.mean(called[swapped == 1])),
        "accused": float(np.mean(called[swapped == 0])),
        "accuracy": float(np.mean(called == swapped)),
    }


def _draw_both(number: int, seed: int, split: str, pose: str) -> tuple[ImageSplit, ImageSplit]:
    thin, bold = (
        letters.draw(number, style=style, seed=seed, split=split, pose=pose)
        for style in letters.STYLES
    )
    return thin, bold


def _swapped_and_genuine(
    swapper: Swapper, number: int, seed: int, split: str, *, grain: float
) -> ImageSplit:
    """As many swapped (label 1) as genuine bold letters (label 0)."""
    thin, bold = _draw_both(number, seed, split, "aligned")
    swapped = swapper.translate(thin.images, source="thin", target="bold")
    add_noise(swapped, np.full(number, grain), bits(seed, f"{split}/added grain"))
    return ImageSplit(
        np.concatenate([swapped, bold.images]),
        np.repeat([1, 0], number),
        pd.concat([thin.attributes, bold.attributes], ignore_index=True),
    )


def _save_some(split: ImageSplit, qualities: Sequence[int]) -> ImageSplit:
    """Leave some pictures as they are and save the others, as many at each quality."""
    images = np.array(split.images)
    for index, quality in enumerate(qualities, start=1):
        some = slice(index, None, len(qualities) + 1)
        images[some] = save_as_jpeg(images[some], quality)
    return ImageSplit(images, split.labels, split.attributes)


# --- The training


class _Trainer:
    """Encoders and decoders that are trained and asked again and again, by one thread at a time."""

    def __init__(self, shared: bool) -> None:
        import keras
        import tensorflow as tf

        self._encoders, self._decoders = _build_all(shared)
        self._models = [*_distinct(self._encoders), *self._decoders.values()]
        self._variables = [one for model in self._models for one in model.trainable_variables]
        self._optimizer = keras.optimizers.Adam(_LEARNING_RATE)
        self._optimizer.build(self._variables)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self._epoch = tf.function(self._train_epoch, reduce_retracing=True)

    def train(
        self, thin: NDArray[np.uint8], bold: NDArray[np.uint8], *, seed: int, epochs: int
    ) -> tuple[NDArray[np.float32], ...]:
        """Train from new weights, and return what they have become."""
        generator = np.random.default_rng(seed)
        for variable in self._variables:
            variable.assign(_initial(variable.shape, generator))
        for variable, fresh in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(fresh)
        num_steps = len(thin) // _BATCH
        rates = _LEARNING_RATE * (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, epochs * num_steps)))
        for part in np.split(rates.astype(np.float32), epochs):
            batches = [
                _scale(images[generator.permutation(len(images))[: num_steps * _BATCH]]).reshape(
                    num_steps, _BATCH, *_SHAPE
                )
                for images in (thin, bold)
            ]
            self._epoch(*batches, part)
        return tuple(variable.numpy() for variable in self._variables)

    def _train_epoch(self, thin: "tf.Tensor", bold: "tf.Tensor", rates: "tf.Tensor") -> None:
        import tensorflow as tf

        for step in tf.range(tf.shape(rates)[0]):
            self._optimizer.learning_rate = rates[step]
            with tf.GradientTape() as tape:
                loss = tf.add_n(
                    [
                        tf.reduce_mean(
                            tf.abs(self._decoders[style](self._encoders[style](images)) - images)
                        )
                        for style, images in (("thin", thin[step]), ("bold", bold[step]))
                    ]
                )
            gradients = tape.gradient(loss, self._variables)
            self._optimizer.apply(gradients, self._variables)

    def translate(
        self,
        weights: tuple[NDArray[np.float32], ...],
        images: NDArray[np.uint8],
        source: str,
        target: str,
    ) -> NDArray[np.uint8]:
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)
        painted = self._decoders[target](self._encoders[source](_scale(images)))
        pixels: NDArray[np.uint8] = np.rint(255 * np.asarray(painted)).astype(np.uint8)
        return pixels


def _build_all(shared: bool) -> tuple[dict[str, "keras.Model"], dict[str, "keras.Model"]]:
    first = build_encoder()
    encoders = dict(zip(letters.STYLES, (first, first if shared else build_encoder()), strict=True))
    return encoders, {style: build_decoder() for style in letters.STYLES}


def _distinct(encoders: dict[str, "keras.Model"]) -> list["keras.Model"]:
    thin, bold = encoders.values()
    return [thin] if thin is bold else [thin, bold]


def _initial(shape: Sequence[int], generator: np.random.Generator) -> NDArray[np.float32]:
    """Glorot's uniform weights for a kernel, zeros for a bias."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def _scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(images, np.float32) / np.float32(255)


_kept: dict[Any, tuple[NDArray[np.float32], ...]] = {}  # less than a megabyte each
_trainers = miniature.Lent(_Trainer)
