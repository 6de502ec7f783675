import io
import os
import re
import shutil
import struct
import tempfile
import time
import unicodedata
import warnings
import zipfile
import zlib
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from course_utils import datasets
from course_utils.datasets import image_folder, pictures, sources
from course_utils.datasets.base import DatasetError, DatasetWarning
from tests.datasets.own_pictures import (
    check_small,
    encoded,
    load_saying,
    make,
    make_folder,
    make_zip,
    rewrapped,
    small,
    without,
)

REAL = Path(__file__).parents[2] / "../shared/data/cifar10-jpeg.zip"


def test_good_data(folders, kind):
    path = make(kind, folders, small())
    data = datasets.load(path)
    assert data.name == "pictures"
    check_small(data)
    assert isinstance(data.train.images.base, np.memmap)
    assert "pictures" in data.datasheet.title


def test_path_relative_to_home_and_to_the_current_folder(folders, kind, monkeypatch):
    path = make(kind, folders, small())
    monkeypatch.setenv("HOME", str(folders))
    monkeypatch.setenv("USERPROFILE", str(folders))
    check_small(datasets.load(f"~/{path.name}"))
    monkeypatch.chdir(folders)
    check_small(datasets.load(path.name))
    if kind == "folder":
        monkeypatch.chdir(path)
        assert datasets.load(".").name == "pictures"


def test_classes_are_mixed(folders):
    contents = {f"train/{name}/{i}.png": encoded("red") for name in "ab" for i in range(50)}
    contents |= {f"test/{name}/0.png": encoded("red") for name in "ab"}
    labels = datasets.load(make_folder(folders / "pictures", contents)).train.labels
    assert 10 < labels[:50].sum() < 40
    assert 0 < labels[-20:].sum() < 20


def test_what_file_managers_leave_is_ignored(folders, kind):
    clutter = {
        "train/cat/.DS_Store": b"?",
        "train/cat/Thumbs.db": b"?",
        "train/cat/desktop.ini": b"?",
        "train/.hidden/0.png": b"?",
        "__MACOSX/train/cat/._0.png": b"?",
        "train/labels.csv": b"?",
        "README.txt": b"?",
    }
    check_small(datasets.load(make(kind, folders, small() | clutter)))


def test_zip_with_one_folder_around_everything(folders):
    contents = {f"my pictures/{name}": content for name, content in small().items()}
    contents["__MACOSX/my pictures/._train"] = b"?"
    check_small(datasets.load(make_zip(folders / "pictures.zip", contents)))


@pytest.mark.parametrize(
    "contents",
    [
        rewrapped(lambda name: name.replace("/", "\\")),
        rewrapped(lambda name: f"my pictures\\{name}".replace("/", "\\")),
        rewrapped(lambda name: f"./{name}"),
        rewrapped(lambda name: f"pics/{name}", ["README.txt"]),
        rewrapped(
            lambda name: f"pics/{name}", [".DS_Store", "__MACOSX/pics/._x", "__MACOSX/x/y/z"]
        ),
        rewrapped(lambda name: f"a/b/{name}"),
        rewrapped(lambda name: f"a/b/{name}", ["a/README.txt", "LICENSE", "a/b/labels.csv"]),
    ],
    ids=["backslashes", "wrapped", "dots", "README", "Mac", "nested", "nested with files"],
)
def test_zips_as_other_programs_make_them(folders, contents):
    data, said = load_saying(write_members(folders / "pictures.zip", contents))
    check_small(data)
    assert said == []


def write_members(path, contents):
    """Write a zip in which each name is stored exactly so."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_of_a_zip_that_says_not_how_it_writes_them(folders, encoding):
    name = "Bär".encode(encoding)
    contents = rewrapped(
        lambda name: name.replace("cat", "#" * len(name := "Bär".encode(encoding)))
    )
    path = make_zip(folders / "pictures.zip", contents)
    path.write_bytes(path.read_bytes().replace(b"#" * len(name), name))
    data = datasets.load(path)
    assert reds(data) == {"Bär": DARK, "ship": LIGHT}


def test_the_two_forms_of_one_name_are_one_class(folders, kind):
    composed, taken_apart = (unicodedata.normalize(form, "Bär") for form in ("NFC", "NFD"))
    contents = {}
    for i, (name, content) in enumerate(small().items()):
        contents[name.replace("cat", (composed, taken_apart)[i % 2])] = content
        contents[name.replace("cat", (taken_apart, composed)[i % 2])] = content
    data, said = load_saying(make(kind, folders, contents))
    assert reds(data) == {composed: sorted(DARK * 2), "ship": LIGHT}
    assert said == []


def test_of_files_of_one_name_in_a_zip_the_last_is_used_and_that_is_said(folders, settle):
    path = make_zip(folders / "pictures.zip", small())
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("train/cat/0.png", encoded((99, 99, 99)))
    settle()
    for _ in range(2):
        data, said = load_saying(path)
        assert reds(data)["cat"] == [*DARK[1:], 99]
        assert said == ["of files of one name the last is used: 'train/cat/0.png'"]


def test_names_that_lead_out_of_a_zip_are_left_out_and_that_is_said(folders):
    outside = [
        "../x.png",
        "/train/cat/y.png",
        "..\\..\\z.png",
        "C:\\train\\cat\\w.png",
        "train/cat/../v",
    ]
    path = write_members(folders / "pictures.zip", small() | dict.fromkeys(outside, encoded("red")))
    data, said = load_saying(path)
    check_small(data)
    names = ", ".join(repr(name.replace("\\", "/")) for name in outside)
    assert said == [f"names that lead out of it are left out: {names}"]


def test_a_zip_with_a_password_is_named(folders):
    path = make_zip(folders / "secret.zip", small())
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.rindex(signature)
        content[start + place] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        datasets.load(path)
    assert str(caught.value) == (
        f"{path} is protected by a password, with 'test/cat/2.png' in it: make the zip again "
        "without one"
    )


def test_files_below_a_class_folder(folders, kind):
    contents = {name.replace("/0.png", "/more/0.png"): c for name, c in small().items()}
    check_small(datasets.load(make(kind, folders, contents)))


def replaced(content, name="train/cat/0.png"):
    return small() | {name: content}


def png(width, height):
    """The beginning of a picture that claims to be large."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


FAULTS = {
    "no layout": (
        {"docs/a.txt": b"?", "README": b"?", "a.TXT": b"?"},
        r"has no class folders with pictures; it holds 1 folder \('docs'\), 1 file without an "
        r"ending, 1 \.txt file\. Needed are folders named after the classes",
    ),
    "empty": ({}, r"has no class folders with pictures; it holds nothing\."),
    "no train": (without("train"), r"has no train folder; it holds 1 folder \('test'\)\."),
    "no class folders": (
        rewrapped(lambda name: name.replace("/cat/", "/cat-").replace("/ship/", "/ship-")),
        r"has no pictures in train/<class>/; train holds 12 \.png files\.",
    ),
    "many folders": (
        {f"{i}/0.txt": b"?" for i in range(10, 30)},
        r"it holds 20 folders \('10', '11', '12', '13', '14' and 15 more\)",
    ),
    "ending that is a command": (
        {"x/a.txt": b"?", "b.\x1b[31m": b"?"}, r"1 '\.\\x1b\[31m' file"
    ),
    "class missing in test": (without("test/cat"), r"in 'train/cat' but none in 'test/cat'"),
    "class missing in train": (without("train/cat"), r"in 'test/cat' but none in 'train/cat'"),
    "another class in val": (
        rewrapped(lambda name: name.replace("test/cat", "val/Cat").replace("test", "val")),
        r"in 'train/cat' but none in 'val/cat'",
    ),
    "one class": (without("train/cat", "test/cat"), r"only one class, 'ship'"),
    "one class folder": ({"cat/0.png": encoded("red")}, r"only one class, 'cat'"),
    "one class's pictures": (
        {f"{i}.png": encoded("red") for i in range(5)},
        r"has 5 pictures directly in it, as the folder of one class has: give the folder around",
    ),
    "one picture of a class": (
        {name: encoded("red") for name in ("a/0.png", "b/0.png", "b/1.png")},
        r"has only one picture of the class 'a': one to train on and one to test on",
    ),
    "unprintable class": (
        {f"{split}/\x1b[31m{c}/0.png": encoded("red") for split in ("train", "test") for c in "ab"},
        r"class folder '\\x1b\[31ma'",
    ),
    "much that is no image": (
        small() | {"train/cat/0.png": b"no image", "test/ship/0.png": b""},
        r"2 of the 18 pictures in .* can't be read, more than a tenth: "
        r"'train/cat/0.png' \(it is damaged or not one of .*'test/ship/0.png' \(it is empty\)|"
        r"'test/ship/0.png' \(it is empty\); 'train/cat/0.png' \(it is damaged or not one of ",
    ),
    "an iPhone's pictures": (
        {name.replace(".png", ".HEIC"): b"____ftypheic" for name in small()},
        r"18 of the 18 pictures .*'train/cat/0.HEIC'.*iPhone's format HEIC: save it as JPEG",
    ),
    "a class without one good picture": (
        small() | {f"{split}/frog/0.png": b"?" for split in ("test",)}
        | {"train/frog/0.png": encoded("red")}
        | {f"train/cat/more {i}.png": encoded("red") for i in range(9)},
        r"too few pictures of the class 'frog' .* can be read: 'test/frog/0.png'",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("contents", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(folders, kind, contents, message):
    (folders / "pictures").mkdir()
    path = make(kind, folders, contents)
    with pytest.raises(DatasetError, match=message) as caught:
        datasets.load(path)
    assert str(caught.value).isprintable()
    assert list((folders / "cache").glob("*")) + list((folders / "cache").glob(".*")) == []


UNREADABLE = {
    "no image": (b"no image", r"it is damaged or not one of .*BMP"),
    "empty": (b"", "it is empty"),
    "truncated": (encoded("red")[:45], ".+"),
    "bomb": (png(8_000, 8_000), "it has 8000×8000 pixels, more than 50,000,000"),
    "bigger bomb": (png(65_000, 65_000), ".+"),
    "fractions": (
        encoded(0.5, mode="F", image_format="TIFF"), "its pixels have more than 16 bits"
    ),
    "32 bits": (
        encoded(70_000, mode="I", image_format="TIFF"), "its pixels have more than 16 bits"
    ),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", ".*not one of .*BMP"),
    "large file": (encoded("red") + bytes(sources.MAX_FILE_BYTES), "it has more than 64 MB"),
    "HEIC by another name": (b"____ftypmif1", ".*iPhone's format HEIC: save it as JPEG"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("content", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_picture_that_cannot_be_read_is_left_out_and_named(
    folders, kind, content, reason, settle
):
    path = make(kind, folders, small() | {"train/cat/x.jpg": content})
    settle()
    for _ in range(2):
        data, said = load_saying(path)
        check_small(data)
        (message,) = said
        beginning = "1 picture can't be read and is left out: "
        assert re.fullmatch(rf"{beginning}'train/cat/x.jpg' \({reason}.*\)", message)


def test_all_that_cannot_be_read_is_named_at_once(folders, kind):
    names = [f"train/cat/bad {i:02}.png" for i in range(20)]
    good = {f"train/cat/more {i}.png": encoded("red") for i in range(200)}
    _, (message,) = load_saying(make(kind, folders, small() | good | dict.fromkeys(names, b"?")))
    assert message.startswith("20 pictures can't be read and are left out: ")
    assert all(repr(name) in message for name in names)


def test_what_is_no_file_does_not_keep_us_waiting(folders):
    path = make_folder(folders / "pictures", small())
    more = {f"train/cat/more {i}.png": encoded("red") for i in range(20)}
    make_folder(path, more)
    os.mkfifo(path / "train/cat/pipe.png")
    (path / "train/cat/zero.png").symlink_to("/dev/zero")
    (path / "train/cat/link.png").symlink_to(folders / "nowhere")
    (path / "train/cat/itself.png").symlink_to("itself.png")
    data, (message,) = load_saying(path)
    assert len(data.train) == 32
    assert message.startswith("4 pictures can't be read and are left out: ")
    for names, reason in (
        (("link", "itself"), "it is a link that leads nowhere"),
        (("pipe", "zero"), "it isn't a regular file"),
    ):
        listed = ", ".join(sorted(repr(f"train/cat/{name}.png") for name in names))
        assert reason in message
        assert all(name in message for name in listed.split(", "))


def test_file_that_is_no_zip(folders):
    (folders / "notes.txt").write_text("no zip")
    with pytest.raises(DatasetError, match=r"notes\.txt is no folder, zip or tar \(plain"):
        datasets.load(folders / "notes.txt")
    (folders / "photo.JPG").write_bytes(encoded("red", image_format="JPEG"))
    with pytest.raises(DatasetError, match=r"photo\.JPG is one picture: give the folder around"):
        datasets.load(folders / "photo.JPG")


def test_damaged_zip(folders):
    path = make_zip(folders / "pictures.zip", small())
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    assert load_saying(path)[1][0].startswith("1 picture can't be read")
    path.write_bytes(content[:1000])
    with pytest.raises(DatasetError, match=r"pictures.zip can't be read as a zip .*get it again"):
        datasets.load(path)


def test_zip_member_larger_than_it_says(folders):
    """A member of 200 MB that claims to have 100 bytes: what it claims is all that is unpacked."""
    contents = replaced(bytes(200_000_000))
    path = make_zip(folders / "pictures.zip", contents)
    content = path.read_bytes().replace(struct.pack("<I", 200_000_000), struct.pack("<I", 100))
    path.write_bytes(content)
    assert "'train/cat/0.png'" in load_saying(path)[1][0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression(folders, method):
    path = folders / "pictures.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in small().items():
            archive.writestr(name, content)
    with pytest.raises(DatasetError, match="compressed in an unusual way"):
        datasets.load(path)


def test_too_many_pixels_altogether(folders, monkeypatch):
    monkeypatch.setattr(image_folder, "MAX_DATASET_BYTES", 1000)
    with pytest.raises(DatasetError, match="18 images of 32×32 pixels would take"):
        datasets.load(make_folder(folders / "pictures", small()))


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (1, 1), (600, 500)])
def test_resizing(folders, size):
    contents = small() | {
        "train/cat/0.png": encoded((9, 9, 9), size=size),
        "train/cat/1.png": encoded((9, 9, 9), size=size, image_format="JPEG"),
    }
    data = datasets.load(make_zip(folders / "pictures.zip", contents), image_size=32)
    assert data.train.images.shape == (12, 32, 32, 3)
    assert set(np.unique(data.train.images)) <= {9, 10, *range(12, 16), *range(200, 206)}


@pytest.mark.parametrize("image_size", [0, -1, 7, 1000, 32.5, "32", True])
def test_wrong_image_size(folders, image_size):
    with pytest.raises(DatasetError, match="image_size is"):
        datasets.load(make_folder(folders / "pictures", small()), image_size=image_size)


# --- changes


@pytest.fixture
def settle(monkeypatch):
    """Wait until the times of files tell each change to come, which is soon for this test."""
    monkeypatch.setattr(sources, "SETTLED_SECONDS", 0.02)
    return lambda: time.sleep(0.05)


@pytest.fixture(params=["by status", "by content", "as on Windows"])
def compared(request, monkeypatch, settle):
    """Compare files with those in the cache in each of the ways; returns how to wait for it."""
    if request.param == "by status":
        return settle
    if request.param == "as on Windows":
        monkeypatch.setattr(sources, "TELLS_CHANGES", False)
        return settle
    return lambda: None


def cached(folders):
    return sorted(path.name for path in (folders / "cache").iterdir())


def reds(data):
    """The red of each class's training images."""
    return {
        name: sorted(data.train.images[data.train.labels == label][:, 0, 0, 0].tolist())
        for label, name in enumerate(data.class_names)
    }


DARK, LIGHT = list(range(10, 16)), list(range(200, 206))


def unpacked(folders):
    """Small pictures that all have the same size and time, as an archive's have."""
    contents = {
        name.replace(".png", ".bmp"): encoded(
            Image.open(io.BytesIO(c)).getpixel((0, 0)), image_format="BMP"
        )
        for name, c in small().items()
    }
    path = make_folder(folders / "pictures", contents)
    for file in path.rglob("*.bmp"):
        os.utime(file, (1.7e9, 1.7e9))
    return path


def test_second_load_reads_no_picture(folders, kind, watch, settle, monkeypatch):
    path = make(kind, folders, small())
    settle()
    datasets.load(path)
    monkeypatch.setattr(pictures, "read", lambda *_: pytest.fail("decoded again"))
    with watch() as events:
        check_small(datasets.load(path))
    opened = {str(arguments[0]) for event, arguments in events if event == "open"}
    assert opened
    assert not [name for name in opened if name.startswith(f"{path}/")]


def test_swapped_class_folders_give_the_new_labels(folders, compared):
    path = unpacked(folders)
    compared()
    assert reds(datasets.load(path)) == {"cat": DARK, "ship": LIGHT}
    for split in ("train", "test"):
        (path / split / "cat").rename(path / split / "other")
        (path / split / "ship").rename(path / split / "cat")
        (path / split / "other").rename(path / split / "ship")
    assert reds(datasets.load(path)) == {"cat": LIGHT, "ship": DARK}
    assert len(cached(folders)) == 1


def test_swapped_files_give_the_new_labels(folders, compared):
    path = unpacked(folders)
    compared()
    datasets.load(path)
    one, other = path / "train/cat/0.bmp", path / "train/ship/0.bmp"
    one.rename(path / "kept")
    other.rename(one)
    (path / "kept").rename(other)
    assert reds(datasets.load(path)) == {"cat": [*DARK[1:], 200], "ship": [10, *LIGHT[1:]]}


@pytest.mark.parametrize("way", ["over it", "in its place"])
def test_a_corrected_copy_of_the_same_size_and_time_gives_the_new_image(folders, compared, way):
    path = unpacked(folders)
    compared()
    datasets.load(path)
    picture = path / "train/cat/0.bmp"
    before = picture.stat()
    content = encoded((99, 99, 99), image_format="BMP")
    if way == "over it":
        picture.write_bytes(content)
    else:  # as rsync does
        (path / "copy").write_bytes(content)
        (path / "copy").rename(picture)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert picture.stat().st_size == before.st_size
    assert reds(datasets.load(path))["cat"] == [*DARK[1:], 99]
    assert len(cached(folders)) == 1


def test_a_corrected_zip_of_the_same_size_and_time_gives_the_new_image(folders, compared):
    path, other = folders / "pictures.zip", folders / "other.zip"
    for place, red in ((path, 10), (other, 99)):
        with zipfile.ZipFile(place, "w") as archive:
            for name, content in small().items():
                archive.writestr(name, content)
            archive.writestr("train/cat/x.bmp", encoded((red,) * 3, image_format="BMP"))
    compared()
    before = path.stat()
    assert reds(datasets.load(path))["cat"] == sorted([*DARK, 10])
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert reds(datasets.load(path))["cat"] == sorted([*DARK, 99])
    assert len(cached(folders)) == 1


def test_a_change_that_no_time_tells_is_noticed(folders):
    """Right after the first load, with all that the system tells as it was then."""
    path = unpacked(folders)
    datasets.load(path)
    picture = path / "train/cat/0.bmp"
    before = picture.stat()
    picture.write_bytes(encoded((99, 99, 99), image_format="BMP"))
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list((folders / "cache").glob("*/status.txt")) == []
    assert reds(datasets.load(path))["cat"] == [*DARK[1:], 99]


def test_what_only_looks_changed_is_not_decoded_again(folders, compared, kind):
    path = make(kind, folders, small())
    compared()
    check_small(datasets.load(path))
    (entry,) = (folders / "cache").iterdir()
    before = (entry / "train_images.npy").stat()
    for _ in range(3):
        os.utime(path if kind != "folder" else path / "train/cat/0.png")
        compared()
        check_small(datasets.load(path))
    assert [entry.name] == cached(folders)
    after = (entry / "train_images.npy").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_copy_at_another_place_and_another_size_have_entries_of_their_own(folders):
    path = unpacked(folders)
    for place in (path, shutil.copytree(path, folders / "copy")):
        for size in (None, 8):
            assert reds(datasets.load(place, image_size=size)) == {"cat": DARK, "ship": LIGHT}
    assert len(cached(folders)) == 4


def test_changes_are_noticed(folders, kind):
    first = datasets.load(make(kind, folders, small()))
    contents = small() | {"train/cat/new.png": encoded((9, 9, 9))}
    second = datasets.load(make(kind, folders, contents))
    assert (len(first.train), len(second.train)) == (12, 13)
    third = datasets.load(make(kind, folders, contents), image_size=8)
    assert third.train.images.shape == (13, 8, 8, 3)


def read_all(decoded):
    for split in (decoded.train, decoded.test):
        for _ in split.chunks:
            pass
    return decoded.finish()


@pytest.mark.parametrize("change", ["new", "gone", "other"])
def test_pictures_that_change_while_they_are_read_are_no_data_set(folders, kind, change, watch):
    """What is decoded would else be kept under the name of what was there before."""
    path = make(kind, folders, small())
    source = sources.open_source(path)
    pictures = image_folder._Pictures(source, 32)
    pictures.digest()
    decoded = pictures.decode()
    contents = {
        "new": small() | {"train/cat/new.png": encoded((9, 9, 9))},
        "gone": without("train/cat/5"),
        "other": replaced(encoded((9, 9, 9))),
    }[change]
    if kind == "folder":
        shutil.rmtree(path)
    make(kind, folders, contents)
    with pytest.raises(DatasetError, match="has been changed while its images were read: load it"):
        read_all(decoded)
    source.close()
    for file in [path] if kind != "folder" else path.rglob("*"):
        os.utime(file)  # the same pictures at another time
    with closing(sources.open_source(path)) as source:
        pictures = image_folder._Pictures(source, 32)
        pictures.digest()
        decoded = pictures.decode()
        for file in [path] if kind != "folder" else path.rglob("*.png"):
            os.utime(file)
        read_all(decoded)


# --- what is left out


BESIDE = "not used, being beside train and test"
LEFT_OUT = {
    "images directly in train": (
        {"train/x.png": encoded("red"), "train/y.JPG": b"?", "train/labels.csv": b"?"},
        ["2 pictures lie directly in train, in no class, and are left out"],
    ),
    "an image directly in test": (
        {"test/x.webp": encoded("red")},
        ["1 picture lies directly in test, in no class, and is left out"],
    ),
    "a folder": ({"val/cat/0.png": encoded("red")}, [f"{BESIDE}: 1 folder ('val')"]),
    "folders": (
        {f"{name}/cat/0.png": encoded("red") for name in ("val", "validation", "\x1b[31mred")},
        [f"{BESIDE}: 3 folders ('\\x1b[31mred', 'val', 'validation')"],
    ),
    "images beside": (
        {"x.png": encoded("red"), "y.gif": b"?", "README.txt": b"?"},
        ["2 pictures lie beside train and test and are left out"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("extra", "expected"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_is_left_out_is_said_each_time(folders, kind, extra, expected, settle):
    path = make(kind, folders, small() | extra)
    settle()
    for _ in range(3):
        data, said = load_saying(path)
        check_small(data)
        assert said == expected
    (folders / "other").mkdir()
    data, said = load_saying(make(kind, folders / "other", small()))
    assert said == []


def test_what_is_left_out_no_more_is_said_no_more(folders, settle):
    path = make_folder(folders / "pictures", small())
    settle()
    assert load_saying(path)[1] == []
    (path / "val").mkdir()
    assert load_saying(path)[1] == [f"{BESIDE}: 1 folder ('val')"]
    (path / "val").rmdir()
    assert load_saying(path)[1] == []


def test_a_class_folder_without_images_is_said(folders):
    path = make_folder(folders / "pictures", small())
    for split in ("train", "test"):
        (path / split / "frog").mkdir()
    (path / "train/frog/.DS_Store").write_bytes(b"?")
    data, said = load_saying(path)
    check_small(data)
    assert said == [
        f"without pictures, and left out: '{split}/frog'" for split in ("train", "test")
    ]


# --- links


def test_folders_that_are_links_are_followed(folders):
    path = make_folder(folders / "pictures", without("train/cat"))
    elsewhere = make_folder(
        folders / "elsewhere", {f"a/b/{i}.png": encoded((10 + i,) * 3) for i in range(6)}
    )
    (path / "train/cat").mkdir()
    (path / "train/cat/link").symlink_to(elsewhere / "a")
    check_small(datasets.load(path))
    (path / "train/cat/link").unlink()
    (path / "train/cat").rmdir()
    (path / "train/cat").symlink_to(elsewhere)
    check_small(datasets.load(path))
    (path / "test").rename(folders / "test")
    (path / "test").symlink_to(folders / "test")
    check_small(datasets.load(path))
    (elsewhere / "a/b/0.png").write_bytes(encoded((99, 99, 99)))
    assert reds(datasets.load(path))["cat"] == [*DARK[1:], 99]


def test_links_in_a_circle_end_and_give_each_image_once(folders):
    path = make_folder(folders / "pictures", small())
    cat = path / "train/cat"
    make_folder(cat, {"one/x.png": encoded((9, 9, 9)), "two/y.png": encoded((8, 8, 8))})
    (cat / "circle").symlink_to(cat)
    (cat / "again").symlink_to("one")
    for i in range(10):
        (cat / "one" / f"to two {i}").symlink_to(cat / "two")
        (cat / "two" / f"to one {i}").symlink_to(cat / "one")
    assert reds(datasets.load(path)) == {"cat": [8, 9, *DARK], "ship": LIGHT}


def test_a_link_that_leads_too_far_is_named(folders, monkeypatch):
    path = make_folder(folders / "pictures", small())
    make_folder(folders / "far", {f"{i}/{k}.txt": b"" for i in range(4) for k in range(10)})
    (path / "train/cat/link").symlink_to(folders / "far")
    monkeypatch.setattr(sources, "MAX_FILES", 30)
    with pytest.raises(DatasetError, match=r"more than 30 files.* 'train/cat/link/[0-9]'"):
        datasets.load(path)


def test_data_are_only_read(folders, kind):
    """Nothing is written beside the pictures, not even where that isn't allowed."""
    path = make(kind, folders / "", small())
    before = sorted((p, p.stat().st_mtime_ns) for p in [path, *path.rglob("*")])
    check_small(datasets.load(path))
    assert sorted((p, p.stat().st_mtime_ns) for p in [path, *path.rglob("*")]) == before


PARTS = st.sampled_from(
    [
        *("train", "test", "cat", "dog", "1.png", "__MACOSX", "..", ".", "", "/", "C:", "CON", "~"),
        *("\\", "..\\..", "..\\..\\x", "a\x00b", "\x1b[31m", "\u202egnp", "\x85", "e\u0301"),
    ]
)
NAMES = (
    st.lists(PARTS | st.text(max_size=5), min_size=1, max_size=6)
    .map("/".join)
    .filter(
        lambda name: name.partition("\x00")[0]  # zipfile can't write a name that is empty
    )
)


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(NAMES, max_size=8, unique=True),
    good=st.booleans(),
    is_picture=st.booleans(),
    says_utf8=st.booleans(),
)
@example(
    names=["../../victim.png", "/tmp/victim.png", "train/../../victim/0.png"],
    good=True,
    is_picture=False,
    says_utf8=True,
)
@example(  # no picture: what is cached until then is removed
    names=["train/cat/train"], good=True, is_picture=False, says_utf8=True
)
@example(
    names=["..\\..\\victim.png", "train/\x1b[31m/1.png", "train/cat/\x1b]0;x"],
    good=True,
    is_picture=True,
    says_utf8=False,
)
def test_names_in_a_zip_lead_nowhere(names, good, is_picture, says_utf8, watch):
    writing = {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link", "shutil.move"}
    content = encoded("red") if is_picture else b""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", f"{folder}/cache")
        path = Path(folder, "pictures.zip")
        contents = dict.fromkeys(names, content) | (small() if good else {})
        with suppress(UnicodeEncodeError), warnings.catch_warnings():  # a lone surrogate
            warnings.simplefilter("ignore")  # zipfile's, of names that occur twice
            write_members(path, contents)
            if not says_utf8:
                path.write_bytes(without_flag(path.read_bytes()))
        with watch() as events, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                check_names(datasets.load(path))
            except DatasetError as error:
                assert str(error).isprintable()
        assert all(str(one.message).isprintable() for one in said)
        assert {p.name for p in Path(folder).iterdir()} <= {"pictures.zip", "cache"}
    for event, arguments in events:
        if event in writing or (event == "open" and "w" in (arguments[1] or "")):
            assert str(arguments[0]).startswith(f"{folder}/cache"), (event, arguments)


def without_flag(content):
    """The same zip, not saying that its names are in UTF-8."""
    changed = bytearray(content)
    for signature, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            changed[start + place] &= ~8
    return bytes(changed)


def check_names(data):
    assert ".." not in data.class_names
    assert all(name.isprintable() and not set(name) & set("/\\") for name in data.class_names)


def test_a_name_that_is_a_command_for_the_terminal_is_not_given_to_it(folders):
    path = make_folder(folders / "\x1b[31mred", small() | {"val/x/0.png": b"?"})
    with pytest.warns(DatasetWarning) as said:
        data = datasets.load(path)
    check_small(data)
    assert data.name == "�[31mred"
    assert str(said[0].message).isprintable()
    assert repr(data).isprintable()
    with pytest.raises(DatasetError) as caught:
        datasets.load(make_folder(folders / "\x1b[31mother", {"train/\x1b[31m/x": b"?"}))
    assert str(caught.value).isprintable()


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_names_that_are_no_text_are_read(folders):
    path = make_folder(folders / "pictures", small())
    try:
        (path / "train/cat/0.png").rename(path / os.fsdecode(b"train/cat/B\xe4r.png"))
    except OSError:
        pytest.skip("this file system has no such names")
    for _ in range(2):
        check_small(datasets.load(path))
    (path / "train/cat").rename(path / os.fsdecode(b"train/B\xe4r"))
    (path / "test/cat").rename(path / os.fsdecode(b"test/B\xe4r"))
    with pytest.raises(DatasetError, match=r"class folder 'B\\udce4r': rename it"):
        datasets.load(path)


@pytest.mark.skipif(not REAL.exists(), reason="the photographs are not here")
def test_real_photographs(folders):
    """All test images and 100 training images of CIFAR-10, as JPEG."""
    with zipfile.ZipFile(REAL) as archive, zipfile.ZipFile(folders / "some.zip", "w") as some:
        for name in archive.namelist()[:50_000:100] + archive.namelist()[50_000::50]:
            some.writestr(name, archive.read(name))
    data = datasets.load(folders / "some.zip")
    assert data.train.images.shape[1:] == (32, 32, 3)
    assert len(data.class_names) == 10
    assert 80 < data.train.images.mean() < 160


# --- files without an ending


def test_a_file_without_an_ending_that_is_no_picture_counts_as_none(folders, kind, settle):
    path = make(kind, folders, small() | {"train/cat/LICENSE": b"?", "train/ship/Makefile": b"?"})
    settle()
    for _ in range(2):
        data, said = load_saying(path)
        check_small(data)
        (message,) = said
        assert message.startswith("no pictures, having no ending and no known format: ")
        assert "'train/cat/LICENSE'" in message
        assert "'train/ship/Makefile'" in message


def test_where_pictures_have_no_ending_one_that_cannot_be_read_counts(folders, kind):
    contents = {name.removesuffix(".png"): content for name, content in small().items()}
    damaged = dict.fromkeys(("train/cat/0", "train/cat/1", "train/ship/0"), b"?")
    with pytest.raises(DatasetError, match=r"3 of the 18 pictures in .* can't be read"):
        datasets.load(make(kind, folders, contents | damaged))


def test_a_class_of_nothing_but_files_that_are_no_pictures_is_named(folders, kind):
    contents = without("train/cat") | {"train/cat/LICENSE": b"?"}
    with pytest.raises(DatasetError, match=r"of the class 'cat' .* can be read: .*LICENSE"):
        datasets.load(make(kind, folders, contents))


@pytest.mark.parametrize("number", [np.int64, np.uint8])
def test_numbers_of_numpy_are_numbers(folders, number):
    path = make_folder(folders / "pictures", small())
    options = {"image_size": number(16), "seed": number(3), "num_train": number(4)}
    data = datasets.load(path, **options)
    assert data.train.images.shape == (4, 16, 16, 3)
    whole = {name: int(value) for name, value in options.items()}
    assert data.train.fingerprint() == datasets.load(path, **whole).train.fingerprint()
