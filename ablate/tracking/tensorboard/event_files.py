"""The event files in a folder: what TensorBoard shows as one run.

A file's name tells when it was begun, by which TensorBoard sorts, and what is in it. One that is
written at once has an id of its content, too: that it is there says that the content is.
"""

import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ablate.tracking.tensorboard.library import tensorboardx
from ablate.tracking.tensorboard.summaries import Value

PREFIX = "events.out.tfevents"
_VERSION = "brain.Event:2"


class EventFile:
    """A new event file.

    Args:
        path: Where it is; what was there is replaced.
        forgets: Whether a TensorBoard that is open is to forget what it has read of this run.
    """

    def __init__(self, path: Path, forgets: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._records = tensorboardx().record_writer(str(path))
        self._has_news = True
        self._write(file_version=_VERSION, wall_time=time.time())
        if forgets:
            self._write(session_log={"status": "START"}, step=0, wall_time=time.time())

    def write(self, values: Sequence[Value], step: int = 0, at_s: float | None = None) -> None:
        """Adds an event.

        Args:
            values: What it says.
            step: Of the training.
            at_s: When it was, in seconds since 1970; now by default.
        """
        at_s = time.time() if at_s is None else at_s
        self._write(summary={"value": list(values)}, step=step, wall_time=at_s)

    def flush(self) -> None:
        """Makes everything readable."""
        if self._has_news:
            self._records.flush()
            self._has_news = False

    def close(self) -> None:
        """Ends the file."""
        self.flush()
        self._records.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(tensorboardx().event(**fields).SerializeToString())
        self._has_news = True


def write_at_once(folder: Path, kind: str, values: Sequence[Value], step: int = 0) -> None:
    """A file with one event; it is there in whole, or not at all."""
    unfinished = folder / ".unfinished"
    file = EventFile(unfinished)
    file.write(values, step)
    file.close()
    os.replace(unfinished, new_path(folder, kind))


def new_path(folder: Path, kind: str) -> Path:
    """A path for a file of a kind, behind those that are there even if the clock was put back."""
    last = max((int(path.name.split(".")[3]) for path in event_files(folder)), default=0)
    return folder / f"{PREFIX}.{max(time.time_ns(), last + 1)}.{kind}"


def event_files(folder: Path, kind: str = "") -> list[Path]:
    """The event files of a folder, those of a kind alone if one is given, in order of time."""
    return sorted(folder.glob(f"{PREFIX}.*.{kind or '*'}"))


def remove_files(folder: Path, kind: str = "") -> bool:
    """Removes event files, see `event_files`; returns whether there were any."""
    paths = event_files(folder, kind)
    for path in paths:
        path.unlink(missing_ok=True)
    return bool(paths)


def read_events(path: Path) -> list[Any] | None:
    """The events of a file; None where it is torn: TensorBoard would read no further, either."""
    library, events = tensorboardx(), list[Any]()
    with path.open("rb") as file:
        while header := file.read(_HEADER.size):
            record = _record(header, file)
            if record is None:
                return None
            events.append(library.event.FromString(record))
    return events


_HEADER, _CHECKSUM = struct.Struct("<QI"), struct.Struct("<I")
"""The frame of a record, as in any TFRecord file: length and its checksum; that of the record."""


def _record(header: bytes, file: BinaryIO) -> bytes | None:
    """The record behind a header; None if either is damaged."""
    crc = tensorboardx().masked_crc32c
    if len(header) < _HEADER.size:
        return None
    length, checksum = _HEADER.unpack(header)
    if crc(header[:8]) != checksum:
        return None
    record, ending = file.read(length), file.read(_CHECKSUM.size)
    is_whole = len(ending) == _CHECKSUM.size and _CHECKSUM.unpack(ending)[0] == crc(record)
    return record if is_whole else None
