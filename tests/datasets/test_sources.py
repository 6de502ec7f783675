"""Folders and archives are read and nothing else, whatever is in them."""

import bz2
import errno
import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from course_utils import datasets
from course_utils.datasets import sources
from course_utils.datasets.base import DatasetError
from tests.datasets.own_pictures import (
    check_small,
    encoded,
    load_saying,
    make,
    make_folder,
    make_tar,
    small,
)


def names(source, folder=""):
    return sorted(file.name for file in source.walk(folder))


def test_each_kind_lists_and_reads_the_same(folders, kind):
    source = sources.open_source(make(kind, folders, small()))
    assert names(source) == sorted(small())
    assert [folder.name for folder in source.folders("train")] == ["cat", "ship"]
    assert [file.name for file in source.files("test/cat")] == [
        f"test/cat/{i}.png" for i in range(3)
    ]
    assert source.folders("nowhere") == [] if source.is_one_file else True
    for file in source.walk(""):
        assert source.read(file) == small()[file.name]
    source.close()


@pytest.mark.parametrize("start", [b"PK\3\4", b"\x1f\x8b", b"BZh", b"no archive"])
def test_what_is_no_archive_is_refused(folders, start):
    path = folders / "pictures"
    path.write_bytes(start + bytes(2000))
    with pytest.raises(DatasetError, match=r"pictures (is no folder, zip or tar|can't be read)"):
        datasets.load(path)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "zip"])
def test_half_a_download_is_refused(folders, kind):
    path = make(kind, folders, small())
    path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 2])
    with pytest.raises(DatasetError, match=r"(is no folder, zip or tar|can't be read)"):
        datasets.load(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_a_tar_that_unpacks_to_more_than_allowed_is_refused(folders, monkeypatch, compress):
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 100_000)
    path = make_tar(folders / "pictures.tar", small() | {"train/cat/x.png": bytes(200_000)})
    packed = folders / "packed"
    packed.write_bytes(compress(path.read_bytes()))
    with pytest.raises(DatasetError, match=r"can't be read as a tar .*it claims to hold more than"):
        datasets.load(packed)


@pytest.mark.parametrize("size", [350_000, 450_000])
def test_a_full_temporary_folder_is_named_and_the_archive_is_not_blamed(
    folders, small_disk, monkeypatch, size
):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    large = {f"train/cat/large{i}.png": os.urandom(size) for i in range(2)}
    path = make_tar(folders / "pictures.tar.gz", small() | large)
    with pytest.raises(DatasetError) as caught:
        datasets.load(path)
    message = str(caught.value)
    assert f"the folder {small_disk} can't take it: No space left on device" in message
    assert "get it again" not in message


def test_a_system_without_temporary_folders_is_told_of_that(folders, monkeypatch):
    def refuse():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    with pytest.raises(DatasetError, match="no folder of this system can't take it: No usable"):
        datasets.load(make_tar(folders / "pictures.tar.gz", small()))


# Hostile archives


def test_a_tar_that_claims_a_long_header_is_refused(folders):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 10 * 2**30
    path = folders / "pictures.tar"
    path.write_bytes(member.tobuf() + bytes(10_240))
    with pytest.raises(DatasetError, match=r"is no folder, zip or tar|claims headers that are too"):
        datasets.load(path)


def test_links_and_devices_of_a_tar_are_not_followed(folders):
    (folders / "secret.png").write_bytes(encoded("red"))
    path = folders / "pictures.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in small().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "a"), (tarfile.LNKTYPE, "b"), (tarfile.CHRTYPE, "c")):
            member = tarfile.TarInfo(f"train/cat/{name}.png")
            member.type, member.linkname = kind, str(folders / "secret.png")
            archive.addfile(member)
    check_small(datasets.load(path))


def test_a_folder_that_may_not_be_read_is_named(folders):
    path = make_folder(folders / "pictures", small())
    (path / "train/cat").chmod(0)
    try:
        if os.access(path / "train/cat", os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(DatasetError, match=r"pictures can't be read: .*cat"):
            datasets.load(path)
    finally:
        (path / "train/cat").chmod(0o755)


def test_names_that_lead_out_of_a_tar_are_left_out_and_that_is_said(folders):
    outside = dict.fromkeys(["../x.png", "/train/cat/y.png", "train/cat/../v.png"], encoded("red"))
    data, said = load_saying(make_tar(folders / "pictures.tar", small() | outside))
    check_small(data)
    assert said == [
        "names that lead out of it are left out: "
        "'../x.png', '/train/cat/y.png', 'train/cat/../v.png'"
    ]


@pytest.mark.parametrize("link", ["train/cat/back", "train/cat/a/back", "train/back"])
@pytest.mark.parametrize("to", ["", "train", ".."])
def test_a_link_to_a_folder_around_it_brings_no_pictures_of_other_classes(folders, link, to):
    path = make_folder(folders / "pictures", small() | {"train/cat/a/x.txt": b"?"})
    (path / link).symlink_to(path / to)
    data, said = load_saying(path)
    check_small(data)
    assert f"links that lead to a folder around them are left out: '{link}'" in said


def test_a_file_that_is_removed_while_its_folder_is_listed_is_not_there(folders, monkeypatch):
    path = make_folder(folders / "pictures", small() | {"train/cat/x.png": encoded("red")})
    sort = sources.attrgetter("name")

    def remove_and_sort(entry):
        if entry.name == "x.png":
            Path(entry.path).unlink(missing_ok=True)
        return sort(entry)

    monkeypatch.setattr(sources, "attrgetter", lambda name: remove_and_sort)
    check_small(datasets.load(path))
