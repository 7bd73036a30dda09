"""What W&B's own files say of the runs of a study."""

import json
import struct
import zlib
from dataclasses import dataclass, field

from wandb.proto import wandb_internal_pb2

from ablate.study_dir import StudyPaths

BLOCK_BYTES = 32_768
HEADER = struct.Struct("<IHB")
FILE_HEADER_BYTES = 7
FULL, FIRST, LAST = 1, 2, 4


@dataclass
class TrackedRun:
    """One W&B run, over all its segments."""

    group: str = ""
    job: str = ""
    tags: list = field(default_factory=list)
    config: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    points: list = field(default_factory=list)
    exit_codes: list = field(default_factory=list)
    segments: int = 0


def tracked_runs(root):
    """Runs by display name."""
    runs = {}
    for path in sorted(StudyPaths(root).wandb_runs.glob("offline-run-*/*.wandb")):
        name, run = None, TrackedRun()
        for record in read_records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                if name is None:
                    name = record.run.display_name
                    run = runs.setdefault(name, run)
                    run.segments += 1
                run.group, run.job = record.run.run_group, record.run.job_type
                run.tags = list(record.run.tags)
                _update(run.config, record.run.config.update)
            elif kind == "config":
                _update(run.config, record.config.update)
            elif kind == "history":
                point = {_key(i): json.loads(i.value_json) for i in record.history.item}
                run.steps.append(int(point.get("_step", record.history.step.num)))
                run.points.append(point)
            elif kind == "summary":
                _update(run.summary, record.summary.update)
            elif kind == "exit":
                run.exit_codes.append(record.exit.exit_code)
    return runs


def _update(target, items):
    for item in items:
        target[_key(item)] = json.loads(item.value_json)


def _key(item):
    return item.key or ".".join(item.nested_key)


def read_records(path):
    """The protobuf records of a transaction log: a LevelDB-style file of 32 KiB blocks."""
    for body in _bodies(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(body)
        yield record


def _bodies(data):
    offset, parts = FILE_HEADER_BYTES, b""
    while offset + HEADER.size <= len(data):
        left = BLOCK_BYTES - offset % BLOCK_BYTES
        if left < HEADER.size:
            offset += left
            continue
        checksum, length, kind = HEADER.unpack_from(data, offset)
        start = offset + HEADER.size
        body = data[start : start + length]
        if len(body) < length or zlib.crc32(bytes([kind]) + body) != checksum:
            return
        offset = start + length
        parts = body if kind in (FULL, FIRST) else parts + body
        if kind in (FULL, LAST):
            yield parts
