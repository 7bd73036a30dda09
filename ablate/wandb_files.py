"""W&B's transaction logs (`run-<id>.wandb`): reading their records, mending a torn end.

A log is a LevelDB-style file: a 7-byte header, then blocks of 32 KiB with records
`<crc32, length, type>`, where a record that crosses a block's end comes in parts.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate.paths import StudyPaths

FILE_HEADER_BYTES = 7
BLOCK_BYTES = 32_768
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def segments(wandb_runs: Path, wandb_id: str) -> list[Path]:
    """The logs of one run, oldest first: a run that went on after a restart has several."""
    return sorted(wandb_runs.glob(f"*run-*-{wandb_id}/run-{wandb_id}.wandb"))


def read_records(path: Path) -> Iterator[Any]:
    """The protobuf records of a log, up to its end or to where it is torn."""
    from wandb.proto import wandb_internal_pb2

    for body, _ in _bodies(path.read_bytes()):
        record = wandb_internal_pb2.Record()  # pyright: ignore[reportAttributeAccessIssue]
        record.ParseFromString(body)
        yield record


def last_step(path: Path) -> int:
    """The largest step that a log holds, -1 for none."""
    last = -1
    for record in read_records(path):
        if record.WhichOneof("record_type") == "history":
            last = max(last, record.history.step.num, *_steps(record.history))
    return last


def mend(path: Path) -> bool:
    """Cuts a log after its last whole record: `wandb sync` gives up on a torn one.

    Returns:
        Whether there was anything to cut.
    """
    data = path.read_bytes()
    whole = FILE_HEADER_BYTES
    for _, end in _bodies(data):
        whole = end
    if len(data) <= whole or not any(data[whole:]):
        return False
    with path.open("r+b") as file:
        file.truncate(whole)
    return True


def whole_runs(paths: StudyPaths) -> set[str]:
    """The ended runs that W&B has whole, by id and launch."""
    return (
        set(paths.wandb_whole.read_text("utf-8").split("\n"))
        if paths.wandb_whole.exists()
        else set()
    )


def _steps(history: Any) -> list[int]:
    return [
        int(float(i.value_json))
        for i in history.item
        if (i.key or ".".join(i.nested_key)) == "_step"
    ]


def _bodies(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Whole record bodies, and the offset behind each."""
    offset, parts = FILE_HEADER_BYTES, b""
    while offset + _HEADER.size <= len(data):
        left = BLOCK_BYTES - offset % BLOCK_BYTES
        if left < _HEADER.size:
            offset += left
            continue
        checksum, length, kind = _HEADER.unpack_from(data, offset)
        start = offset + _HEADER.size
        body = data[start : start + length]
        if len(body) < length or zlib.crc32(bytes([kind]) + body) != checksum:
            return
        offset = start + length
        parts = body if kind in (_FULL, _FIRST) else parts + body
        if kind in (_FULL, _LAST):
            yield parts, offset
