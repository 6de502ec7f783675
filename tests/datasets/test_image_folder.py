import io
import os
import struct
import tempfile
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from course_utils import datasets
from course_utils.datasets import image_folder
from course_utils.datasets.base import DatasetError

REAL = Path(__file__).parents[2] / "../shared/data/cifar10-jpeg.zip"


def encoded(colour, *, size=(8, 8), image_format="PNG", mode="RGB", **options):
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, image_format, **options)
    return content.getvalue()


def small():
    """Names and contents of a small good data set: dark cats, light ships."""
    return {
        f"{split}/{class_name}/{i}.png": encoded((shade + i,) * 3)
        for split, number in (("train", 6), ("test", 3))
        for class_name, shade in (("ship", 200), ("cat", 10))
        for i in range(number)
    }


def make_folder(path, contents):
    for name, content in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def make_zip(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def make(kind, folder, contents):
    if kind == "zip":
        return make_zip(folder / "pictures.zip", contents)
    return make_folder(folder / "pictures", contents)


@pytest.fixture(params=["folder", "zip"])
def kind(request):
    return request.param


def check_small(data):
    assert data.class_names == ("cat", "ship")
    assert data.group == "brightness"
    assert np.bincount(data.train.labels).tolist() == [6, 6]
    assert np.bincount(data.test.labels).tolist() == [3, 3]
    for split in (data.train, data.test):
        assert split.images.shape[1:] == (8, 8, 3)
        assert split.images.dtype == np.uint8
        np.testing.assert_array_equal(split.images[:, 0, 0, 0] >= 200, split.labels == 1)
        expected = np.where(split.labels == 1, "light", "dark")
        assert split.attributes["brightness"].tolist() == expected.tolist()


def test_good_data(folders, kind):
    path = make(kind, folders, small())
    data = datasets.load(path)
    assert data.name == "pictures"
    check_small(data)
    assert isinstance(data.train.images, np.memmap)
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


def test_files_below_a_class_folder(folders, kind):
    contents = {name.replace("/0.png", "/more/0.png"): c for name, c in small().items()}
    check_small(datasets.load(make(kind, folders, contents)))


def replaced(content, name="train/cat/0.png"):
    return small() | {name: content}


def without(*starts):
    return {name: c for name, c in small().items() if not name.startswith(starts)}


def png(width, height):
    """The beginning of a picture that claims to be large."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


FAULTS = {
    "no layout": ({"cat/0.png": encoded("red")}, r"has no images in train/<class>/"),
    "empty train": (without("train"), r"has no images in train/<class>/"),
    "empty test": (without("test"), r"has no images in test/<class>/"),
    "class missing in test": (without("test/cat"), r"in 'train/cat' but none in 'test/cat'"),
    "class missing in train": (without("train/cat"), r"in 'test/cat' but none in 'train/cat'"),
    "one class": (without("train/cat", "test/cat"), r"only one class, 'ship'"),
    "unprintable class": (
        {f"{split}/\x1b[31m{c}/0.png": encoded("red") for split in ("train", "test") for c in "ab"},
        r"class folder '\\x1b\[31ma'",
    ),
    "not an image": (replaced(b"no image"), r"'train/cat/0.png' can't be read .* not one of BMP"),
    "empty file": (replaced(b""), r"'train/cat/0.png' can't be read"),
    "truncated": (replaced(encoded("red")[:45]), r"'train/cat/0.png' can't be read"),
    "another size": (
        replaced(encoded("red", size=(9, 7))),
        r"'train/cat/0.png' is 9×7 pixels and .* is 8×8: pass image_size=32|"
        r"is 8×8 pixels and 'train/cat/0.png' is 9×7",
    ),
    "bomb": (replaced(png(8_000, 8_000)), r"'train/cat/0.png' can't be read.*8000×8000 pixels"),
    "bigger bomb": (replaced(png(65_000, 65_000)), r"'train/cat/0.png' can't be read"),
    "16 bits": (
        replaced(encoded(40_000, mode="I;16")),
        r"'train/cat/0.png' can't be read.*more than 8 bits",
    ),
    "PostScript": (
        replaced(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        r"'train/cat/0.png' can't be read .* not one of BMP",
    ),
    "large file": (
        replaced(encoded("red") + bytes(image_folder.MAX_FILE_BYTES)),
        r"'train/cat/0.png' can't be read.*more than 64 MB",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("contents", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_named(folders, kind, contents, message):
    path = make(kind, folders, contents)
    with pytest.raises(DatasetError, match=message):
        datasets.load(path)
    assert list((folders / "cache").glob("*")) + list((folders / "cache").glob(".*")) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_and_endless_file_do_not_keep_us_waiting(folders):
    path = make_folder(folders / "pictures", small())
    os.mkfifo(path / "train/cat/pipe.png")
    with pytest.raises(DatasetError, match=r"'train/cat/pipe.png' .* isn't a regular file"):
        datasets.load(path)
    (path / "train/cat/pipe.png").unlink()
    (path / "train/cat/zero.png").symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match=r"'train/cat/zero.png' .* isn't a regular file"):
        datasets.load(path)


def test_broken_link(folders):
    path = make_folder(folders / "pictures", small())
    (path / "train/cat/link.png").symlink_to(folders / "nowhere")
    with pytest.raises(DatasetError, match=r"link\.png"):
        datasets.load(path)


def test_file_that_is_no_zip(folders):
    (folders / "notes.txt").write_text("no zip")
    with pytest.raises(DatasetError, match=r"notes\.txt can't be read as a zip"):
        datasets.load(folders / "notes.txt")


def test_damaged_zip(folders):
    path = make_zip(folders / "pictures.zip", small())
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="can't be read as an image"):
        datasets.load(path)


def test_zip_member_larger_than_it_says(folders):
    """A member of 200 MB that claims to have 100 bytes: what it claims is all that is unpacked."""
    contents = replaced(bytes(200_000_000))
    path = make_zip(folders / "pictures.zip", contents)
    content = path.read_bytes().replace(struct.pack("<I", 200_000_000), struct.pack("<I", 100))
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"'train/cat/0.png' can't be read"):
        datasets.load(path)


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
    with pytest.raises(DatasetError, match="18 images of 8×8 pixels would take"):
        datasets.load(make_folder(folders / "pictures", small()))


def one_picture(folders, content, **options):
    """The picture as loaded, after its way through a data set of copies."""
    contents = {f"{s}/{c}/0.png": content for s in ("train", "test") for c in "ab"}
    return datasets.load(make_zip(folders / "one.zip", contents), **options).train.images[0]


@pytest.mark.parametrize("image_format", image_folder.FORMATS)
def test_formats(folders, image_format):
    image = one_picture(folders, encoded((250, 10, 10), image_format=image_format))
    np.testing.assert_allclose(image.astype(int), np.full((8, 8, 3), (250, 10, 10)), atol=8)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 0), (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("RGBA", (9, 9, 9, 0), (255, 255, 255)),
        ("RGBA", (9, 9, 9, 255), (9, 9, 9)),
    ],
)
def test_colour_modes_become_rgb_on_white(folders, mode, colour, expected):
    image = one_picture(folders, encoded(colour, mode=mode))
    assert image[3, 3].tolist() == list(expected)


def test_four_colour_print(folders):
    image = one_picture(folders, encoded((0, 255, 255, 0), mode="CMYK", image_format="JPEG"))
    assert image[3, 3, 0] > 200
    assert image[3, 3, 1:].max() < 60


def test_camera_held_upright(folders):
    picture = Image.new("RGB", (8, 4), "black")
    picture.paste("white", (0, 0, 4, 4))  # the left half
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter, clockwise
    content = io.BytesIO()
    picture.save(content, "PNG", exif=turned)
    image = one_picture(folders, content.getvalue())
    assert image.shape == (8, 4, 3)
    assert image[0].min() == 255  # left has become top
    assert image[-1].max() == 0


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (1, 1), (600, 500)])
def test_resizing(folders, size):
    contents = small() | {
        "train/cat/0.png": encoded((9, 9, 9), size=size),
        "train/cat/1.png": encoded((9, 9, 9), size=size, image_format="JPEG"),
    }
    data = datasets.load(make_zip(folders / "pictures.zip", contents), image_size=32)
    assert data.train.images.shape == (12, 32, 32, 3)
    assert set(np.unique(data.train.images)) <= {9, 10, *range(12, 16), *range(200, 206)}


@pytest.mark.parametrize("image_size", [0, -1, 1000, 32.5, "32", True])
def test_wrong_image_size(folders, image_size):
    with pytest.raises(DatasetError, match="image_size is"):
        datasets.load(make_folder(folders / "pictures", small()), image_size=image_size)


def test_changes_are_noticed(folders, kind):
    first = datasets.load(make(kind, folders, small()))
    contents = small() | {"train/cat/new.png": encoded((9, 9, 9))}
    second = datasets.load(make(kind, folders, contents))
    assert (len(first.train), len(second.train)) == (12, 13)
    third = datasets.load(make(kind, folders, contents), image_size=4)
    assert third.train.images.shape == (13, 4, 4, 3)


def test_second_load_reads_no_picture(folders, kind, watch):
    path = make(kind, folders, small())
    datasets.load(path)
    with watch() as events:
        check_small(datasets.load(path))
    opened = {str(arguments[0]) for event, arguments in events if event == "open"}
    assert opened
    assert not [name for name in opened if name.startswith(str(path))]


def test_data_are_only_read(folders, kind):
    """Nothing is written beside the pictures, not even where that isn't allowed."""
    path = make(kind, folders / "", small())
    before = sorted((p, p.stat().st_mtime_ns) for p in [path, *path.rglob("*")])
    check_small(datasets.load(path))
    assert sorted((p, p.stat().st_mtime_ns) for p in [path, *path.rglob("*")]) == before


PARTS = st.sampled_from(
    ["train", "test", "cat", "dog", "..", ".", "", "/", "C:", "\\", "..\\..", "~", "a\x00b", "CON"]
)
NAMES = (
    st.lists(PARTS | st.text(max_size=5), min_size=1, max_size=6)
    .map("/".join)
    .filter(
        lambda name: name.partition("\x00")[0]  # zipfile can't write a name that is empty
    )
)


@settings(max_examples=50, deadline=None)
@given(names=st.lists(NAMES, max_size=8, unique=True), good=st.booleans())
@example(names=["../../victim.png", "/tmp/victim.png", "train/../../victim/0.png"], good=True)
@example(names=["train/cat/train"], good=True)  # no picture: what is cached until then is removed
def test_names_in_a_zip_lead_nowhere(names, good, watch):
    writing = {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link", "shutil.move"}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", f"{folder}/cache")
        path = Path(folder, "pictures.zip")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile's, of names that occur twice
            make_zip(path, dict.fromkeys(names, b"") | (small() if good else {}))
        with watch() as events, suppress(DatasetError):
            check_names(datasets.load(path))
        assert {p.name for p in Path(folder).iterdir()} <= {"pictures.zip", "cache"}
    for event, arguments in events:
        if event in writing or (event == "open" and "w" in (arguments[1] or "")):
            assert str(arguments[0]).startswith(f"{folder}/cache"), (event, arguments)


def check_names(data):
    assert set(data.class_names) >= {"cat", "ship"}
    assert ".." not in data.class_names


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
