"""The names of a zip's members as whoever packed it meant them."""

import struct
import unicodedata
import zipfile
import zlib

_IS_UTF8 = 0x800  # the flag of a name in UTF-8
_UNICODE_PATH = 0x7075  # the extra field in which Info-ZIP repeats a name in UTF-8


def name_of(info: zipfile.ZipInfo) -> str:
    """Find out the name of a member of a zip that has been opened for reading.

    A zip says of a name that it is in UTF-8, or nothing. Then it is in UTF-8 all the same if that
    is possible, as macOS writes it, and else in code page 437, as Windows does.

    Returns:
        The whole name in Unicode's form NFC, with whatever is hostile in it: ``..``, backslashes,
        drive letters, control characters.
    """
    if info.flag_bits & _IS_UTF8:
        name = info.orig_filename
    else:
        raw = info.orig_filename.encode("cp437")  # all that zipfile decodes it from
        name = _repeated(info.extra, raw) or _decode(raw)
    return unicodedata.normalize("NFC", name)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _repeated(extra: bytes, raw: bytes) -> str | None:
    """The name of Info-ZIP's extra field, if there is one and it belongs to ``raw``."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        is_ours = kind == _UNICODE_PATH and content[:1] == b"\1" and len(content) == size > 5
        if is_ours and struct.unpack_from("<I", content, 1)[0] == zlib.crc32(raw):
            try:
                return content[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None
