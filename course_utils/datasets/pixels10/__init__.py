"""pixels10, the embedded data set: small scenes in CIFAR-10's ten classes, drawn by the course.

Every picture is painted from a row of attributes (palette, background, size, …), so what a
network learns from which share of which attribute can be tested: see :func:`draw` for the knobs.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from course_utils.datasets.base import DatasetError, Datasheet, ImageDataset, ImageSplit
from course_utils.datasets.pixels10.backgrounds import BACKGROUNDS
from course_utils.datasets.pixels10.canvas import between
from course_utils.datasets.pixels10.hardships import NUM_HARDSHIP_NUMBERS, draw_hardships
from course_utils.datasets.pixels10.objects import OBJECTS
from course_utils.datasets.pixels10.scenes import PALETTES, paint_scenes
from course_utils.datasets.pixels10.streams import Floats, uniform

CLASS_NAMES = tuple(OBJECTS)
BACKGROUND_NAMES = tuple(BACKGROUNDS)
TYPICAL_BACKGROUNDS = {
    "airplane": "sky",
    "automobile": "street",
    "bird": "sky",
    "cat": "indoor",
    "deer": "forest",
    "dog": "indoor",
    "frog": "forest",
    "horse": "grass",
    "ship": "sea",
    "truck": "street",
}

NUM_TRAIN = 10_000
NUM_TEST = 2_000
MAX_IMAGES = 1_000_000

# What varies in every draw: from, to.
SIZE = (14.0, 10.0)  # pixels from the object's centre to its end; most are large
POSITION = (-2.0, 2.0)  # pixels from the picture's centre
ROTATION = (-8.0, 8.0)  # degrees
CONTRAST = (0.8, 1.0)
NOISE = (2.0, 20.0)  # standard deviation, in levels of 0–255; most have little

# The default: in lesson 3's default trainings classic is to be right in 70–85 % of the test
# pictures, and quick in 88–96 %.
DIFFICULTY = 0.65

DATASHEET = Datasheet(
    title="pixels10: drawn scenes in ten classes",
    source=(
        "Synthetic: each 32×32 picture is painted from random numbers by this course's own code "
        "(course_utils.datasets.pixels10). No photograph went into it; the ten class names are "
        "CIFAR-10's."
    ),
    consent="None needed: there are no people in the pictures and nobody's pictures behind them.",
    license="CC BY 4.0",
    known_faults=(
        "Two palettes, six backgrounds and one or two poses per class are all the variety there "
        "is; photographs vary in far more ways.",
        "Only the background goes with the class, as strongly as the knob ρ says; palette, size, "
        "place and light are drawn independently, which they are not in photographs.",
        "Hard pictures were made hard on purpose: things in front and behind, odd viewpoints, "
        "shadows and low contrast are as common as the knob difficulty says, and strike every "
        "class and palette equally often, which they do not in photographs.",
        "Which objects look alike (cats and dogs, deer and horses, automobiles and trucks, birds "
        "and airplanes) was decided by those who drew them.",
        "The palettes are colour schemes of things. They stand for no group of people, and a "
        "difference between them is not evidence about people.",
        "A result on these pictures shows that a mechanism can occur, not that it does occur, or "
        "how strongly, in photographs or in any product.",
    ),
    citations=(
        "Gebru et al. 2021, Datasheets for Datasets, doi:10.1145/3458723 (the form of this sheet)",
        "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images (the class names)",
    ),
)


def draw(
    num_images: int,
    *,
    seed: int,
    class_prevalence: Mapping[str, float] | Sequence[float] | None = None,
    palette_prevalence: float = 0.5,
    background_correlation: float = 0.4,
    contrast_by_palette: Mapping[str, float] | None = None,
    label_noise: float = 0.0,
    num_duplicates: int = 0,
    difficulty: float = DIFFICULTY,
    split: str = "train",
) -> ImageSplit:
    """Draw pictures; the same arguments give the same pictures everywhere.

    A knob changes only what it names: with the same seed, all else stays as it was, picture by
    picture. The first n of more than n pictures are what ``draw(n)`` gives, unless
    ``num_duplicates`` is set.

    Args:
        num_images: how many, 1 to 1,000,000.
        seed: a whole number from 0.
        class_prevalence: weights of the ten classes, as a list in the order of ``CLASS_NAMES`` or
            by name (classes left out have weight 1); None for equal weights. Weight 0 leaves a
            class out.
        palette_prevalence: share of pictures in palette B, 0 to 1; 0.05 makes B rare.
        background_correlation: ρ, 0 to 1: the probability that the background is chosen because
            it is the class's typical one; otherwise it is any of the six, equally often.
        contrast_by_palette: factors from 0 to 1 on the contrast of a palette's pictures, such as
            ``{"A": 1.0, "B": 0.6}``; a palette left out keeps its contrast.
        label_noise: share of labels replaced by another class, 0 to 1.
        num_duplicates: how many pictures are exact copies (label included) of another one, 0 to
            num_images - 1.
        difficulty: 0 to 1: how many pictures are hard. With 0 each object stands alone, upright
            and well lit. With more, in ever more pictures a post or a rail stands in front of
            it, it lacks the marks by which it is best told from its look-alike (cat and dog, deer
            and horse, automobile and truck, airplane and bird; frogs and ships have none), it is
            seen from an odd viewpoint, a small thing of another class or some blobs
            are behind it, a shadow falls on it, or the contrast is low. A picture that is hard
            at one difficulty is hard in the same way at every higher one.
        split: "train" or "test": which of two independent sequences of random numbers.

    Returns:
        Images, labels and attributes: ``palette`` "A" or "B", ``background``, ``size`` (pixels
        from the object's centre to its end), ``position_x`` and ``position_y`` (pixels from the
        picture's centre), ``rotation`` (degrees, clockwise), ``mirrored`` (0 or 1), ``contrast``
        (1 is full), ``noise`` (standard deviation, in levels of 0–255), ``alike`` (1 if the object
        lacks the marks by which it is best told from its look-alike, else 0), ``lean`` (how far the
        object's top moves sideways, as a share of its height), ``narrowing`` (share of its width
        that is lost), ``occlusion`` (width of what stands in front, as a share of the object's
        diameter), ``clutter`` (number of blobs), ``shadow`` (share of the light that is taken
        away in it), ``companion`` (the class of the small thing behind, or "none"),
        ``true_label`` (before label noise), ``duplicate_of`` (the picture that this one copies, or
        -1).

    Raises:
        DatasetError: a value that is not allowed; the message names the argument and its range.
    """
    num_images = _whole("num_images", num_images, 1, MAX_IMAGES)
    seed = _whole("seed", seed, 0, None)
    if split not in ("train", "test"):
        raise DatasetError(f"split is {split!r}; it must be 'train' or 'test'")
    chances = _class_chances(class_prevalence)
    palette_prevalence = _share("palette_prevalence", palette_prevalence)
    background_correlation = _share("background_correlation", background_correlation)
    contrasts = _palette_contrasts(contrast_by_palette)
    label_noise = _share("label_noise", label_noise)
    num_duplicates = _whole("num_duplicates", num_duplicates, 0, num_images - 1)
    difficulty = _share("difficulty", difficulty)

    def stream(name: str, num_columns: int) -> Floats:
        return uniform(seed, f"{split}/{name}", num_images, num_columns)

    true_labels = np.searchsorted(chances, stream("class", 1)[:, 0], side="right")
    true_labels = np.minimum(true_labels, len(CLASS_NAMES) - 1).astype(np.int64)
    attributes = pd.DataFrame(
        {
            "palette": palettes(
                num_images, seed=seed, palette_prevalence=palette_prevalence, split=split
            ),
            "background": _backgrounds(
                true_labels, stream("background", 2), background_correlation
            ),
            **_geometry(stream("geometry", 5)),
        }
    )
    hardships = draw_hardships(stream("hardship", NUM_HARDSHIP_NUMBERS), difficulty)
    attributes["rotation"] += hardships["tilt"]
    attributes["position_x"] += hardships["shift_x"]
    attributes["position_y"] += hardships["shift_y"]
    light = stream("light", 2)
    factors = attributes["palette"].map(contrasts).to_numpy(np.float32)
    attributes["contrast"] = between(light[:, 0], *CONTRAST) * factors * (1 - hardships["fading"])
    attributes["noise"] = between(light[:, 1] * light[:, 1] * light[:, 1], *NOISE)
    for name in ("alike", "lean", "narrowing", "occlusion", "clutter", "shadow"):
        attributes[name] = hardships[name]
    attributes["companion"] = _companions(true_labels, hardships["companion"])
    attributes["true_label"] = true_labels
    attributes["duplicate_of"] = np.int64(-1)
    labels = _with_wrong_labels(true_labels, stream("label", 2), label_noise)
    images = paint_scenes(seed, split, true_labels, attributes)
    drawn = ImageSplit(images, labels, attributes)
    return _with_duplicates(drawn, stream("duplicate", 2), num_duplicates)


def palettes(
    num_images: int, *, seed: int, palette_prevalence: float, split: str = "train"
) -> NDArray[np.str_]:
    """Say in which palette :func:`draw` draws each picture, without drawing it.

    Args:
        num_images: as in :func:`draw`, as are the others.
        seed: fixes who is "B" at which prevalence; whoever is at a low one is at a higher one, too.
        palette_prevalence: share of pictures in palette B.
        split: "train" or "test".

    Returns:
        (num_images,) "A" or "B".
    """
    numbers = uniform(seed, f"{split}/palette", num_images, 1)[:, 0]
    return np.where(numbers < palette_prevalence, "B", "A")


KNOBS = tuple(name for name in (draw.__kwdefaults__ or {}) if name != "split")


def load(
    *, num_train: int | None = None, num_test: int | None = None, seed: int = 0, **knobs: Any
) -> ImageDataset:
    """Draw a training and a test split from independent random numbers.

    The knobs, those of :func:`draw`, hold for the training split only, but for ``difficulty``,
    which holds for both. The test split is always drawn with the defaults of the others: classes
    and palettes equally often, ρ = 0.4, full contrast, true labels, no copies. So it measures what
    a knob did to the network, not to the test.

    Args:
        num_train: training pictures; None for 10,000.
        num_test: test pictures; None for 2,000.
        seed: a whole number from 0.
        **knobs: of :func:`draw`.

    Raises:
        DatasetError: an unknown knob, or a value that is not allowed.
    """
    unknown = [name for name in knobs if name not in KNOBS]
    if unknown:
        raise DatasetError(
            f"pixels10 has no knob called {', '.join(unknown)}; its knobs are {', '.join(KNOBS)}"
        )
    num_train = _whole("num_train", NUM_TRAIN if num_train is None else num_train, 1, MAX_IMAGES)
    num_test = _whole("num_test", NUM_TEST if num_test is None else num_test, 1, MAX_IMAGES)
    difficulty = knobs.setdefault("difficulty", DIFFICULTY)
    return ImageDataset(
        name="pixels10",
        train=draw(num_train, seed=seed, **knobs),
        test=draw(num_test, seed=seed, split="test", difficulty=difficulty),
        class_names=CLASS_NAMES,
        datasheet=_datasheet(difficulty),
        group="palette",
    )


def _datasheet(difficulty: float) -> Datasheet:
    """The datasheet of pictures of this difficulty."""
    fault = f"These were drawn with difficulty {difficulty:g} of 1"
    usual = "" if difficulty == DIFFICULTY else f" (the course's default is {DIFFICULTY:g})"
    return replace(DATASHEET, known_faults=(f"{fault}{usual}.", *DATASHEET.known_faults))


def _backgrounds(
    labels: NDArray[np.int64], numbers: Floats, correlation: float
) -> NDArray[np.object_]:
    """Each class's typical background with probability ``correlation``, else any."""
    typical = np.array([TYPICAL_BACKGROUNDS[name] for name in CLASS_NAMES], object)[labels]
    index = (numbers[:, 1] * len(BACKGROUND_NAMES)).astype(np.int64)
    anything = np.array(BACKGROUND_NAMES, object)[index]
    return np.where(numbers[:, 0] < correlation, typical, anything)


def _geometry(numbers: Floats) -> dict[str, NDArray[Any]]:
    """Where the objects are; numbers (n, 5) in [0, 1)."""
    return {
        "size": between(numbers[:, 0] * numbers[:, 0], *SIZE),
        "position_x": between(numbers[:, 1], *POSITION),
        "position_y": between(numbers[:, 2], *POSITION),
        "rotation": np.rint(between(numbers[:, 3], *ROTATION)).astype(np.int64),
        "mirrored": (numbers[:, 4] < 0.5).astype(np.int64),
    }


def _companions(labels: NDArray[np.int64], numbers: Floats) -> NDArray[np.object_]:
    """Names of other classes, chosen by numbers in (0, 1]; "none" where the number is 0."""
    steps = np.ceil(numbers * (len(CLASS_NAMES) - 1)).astype(np.int64)
    names = np.array(CLASS_NAMES, object)[(labels + steps) % len(CLASS_NAMES)]
    return np.where(steps == 0, "none", names)


def _with_wrong_labels(
    labels: NDArray[np.int64], numbers: Floats, share: float
) -> NDArray[np.int64]:
    """Replace a share of the labels by any of the nine others."""
    others = len(CLASS_NAMES) - 1
    wrong = (labels + 1 + (numbers[:, 1] * others).astype(np.int64)) % len(CLASS_NAMES)
    return np.where(numbers[:, 0] < share, wrong, labels)


def _with_duplicates(drawn: ImageSplit, numbers: Floats, num_duplicates: int) -> ImageSplit:
    """Overwrite ``num_duplicates`` pictures by copies of pictures that aren't copies."""
    if num_duplicates == 0:
        return drawn
    order = np.argsort(numbers[:, 0], kind="stable")
    copies, originals = order[:num_duplicates], order[num_duplicates:]
    chosen = originals[(numbers[copies, 1] * len(originals)).astype(np.int64)]
    sources = np.arange(len(drawn))
    sources[copies] = chosen
    split = drawn.take(sources)
    split.attributes.loc[copies, "duplicate_of"] = chosen
    return split


def _whole(name: str, value: object, low: int, high: int | None) -> int:
    """``value`` as an int from ``low`` to ``high``."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        number = int(value)
        if low <= number and (high is None or number <= high):
            return number
    allowed = f"from {low:,}" + ("" if high is None else f" to {high:,}")
    raise DatasetError(f"{name} is {value!r}; it must be a whole number {allowed}")


def _share(name: str, value: object) -> float:
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise DatasetError(f"{name} is {value!r}; it must be a number from 0 to 1")
    return number


def _number(value: object) -> float | None:
    """``value`` as a finite float, or None if it isn't a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return float(value) if math.isfinite(value) else None


def _class_chances(prevalence: Mapping[str, float] | Sequence[float] | None) -> NDArray[np.float64]:
    """Cumulative probabilities of the ten classes."""
    if prevalence is None:
        given: list[object] = [1] * len(CLASS_NAMES)
    elif isinstance(prevalence, Mapping):
        _refuse_unknown("class_prevalence", prevalence, CLASS_NAMES)
        given = [prevalence.get(name, 1) for name in CLASS_NAMES]
    elif isinstance(prevalence, Sequence | np.ndarray) and not isinstance(prevalence, str | bytes):
        given = list(prevalence)
    else:
        given = []
    weights = [number for number in map(_number, given) if number is not None and number >= 0]
    if not len(weights) == len(given) == len(CLASS_NAMES) or max(weights) == 0:
        raise DatasetError(
            f"class_prevalence is {prevalence!r}; it must be {len(CLASS_NAMES)} weights from 0, "
            "not all 0, or a mapping from class names to weights"
        )
    cumulative = np.cumsum(np.array(weights) / max(weights))
    return np.asarray(cumulative / cumulative[-1], np.float64)


def _palette_contrasts(contrasts: Mapping[str, float] | None) -> dict[str, float]:
    if contrasts is None:
        contrasts = {}
    if not isinstance(contrasts, Mapping):
        raise DatasetError(
            f"contrast_by_palette is {contrasts!r}; it must be a mapping such as "
            "{'A': 1.0, 'B': 0.6}"
        )
    _refuse_unknown("contrast_by_palette", contrasts, PALETTES)
    return {
        name: _share(f"contrast_by_palette[{name!r}]", contrasts.get(name, 1.0))
        for name in PALETTES
    }


def _refuse_unknown(knob: str, given: Mapping[str, float], known: Iterable[str]) -> None:
    unknown = [repr(name) for name in given if name not in known]
    if unknown:
        raise DatasetError(f"{knob} names {', '.join(unknown)}; known are {', '.join(known)}")
