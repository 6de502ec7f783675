"""What every data set looks like once it is loaded."""

import hashlib
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class DatasetError(Exception):
    """A data set can't be loaded; the message says which part, why, and what to do."""


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


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The training or the test part of a data set."""

    images: NDArray[np.uint8]  # (n, height, width, 3), possibly memory-mapped
    labels: NDArray[np.int64]  # (n,), indices into the data set's class_names
    attributes: pd.DataFrame  # n rows, one per image: palette, background, brightness, …

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.labels) == len(self.attributes):
            raise DatasetError(
                f"images, labels and attributes differ in length: {len(self.images)}, "
                f"{len(self.labels)}, {len(self.attributes)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

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
    """Labelled images in a training and a test split, with their datasheet."""

    name: str
    train: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]
    datasheet: Datasheet
    group: str  # the attribute by which accuracy is compared unless told otherwise

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
