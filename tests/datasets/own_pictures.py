"""Small data sets of pictures of one's own, as folders and archives."""

import io
import tarfile
import warnings
import zipfile

import numpy as np
from PIL import Image

from course_utils import datasets
from course_utils.datasets.base import DatasetWarning


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


def make_tar(path, contents):
    compression = path.suffix.lstrip(".").removeprefix("tar")
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make(kind, folder, contents):
    if kind == "zip":
        return make_zip(folder / "pictures.zip", contents)
    if kind.startswith("tar"):
        return make_tar(folder / f"pictures.{kind}", contents)
    return make_folder(folder / "pictures", contents)


def check_small(data):
    assert data.class_names == ("cat", "ship")
    assert data.group == "brightness"
    assert np.bincount(data.train.labels).tolist() == [6, 6]
    assert np.bincount(data.test.labels).tolist() == [3, 3]
    for split in (data.train, data.test):
        assert split.images.shape[1:] == (32, 32, 3)
        assert split.images.dtype == np.uint8
        np.testing.assert_array_equal(split.images[:, 0, 0, 0] >= 200, split.labels == 1)
        expected = np.where(split.labels == 1, "light", "dark")
        assert split.attributes["brightness"].tolist() == expected.tolist()


def rewrapped(wrap, extra=(), contents=None):
    """The small data set under other names, and further files."""
    contents = small() if contents is None else contents
    return {wrap(name): content for name, content in contents.items()} | dict.fromkeys(extra, b"?")


def without(*starts):
    return {name: c for name, c in small().items() if not name.startswith(starts)}


def load_saying(path, **options):
    """Load; return the data set and what was said, without its path."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        data = datasets.load(path, **options)
    # Files that another test left open may be collected meanwhile.
    said = [warning for warning in said if warning.category is not ResourceWarning]
    assert all(warning.category is DatasetWarning for warning in said)
    assert all(warning.filename == __file__ for warning in said)
    return data, [str(warning.message).removeprefix(f"{path}: ") for warning in said]
