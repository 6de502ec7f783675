import io
import struct
import unicodedata
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.datasets.zip_names import name_of


def members(raw, *, is_utf8=False, extra=b""):
    """A zip with one member, whose name is exactly these bytes, as it is read back."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("x" * len(raw))
        info.extra = extra
        archive.writestr(info, b"content")
    packed = content.getvalue().replace(b"x" * len(raw), raw)
    if is_utf8:
        for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = packed.index(signature) + place
            packed = packed[:start] + struct.pack("<H", 0x800) + packed[start + 2 :]
    return zipfile.ZipFile(io.BytesIO(packed))


def read(raw, **options):
    with members(raw, **options) as archive:
        (info,) = archive.infolist()
        assert archive.read(info) == b"content"  # what the name is taken for doesn't hinder that
        return name_of(info)


@pytest.mark.parametrize(
    ("raw", "is_utf8"),
    [
        ("train/Bär/1.png".encode(), True),
        ("train/Bär/1.png".encode(), False),  # macOS, and 7-Zip when it was younger
        ("train/Bär/1.png".encode("cp437"), False),  # the Explorer of Windows
        ("train/Bär/1.png".encode("cp850"), False),
        (unicodedata.normalize("NFD", "train/Bär/1.png").encode(), True),
        (unicodedata.normalize("NFD", "train/Bär/1.png").encode(), False),
    ],
)
def test_a_name_is_read_as_it_was_meant(raw, is_utf8):
    assert read(raw, is_utf8=is_utf8) == "train/Bär/1.png"


def unicode_path(name, raw, *, version=1):
    field = bytes([version]) + struct.pack("<I", zlib.crc32(raw)) + name
    return struct.pack("<HH", 0x7075, len(field)) + field


def test_info_zips_second_name_is_used_where_it_belongs_to_the_first():
    raw, name = b"train/B?r/1.png", "train/Bär/1.png".encode()
    assert read(raw, extra=unicode_path(name, raw)) == "train/Bär/1.png"
    other = struct.pack("<HH", 0x5455, 1) + b"\0"
    assert read(raw, extra=other + unicode_path(name, raw)) == "train/Bär/1.png"
    for extra in (
        unicode_path(name, b"renamed since"),
        unicode_path(name, raw, version=2),
        unicode_path(b"\xff", raw),
        struct.pack("<HH", 0x7075, 3) + b"\1\0\0",
    ):
        assert read(raw, extra=extra) == "train/B?r/1.png"


@given(st.text(st.characters(exclude_characters="x", codec="utf-8"), min_size=1, max_size=20))
def test_any_name_in_utf8_comes_back_in_one_form_with_the_flag_or_without(name):
    expected = unicodedata.normalize("NFC", name)
    assert read(name.encode(), is_utf8=True) == read(name.encode()) == expected


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=30))
def test_any_bytes_are_a_name_and_no_slash_or_dot_is_hidden_in_them(raw, extra):
    info = zipfile.ZipInfo("x")
    info.orig_filename, info.extra = raw.decode("cp437"), extra
    name = name_of(info)
    for character in "/\\.:\0":
        assert name.count(character) == raw.count(character.encode())
