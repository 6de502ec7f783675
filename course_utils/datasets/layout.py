"""Which class each picture of a folder or archive belongs to, and which ones are tested on."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import NamedTuple

from course_utils.datasets.base import DatasetError, printable
from course_utils.datasets.pictures import ending, is_named_as_picture, may_be_picture
from course_utils.datasets.sources import File, Folder, Source, quoted

NEEDED = (
    "Needed are folders named after the classes, with pictures in them; or train and test with "
    "such folders"
)

_SPLIT_NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation"),
}
_MAX_WRAPPINGS = 8  # folders around everything in an archive


class Picture(NamedTuple):
    """A file that is to be read as a picture of a class."""

    file: File
    class_name: str
    split: str  # train or test; "" where they are still to be told apart


@dataclass(frozen=True)
class Layout:
    """The pictures of a source."""

    groups: Mapping[tuple[str, str], Sequence[File]]  # by split and class, all of them sorted
    class_names: tuple[str, ...]  # sorted
    notes: tuple[str, ...]  # what is left out, and what was guessed

    @property
    def files(self) -> Iterator[File]:
        """Their files, sorted by split, class and name."""
        return chain.from_iterable(self.groups.values())

    @property
    def pictures(self) -> list[Picture]:
        """The same with split and class."""
        return [
            Picture(file, class_name, split)
            for (split, class_name), files in self.groups.items()
            for file in files
        ]


def find(source: Source) -> Layout:
    """Find out how a source is laid out.

    Known are ``train/<class>/*`` and ``test/<class>/*``, also with ``val``, ``valid`` or
    ``validation`` in the place of ``test``; ``train/<class>/*`` alone; and ``<class>/*`` alone.
    Files in folders of a class folder belong to the class.

    Raises:
        DatasetError: It is none of them, or a class is missing on one side; the message says what
            is there instead.
    """
    _check_it_is_whole(source)
    root = _find_root(source)
    tops, notes = _find_tops(source, root)
    groups: dict[tuple[str, str], list[File]] = {}
    for split, top in tops.items():
        found, more = _list_pictures(source, split, top, is_deep=bool(split) or top != root)
        groups |= {(split, class_name): sorted(files) for class_name, files in found.items()}
        notes += more
    class_names, more = _class_names(source, tops, groups)
    return Layout(dict(sorted(groups.items())), class_names, (*source.notes, *notes, *more))


def _check_it_is_whole(source: Source) -> None:
    """Refuse one split of a data set that lies beside the other one."""
    path = source.path.resolve()
    if source.is_one_file or _split_of(path.name) is None:
        return
    try:
        beside = {_split_of(one.name) for one in path.parent.iterdir() if one.is_dir()}
    except OSError:
        return
    if "train" in beside and len(beside - {None}) > 1:
        raise DatasetError(
            f"{printable(source.path)} is the {path.name!r} folder of a data set: give the folder "
            f"around it, {printable(path.parent)}"
        )


def _split_of(name: str) -> str | None:
    folded = name.casefold()
    return next((split for split, names in _SPLIT_NAMES.items() if folded in names), None)


def _splits(source: Source, folder: str) -> dict[str, Folder]:
    """The folders for training, testing and validation in a folder; the shortest name counts."""
    found: dict[str, Folder] = {}
    for inner in sorted(source.folders(folder), key=lambda inner: (len(inner.name), inner.name)):
        if split := _split_of(inner.name):
            found.setdefault(split, inner)
    return found


def _find_root(source: Source) -> str:
    """The folder in which train and test, or the class folders, lie.

    In an archive other folders may lie around it. A folder on the disk isn't searched through,
    since it may have been named by mistake.
    """
    level = [""]
    for _ in range(_MAX_WRAPPINGS):
        found = [folder for folder in level if _is_root(source, folder)]
        if len(found) > 1:
            raise DatasetError(
                f"{printable(source.path)} holds several data sets ({quoted(found)}): unpack it "
                "and give the folder of one"
            )
        if found or not source.is_one_file:
            break
        level = [inner.key for folder in level for inner in source.folders(folder)]
    if not found:
        raise DatasetError(_why_not(source))
    return found[0]


def _is_root(source: Source, folder: str) -> bool:
    splits = _splits(source, folder)
    if any(split in splits for split in ("train", "test")):
        return folder == "" or any(
            is_named_as_picture(file.name)
            for split in splits.values()
            for inner in source.folders(split.key)
            for file in source.walk(inner.key)
        )
    return sum(_has_pictures(source, inner.key) for inner in source.folders(folder)) >= 2


def _has_pictures(source: Source, folder: str) -> bool:
    return any(is_named_as_picture(file.name) for file in source.files(folder))


def _why_not(source: Source) -> str:
    """Why there is nothing to be loaded, and what may have been meant."""
    path, folders = printable(source.path), source.folders("")
    num_pictures = _count_pictures(source.files(""))
    if num_pictures and not any(_has_pictures(source, one.key) for one in folders):
        around = "" if source.is_one_file else f", {printable(source.path.resolve().parent)}"
        return (
            f"{path} has {num_pictures:,} pictures directly in it, as the folder of one class "
            f"has: give the folder around the class folders{around}. {NEEDED}"
        )
    if inner := [one.name for one in folders if _is_root(source, one.key)]:
        meant = " or ".join(printable(source.path / name) for name in inner[:3])
        return f"{path} has a data set one folder further in: give {meant}"
    if classes := [one.name for one in folders if _has_pictures(source, one.key)]:
        return f"{path} has only one class, {classes[0]!r}: a data set needs two or more. {NEEDED}"
    return f"{path} has no class folders with pictures; it holds {_holdings(source, '')}. {NEEDED}"


def _find_tops(source: Source, root: str) -> tuple[dict[str, str], list[str]]:
    """Which folders the class folders lie in, by split, and what is to be said of that."""
    splits = _splits(source, root)
    notes: list[str] = []
    if not splits:
        return {"": root}, notes
    if "train" not in splits:
        raise DatasetError(
            f"{printable(source.path)} has no train folder; it holds {_holdings(source, root)}. "
            f"{NEEDED}"
        )
    used = {"train": splits["train"]}
    if test := splits.get("test") or splits.get("validation"):
        used["test"] = test
        if "test" not in splits:
            notes.append(f"it has no test folder: what is tested on is {test.name!r}")
    beside = [one for one in source.folders(root) if one not in used.values()]
    if beside:
        notes.append(f"not used, being beside train and test: {_folders(beside)}")
    if num_pictures := _count_pictures(source.files(root)):
        notes.append(_left_out(num_pictures, "beside train and test"))
    if test:
        return {split: folder.key for split, folder in used.items()}, notes
    return {"": used["train"].key}, [*notes, "it has no test folder"]


def _list_pictures(
    source: Source, split: str, top: str, *, is_deep: bool
) -> tuple[dict[str, list[File]], list[str]]:
    """The files of each class of a split that may be pictures, and what else is there.

    Args:
        source: Where they lie.
        split: What they are for.
        top: The folder around the class folders.
        is_deep: Whether a folder counts whose pictures all lie in folders of its own.
    """
    pictures: dict[str, list[File]] = defaultdict(list)
    empty: list[str] = []
    others: list[File] = []
    forms: dict[str, set[str]] = defaultdict(set)
    for folder in source.folders(top):
        name = unicodedata.normalize("NFC", folder.name)
        files = (
            list(source.walk(folder.key)) if is_deep or _has_pictures(source, folder.key) else []
        )
        found = [file for file in files if may_be_picture(file.name)]
        if len(found) < len(files):
            others += [file for file in files if not may_be_picture(file.name)]
        if found:
            pictures[name.strip()] += found
            forms[name.strip()].add(name)
        else:
            empty.append(folder.key)
    notes = []
    where = f"directly in {PurePosixPath(top).name}" if split else "beside the class folders"
    if num_pictures := _count_pictures(source.files(top)):
        notes.append(_left_out(num_pictures, f"{where}, in no class,"))
    if empty:
        notes.append(f"without pictures, and left out: {quoted(empty)}")
    if others:
        notes.append(f"no pictures by their names, and left out: {_count_endings(others)}")
    notes += [
        f"taken as one class, {name!r}: {quoted(sorted(names))}"
        for name, names in forms.items()
        if len(names) > 1
    ]
    return pictures, notes


def _class_names(
    source: Source, tops: Mapping[str, str], groups: Mapping[tuple[str, str], Sequence[File]]
) -> tuple[tuple[str, ...], list[str]]:
    """The sorted names of the classes, which must be the same in train and test."""
    path = printable(source.path)
    counts = {split: Counter[str]() for split in tops}
    for (split, class_name), files in groups.items():
        counts[split][class_name] = len(files)
    for split, top in tops.items():
        if not counts[split]:
            shown = split or PurePosixPath(top).name
            raise DatasetError(
                f"{path} has no pictures in {shown}/<class>/; {shown} holds "
                f"{_holdings(source, top)}. {NEEDED}"
            )
    for split, other in zip(tops, [*tops][::-1], strict=True):
        if missing := sorted(set(counts[split]) - set(counts[other])):
            one, none = (f"{PurePosixPath(tops[s]).name}/{missing[0]}" for s in (split, other))
            raise DatasetError(
                f"{path} has pictures in {one!r} but none in {none!r}: train and test need the "
                "same class folders"
            )
    names = tuple(sorted(next(iter(counts.values()))))
    if len(names) == 1:
        raise DatasetError(f"{path} has only one class, {names[0]!r}: a data set needs two or more")
    if odd := [name for name in names if not name.isprintable() or not name]:
        shown = repr(odd[0]) if odd[0] else "whose name is nothing but spaces"
        raise DatasetError(f"{path} has a class folder {shown}: rename it in printable letters")
    if "" in counts and (single := [name for name in names if counts[""][name] == 1]):
        raise DatasetError(
            f"{path} has only one picture of the class {single[0]!r}: one to train on and one to "
            "test on are needed at least"
        )
    return names, [
        f"classes that differ in capital letters only: {quoted(alike)}" for alike in _alike(names)
    ]


def _alike(names: Iterable[str]) -> Iterator[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.casefold()].append(name)
    return (group for group in groups.values() if len(group) > 1)


def _count_pictures(files: Iterable[File]) -> int:
    return sum(is_named_as_picture(file.name) for file in files)


def _left_out(number: int, where: str) -> str:
    if number == 1:
        return f"1 picture lies {where} and is left out"
    return f"{number:,} pictures lie {where} and are left out"


def _holdings(source: Source, folder: str) -> str:
    """What a folder holds: ``3 folders ('cat', 'dog', 'ship'), 12 .txt files``."""
    folders, files = source.folders(folder), source.files(folder)
    parts = [_folders(folders)] if folders else []
    if files:
        parts.append(_count_endings(files))
    return ", ".join(parts) or "nothing"


def _count_endings(files: Iterable[File]) -> str:
    """``12 .txt files, 1 file without an ending``."""
    endings = Counter(ending(file.name) for file in files)
    parts = []
    for kind, number in sorted(endings.items(), key=lambda item: (-item[1], item[0]))[:5]:
        noun = "file" if number == 1 else "files"
        named = f"{printable(kind[:20])} {noun}" if kind else f"{noun} without an ending"
        parts.append(f"{number:,} {named}")
    return ", ".join(parts)


def _folders(folders: Iterable[Folder]) -> str:
    names = [folder.name for folder in folders]
    return f"{len(names):,} {'folder' if len(names) == 1 else 'folders'} ({quoted(names)})"
