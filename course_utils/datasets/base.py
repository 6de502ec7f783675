"""What every data set looks like once it is loaded."""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class DatasetError(Exception):
    """A data set can't be loaded; the message says which part, why, and what to do."""


class DatasetWarning(UserWarning):
    """A data set is loaded, but not all of it or not as usual; the message says what and why."""


def warn(message: str) -> None:
    """Say something of a data set that is being loaded, each time that it is loaded.

    The warning names the line that called the package. Whoever wants silence filters
    :class:`DatasetWarning`.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("course_utils"):
        level, frame = level + 1, frame.f_back
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=DatasetWarning, append=True)
        warnings.warn(message, DatasetWarning, stacklevel=level)


def printable(text: str | Path) -> str:
    """A text as it is, or quoted where a terminal would take a part of it for a command."""
    return str(text) if str(text).isprintable() else repr(str(text))


def expand_home(typed: str | Path) -> Path:
    """Put the home folder in the place of a leading ``~`` that stands alone or before a slash.

    Raises:
        FileNotFoundError: the system doesn't know the home folder.
    """
    text = str(typed)
    if text != "~" and not text.startswith(("~/", f"~{os.sep}")):
        return Path(text)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise FileNotFoundError(f"the home folder of {text} isn't known: set HOME") from None


@dataclass(frozen=True)
class Datasheet:
    """Where a data set comes from and what is known to be wrong with it.

    After Gebru et al., "Datasheets for Datasets", doi:10.1145/3458723.
    """

    title: str
    source: str  # who made it, from what
    consent: str  # of the people in the pictures or behind them
    license: str
    known_faults: tuple[str, ...]
    citations: tuple[str, ...]


_SCALE = (
    "{}: compute new ones, such as scaled = images / 255, or let the network begin with "
    "keras.layers.Rescaling(1 / 255)"
)


class Pixels(np.ndarray[Any, np.dtype[np.uint8]]):
    """An array of pictures that says what to do when somebody tries to scale it in place.

    Whatever is computed from it is an ordinary array, and a copy of it, such as
    ``images.astype("float32")``, is changed in place like one.
    """

    _of_data_set = False  # whether these are a data set's own pictures, and not a copy

    def __array_finalize__(self, source: Any) -> None:
        """Tell a part of the data set's pictures from a copy."""
        self._of_data_set = getattr(source, "_of_data_set", False) and np.may_share_memory(
            self, source
        )

    @classmethod
    def of_data_set(cls, images: NDArray[np.uint8]) -> "Pixels":
        """The same pictures, which stay as they are; only copies of them can be computed with."""
        pixels = images.view(cls)
        pixels._of_data_set = True
        pixels.flags.writeable = False  # shuffling them would leave their labels behind
        return pixels

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute with ordinary arrays."""
        out = options.get("out", ())
        if any(isinstance(one, Pixels) and one._of_data_set for one in out):
            raise ValueError(
                _SCALE.format("the pictures of a data set stay as they are, whole numbers of uint8")
            )
        if out:
            options["out"] = tuple(_ordinary(one) for one in out)
        try:
            result = getattr(ufunc, method)(*map(_ordinary, inputs), **options)
        except TypeError as error:
            if any(isinstance(one, Pixels) and one.dtype == np.uint8 for one in out):
                reason = "these pictures are whole numbers of uint8, which can't hold the result"
                raise ValueError(_SCALE.format(reason)) from error
            raise
        return out[0] if len(out) == 1 else result

    def __setitem__(self, place: Any, value: Any) -> None:
        """Change pictures of a copy; say what to do where they aren't one."""
        if not self.flags.writeable:
            raise ValueError(
                "the pictures of a data set can't be changed: change a copy, images = images.copy()"
            )
        super().__setitem__(place, value)

    def __repr__(self) -> str:
        return repr(np.asarray(self))


def _ordinary(array: Any) -> Any:
    return np.asarray(array) if isinstance(array, Pixels) else array


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The training or the test part of a data set.

    Raises:
        ValueError: the labels are not whole numbers (n,), one for each image; the message says
            how to make them so.
    """

    images: NDArray[np.uint8]  # (n, height, width, 3), possibly memory-mapped
    labels: NDArray[np.int64]  # (n,), indices into the data set's class_names
    attributes: pd.DataFrame  # n rows, one per image: palette, background, brightness, …

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _checked_labels(self.labels))
        if isinstance(self.images, np.ndarray) and self.images.dtype == np.uint8:
            object.__setattr__(self, "images", Pixels.of_data_set(self.images))
        if not len(self.images) == len(self.labels) == len(self.attributes):
            raise ValueError(
                f"images, labels and attributes differ in length: {len(self.images)}, "
                f"{len(self.labels)}, {len(self.attributes)}; each image has one label and one row"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> NoReturn:
        """Say how pictures and labels are reached; there is no order to unpack them in."""
        raise TypeError(
            "a part of a data set isn't unpacked or gone through: x_train, y_train = "
            "data.train.images, data.train.labels"
        )

    def __getitem__(self, place: Any) -> NoReturn:
        """Say how one of them is reached."""
        raise TypeError(
            f"a part of a data set has no [{place!r:.20}]: data.train.images[0] is a picture, "
            "data.train.labels[0] its label, and data.train.take(indices) makes a smaller part"
        )

    def fingerprint(self) -> str:
        """A short text, the same for the same pictures with the same labels in the same order.

        Neither names nor files count, so that a stored result can be kept with what it came from.
        """
        digest = hashlib.sha256(repr((self.images.shape, self.images.dtype.str)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype=np.int64).data)
        return digest.hexdigest()[:32]

    def take(self, indices: NDArray[np.int64]) -> "ImageSplit":
        """The images at ``indices`` (n,), in that order, copied."""
        return ImageSplit(
            self.images[indices],
            self.labels[indices],
            self.attributes.iloc[indices].reset_index(drop=True),
        )


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images in a training and a test split, with their datasheet.

    Raises:
        ValueError: the class names are not a sequence of texts, or too few for the labels.
    """

    name: str
    train: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]
    datasheet: Datasheet
    group: str  # the attribute by which accuracy is compared unless told otherwise

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", _checked_class_names(self.class_names))
        for name, split in (("train", self.train), ("test", self.test)):
            highest = split.labels.max(initial=-1)
            if highest >= len(self.class_names):
                raise ValueError(
                    f"the {name} labels go up to {highest}, and there are only "
                    f"{len(self.class_names)} class_names: label 0 is the first of them"
                )

    def __iter__(self) -> NoReturn:
        """Say how the arrays are reached that Keras's own data sets are unpacked into."""
        raise TypeError(
            "a data set isn't unpacked: data = datasets.load(…), then x_train, y_train = "
            "data.train.images, data.train.labels and x_test, y_test = data.test.images, "
            "data.test.labels"
        )

    def describe(self) -> "Description":
        """The datasheet and the counts by class and by group, for display."""
        labels = {"train": self.train.labels, "test": self.test.labels}
        groups = {"train": self.train.attributes, "test": self.test.attributes}
        return Description(
            summary=self._summary(),
            datasheet=self.datasheet,
            classes=pd.DataFrame(
                {
                    split: np.bincount(values, minlength=len(self.class_names))
                    for split, values in labels.items()
                },
                index=pd.Index(self.class_names, name="class"),
            ),
            groups=pd.DataFrame(
                {split: rows[self.group].value_counts() for split, rows in groups.items()}
            )
            .fillna(0)
            .astype(int)
            .sort_index()
            .rename_axis(self.group),
        )

    def _summary(self) -> str:
        height, width = self.train.images.shape[1:3]
        return (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test images, "
            f"{width}×{height} pixels, {len(self.class_names)} classes"
        )

    def __repr__(self) -> str:
        return f"<{self._summary()}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._summary())}</p>"


@dataclass(frozen=True, eq=False)
class Description:
    """A data set's datasheet and counts; displays itself as text and as HTML."""

    summary: str
    datasheet: Datasheet
    classes: pd.DataFrame  # index: class; columns: train, test
    groups: pd.DataFrame  # index: the values of the data set's group; columns: train, test

    def __repr__(self) -> str:
        sheet = self.datasheet
        return "\n".join(
            [
                self.summary,
                "",
                sheet.title,
                f"Source: {sheet.source}",
                f"Consent: {sheet.consent}",
                f"Licence: {sheet.license}",
                "Known faults:",
                *(f"- {fault}" for fault in sheet.known_faults),
                "Citations:",
                *(f"- {citation}" for citation in sheet.citations),
                "",
                _text_table(self.classes),
                "",
                _text_table(self.groups),
            ]
        )

    def _repr_html_(self) -> str:
        sheet = self.datasheet
        return "".join(
            [
                f"<p><strong>{escape(self.summary)}</strong></p>",
                f"<p><em>{escape(sheet.title)}</em></p>",
                "<dl>",
                f"<dt>Source</dt><dd>{escape(sheet.source)}</dd>",
                f"<dt>Consent</dt><dd>{escape(sheet.consent)}</dd>",
                f"<dt>Licence</dt><dd>{escape(sheet.license)}</dd>",
                f"<dt>Known faults</dt><dd>{_html_list(sheet.known_faults)}</dd>",
                f"<dt>Citations</dt><dd>{_html_list(sheet.citations)}</dd>",
                "</dl>",
                _html_table(self.classes, caption="Images by class"),
                _html_table(self.groups, caption=f"Images by {self.groups.index.name}"),
            ]
        )


def _checked_labels(labels: object) -> NDArray[np.int64]:
    needed = "labels are whole numbers (n,), one for each image"
    if not isinstance(labels, np.ndarray):
        raise ValueError(f"{needed}, not a {type(labels).__name__}: pass np.array(labels)")
    if labels.ndim == 2:
        one_column = labels.shape[1] == 1
        way = "labels[:, 0]" if one_column else "labels.argmax(axis=1) if each row is one-hot"
        raise ValueError(f"{needed}, not of shape {labels.shape}: pass {way}")
    if labels.ndim != 1:
        raise ValueError(f"{needed}, not of shape {labels.shape}")
    if labels.dtype.kind in "OSUT":
        raise ValueError(
            f"{needed}, not texts or objects such as {labels[:1].tolist()}: pass each one's place "
            "in class_names"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{needed}, not {labels.dtype}: pass labels.astype(int)")
    numbers: NDArray[np.int64] = labels.astype(np.int64, copy=False)
    if numbers.min(initial=0) < 0:
        raise ValueError(f"{needed}, 0 for the first of class_names, not {numbers.min()}")
    return numbers


def _checked_class_names(names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(
            f"class_names is the text {names!r}: pass a tuple of texts, such as ({names!r},)"
        )
    if not isinstance(names, Iterable):
        raise ValueError(f"class_names is a tuple of texts, not {names!r}")
    listed = tuple(names)
    if odd := [name for name in listed if not isinstance(name, str)]:
        raise ValueError(f"class_names is a tuple of texts, and {odd[0]!r} is not a text")
    return tuple(map(str, listed))


def _text_table(counts: pd.DataFrame) -> str:
    rows = [[str(counts.index.name), *counts.columns]]
    rows += [
        [str(name), *(f"{n:,}" for n in row)] for name, row in zip(*_body(counts), strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        row[0].ljust(widths[0])
        + "".join(f"  {n:>{width}}" for n, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def _html_table(counts: pd.DataFrame, *, caption: str) -> str:
    """An accessible table; every name is escaped, since class names come from folders' names."""
    head = "".join(
        f'<th scope="col">{escape(str(name))}</th>' for name in (counts.index.name, *counts.columns)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{n:,}</td>" for n in row)
        + "</tr>"
        for name, row in zip(*_body(counts), strict=True)
    )
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _body(counts: pd.DataFrame) -> tuple[pd.Index, NDArray[np.int64]]:
    return counts.index, counts.to_numpy()


def _html_list(items: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
