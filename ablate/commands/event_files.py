"""TensorBoard's event files: TFRecords of protocol buffers, of which scalars are read.

Formats: `tensorflow/core/util/event.proto`, `framework/summary.proto`, `framework/tensor.proto`;
records are framed as in `lib/io/record_writer.h`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ablate.commands.file_records import FileRecords
from ablate.commands.records import Record
from ablate.commands.tail import MOST

_HEAD = struct.Struct("<QI")
_MOST_BYTES = 2**30
_FLOAT, _DOUBLE, _HALF, _BFLOAT = 1, 2, 19, 14
_INTEGERS = {3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 17: "H", 22: "I", 23: "Q"}
"""By the number of their type, how integers lie in `tensor_content`."""
_VALUES = {5: "float_val", 6: "double_val", 7: "int_val", 10: "int64_val", 13: "half_val"}
Field = tuple[int, int | bytes]
"""A field of a message: its number, and its value as it lies there."""


class EventFile(FileRecords):
    """The scalars of one event file."""

    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """See `FileRecords`; a record that is still being written waits."""
        most = MOST
        while data := self.tail.peek(upto, is_final, most):
            at = 0
            while (event := _framed(data, at)) is not None:
                body, at = event
                yield from self._scalars(body)
            if not at and len(data) == most:
                most *= 4  # a record of its own size: an image, say
                continue
            if not at and (upto is None or len(data) < upto - self.tail.offset):
                return
            # What an attempt's end has left torn is passed over.
            self.tail.advance(data[:at] if at else data)

    def _scalars(self, event: bytes) -> Iterator[Record]:
        measured, step, summary = None, 0, b""
        for number, value in _fields(event):
            match number, value:
                case 1, bytes():
                    measured = struct.unpack("<d", value)[0]
                case 2, int():
                    step = value
                case 5, bytes():
                    summary = value
                case _:
                    pass
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                tag, scalar = _tagged(value)
                self.names[tag] = None
                if scalar is not None:
                    yield Record({tag: scalar}, step, measured)


def is_event_file(head: bytes) -> bool:
    """Whether a file begins as one."""
    return len(head) >= _HEAD.size and _is_length(head, 0)


def _framed(data: bytes, at: int) -> tuple[bytes, int] | None:
    """The record at a place, and the place behind it; None if it is not whole."""
    if len(data) - at < _HEAD.size:
        return None
    length = _HEAD.unpack_from(data, at)[0]
    end = at + _HEAD.size + length + 4
    if end > len(data) or not _is_length(data, at):
        return None
    return data[at + _HEAD.size : end - 4], end


def _is_length(data: bytes, at: int) -> bool:
    length, checksum = _HEAD.unpack_from(data, at)
    crc = _crc32c(data[at : at + 8])
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return length < _MOST_BYTES and masked == checksum


def _tagged(value: bytes) -> tuple[str, float | None]:
    """The tag and the scalar of a `Summary.Value`; None if it is something else."""
    tag, scalar = "", None
    for number, content in _fields(value):
        match number, content:
            case 1, bytes():
                tag = content.decode("utf-8", "replace")
            case 2, bytes():
                scalar = struct.unpack("<f", content)[0]
            case 8, bytes():
                scalar = _Tensor.of(content).scalar
            case _:
                pass
    return tag, scalar


@dataclass
class _Tensor:
    """The fields of a `TensorProto` that scalars need."""

    kind: int = 0
    num: int = 1
    content: bytes = b""
    values: bytes | int | None = None

    @classmethod
    def of(cls, message: bytes) -> "_Tensor":
        """The tensor that a message holds."""
        tensor = cls()
        for number, value in _fields(message):
            if number == 1 and isinstance(value, int):
                tensor.kind = value
            elif number == 2 and isinstance(value, bytes):
                tensor.num = _size(value)
            elif number == 4 and isinstance(value, bytes):
                tensor.content = value
            elif number in _VALUES:
                tensor.values = value
        return tensor

    @property
    def scalar(self) -> float | None:
        """Its one number; None if it has more, or none."""
        if self.num != 1:
            return None
        if self.content:
            return self._of_bytes(self.content, _INTEGERS.get(self.kind, ""))
        if isinstance(self.values, int):
            return (
                _half(self.values, self.kind)
                if self.kind in (_HALF, _BFLOAT)
                else _signed(self.values)
            )
        if not self.values:
            return None
        if self.kind in (_FLOAT, _DOUBLE):
            return self._of_bytes(self.values, "")
        number = _varint(self.values, 0)[0]
        return _half(number, self.kind) if self.kind in (_HALF, _BFLOAT) else _signed(number)

    def _of_bytes(self, content: bytes, integer: str) -> float | None:
        code = {_FLOAT: "f", _DOUBLE: "d", _HALF: "e"}.get(self.kind, integer)
        if self.kind == _BFLOAT:
            content, code = b"\0\0" + content, "f"
        if not code or len(content) != struct.calcsize(f"<{code}"):
            return None
        return float(struct.unpack(f"<{code}", content)[0])


def _half(bits: int, kind: int) -> float:
    if kind == _BFLOAT:
        return struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def _signed(number: int) -> float:
    return float(number - 2**64 if number >= 2**63 else number)


def _size(shape: bytes) -> int:
    """How many numbers a `TensorShapeProto` has room for."""
    size = 1
    for number, dimension in _fields(shape):
        if number == 2 and isinstance(dimension, bytes):
            size *= next((v for n, v in _fields(dimension) if n == 1 and isinstance(v, int)), 0)
    return size


def _fields(message: bytes) -> Iterator[Field]:
    """The fields of a message, in order; stops where it is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, at = _varint(message, at)
        if length is None or at + length > len(message):
            return
        yield number, message[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data):
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    return number, at


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _table()[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    """Castagnoli's polynomial, reversed."""
    table: list[int] = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)
