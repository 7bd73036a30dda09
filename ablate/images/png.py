"""PNG files, written and told from others: what a page may show, and how large it is."""

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By channels: grey, grey and alpha, RGB, RGB and alpha."""
MOST_SIDE = 65_535
"""Pixels of a side: a wider or higher picture is none that a report shows."""
_ENDS = {"png": b"IEND", "jpeg": b"\xff\xd9"}
"""What whole ones have, perhaps with something behind it."""
_LENGTHLESS = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of a JPEG that nothing belongs to."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that say how large it is."""


@dataclass(frozen=True)
class Picture:
    """What the bytes of a PNG or a JPEG say."""

    kind: str
    """`png` or `jpeg`."""
    width: int
    height: int


def encode_png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """A PNG of 8 bits a channel.

    Args:
        pixels: (height, width, channels), row by row.
        width: In pixels.
        height: In pixels.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    """
    stride = width * channels
    rows = b"".join(b"\0" + pixels[at : at + stride] for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def picture_of(content: bytes) -> Picture | None:
    """What a file is, by its bytes and not by its name; None if it is no whole PNG or JPEG."""
    try:
        if content.startswith(_SIGNATURE) and content[12:16] == b"IHDR":
            size = struct.unpack(">II", content[16:24])
            found = Picture("png", *size)
        elif content.startswith(b"\xff\xd8\xff"):
            found = Picture("jpeg", *_jpeg_size(content))
        else:
            return None
    except (struct.error, IndexError):  # it is torn
        return None
    if _ENDS[found.kind] not in content:  # its writer died, or still writes
        return None
    fits = 0 < found.width <= MOST_SIDE and 0 < found.height <= MOST_SIDE
    return found if fits else None


def data_uri(content: bytes) -> str:
    """A PNG or a JPEG as an address that holds it."""
    found = picture_of(content)
    assert found is not None
    return f"data:image/{found.kind};base64,{b64encode(content).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height, of the first segment that begins a frame."""
    at = 2
    while True:
        marker, length = content[at + 1], 0
        if content[at] != 0xFF:
            raise IndexError(at)
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        if marker != 0xFF and marker not in _LENGTHLESS:
            [length] = struct.unpack(">H", content[at + 2 : at + 4])
        at += 1 if marker == 0xFF else 2 + length
