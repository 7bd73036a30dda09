"""What TensorBoard is told, as the fields of its events: scalars, texts, and what HParams shows."""

import json
import math
import numbers
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ablate.events import GPU_MEMORY_MB, GPU_PERCENT, PRIVATE_METRICS
from ablate.run_row import RunRow, Status
from ablate.spec.models import Factor, Study, text
from ablate.text import printable, without_middle
from ablate.tracking.base import TrackedTable
from ablate.tracking.tensorboard.library import tensorboardx

Value = dict[str, Any]
"""The fields of one value of an event."""
EXPERIMENT = "_hparams_/experiment"
SESSION_START = "_hparams_/session_start_info"
SESSION_END = "_hparams_/session_end_info"
"""The tags by which TensorBoard's HParams tab knows its content."""
RESULT = "result/"
"""Begins the tag of a metric's result, which is not always the last value of its curve."""
SEED = "seed"
MAX_TRACE = 8_000
"""Characters of a traceback."""
_SYSTEM = {GPU_PERCENT: "system/gpu_percent", GPU_MEMORY_MB: "system/gpu_memory_mb"}


def scalars_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The scalars of a point by tag, as exact as event files hold them."""
    named = {
        _SYSTEM.get(name, name): value
        for name, value in metrics.items()
        if (name in _SYSTEM or name not in PRIVATE_METRICS) and isinstance(value, numbers.Real)
    }
    return {name: _single(float(value)) for name, value in named.items()}


def scalars(values: Mapping[str, float]) -> list[Value]:
    """Scalars by tag."""
    return [{"tag": tag, "simple_value": value} for tag, value in values.items()]


def note(tag: str, markdown: str) -> Value:
    """A text, which TensorBoard shows as Markdown."""
    plugin = {"plugin_data": {"plugin_name": "text"}}
    tensor = {
        "dtype": "DT_STRING", "string_val": [markdown.encode()],
        "tensor_shape": {"dim": [{"size": 1}]},
    }  # fmt: skip
    return {"tag": tag, "metadata": plugin, "tensor": tensor}


def start_of(row: RunRow, study: Study) -> list[Value]:
    """What is known of a run when it starts: its place in the study, and its whole config."""
    levels = {name: row[name] for name in factors_of(study) if row.get(name) is not None}
    started = row.started_at.timestamp() if row.started_at else 0.0
    hparams = {name: _as_value(_written(levels[name], kind))
               for name, kind in kinds_of(study).items() if name in levels}  # fmt: skip
    if row.seed is not None:
        hparams[SEED] = {"number_value": row.seed}
    session = {"session_start_info": {"hparams": hparams, "start_time_secs": started}}
    return [_hparams(SESSION_START, session), note("config", _code(_indented(row.config or "{}")))]


def end_of(row: RunRow, results: Mapping[str, float]) -> list[Value]:
    """How a run ended: its results, and how it failed if it did."""
    status = "STATUS_FAILURE" if row.status.has_failed else "STATUS_SUCCESS"
    ended = row.ended_at.timestamp() if row.ended_at else 0.0
    session = {"session_end_info": {"status": status, "end_time_secs": ended}}
    values = [_hparams(SESSION_END, session)]
    values += scalars({f"{RESULT}{name}": _single(value) for name, value in results.items()})
    if row.status.has_failed:
        values += scalars({row.status.value: 1.0})
    return [*values, note("status", _ending(row))]


def experiment_of(study: Study) -> list[Value]:
    """The columns of the HParams tab: a study's factors, the seed, and what results it asks for."""
    kinds, levels = kinds_of(study), factors_of(study)
    factors = [
        {
            "name": name,
            "type": kind,
            "domain_discrete": {"values": [_as_value(_written(v, kind)) for v in levels[name]]},
        }
        for name, kind in kinds.items()
    ]
    experiment = {
        "description": study.question,
        "hparam_infos": [*factors, {"name": SEED, "type": "DATA_TYPE_FLOAT64"}],
        "metric_infos": [
            {"name": {"tag": f"{RESULT}{metric}"}, "display_name": metric}
            for metric in study.metrics
        ],
    }
    return [_hparams(EXPERIMENT, {"experiment": experiment})]


def report_of(tables: Sequence[TrackedTable], answer: Sequence[str]) -> list[Value]:
    """The report's answer and its tables."""
    told = "\n\n".join(map(_plain, answer))
    return [note("answer", told), *(note(table.title, _table(table)) for table in tables)]


def factors_of(study: Study) -> dict[str, list[Any]]:
    """The labels of all levels of each factor, of all blocks."""
    factors: list[Factor] = [*study.factor_list]
    for block in study.blocks:
        factors += block.factor_list
    labels: dict[str, list[Any]] = {}
    for factor in factors:
        known = labels.setdefault(factor.name, [])
        known += [level.label for level in factor.levels if level.label not in known]
    return labels


def kinds_of(study: Study) -> dict[str, str]:
    """Of each factor, what its levels are to TensorBoard, which takes one kind for all."""
    return {name: _kind(labels) for name, labels in factors_of(study).items()}


def _kind(labels: Sequence[Any]) -> str:
    if all(isinstance(label, bool) for label in labels):
        return "DATA_TYPE_BOOL"
    if all(isinstance(label, int | float) and not isinstance(label, bool) for label in labels):
        return "DATA_TYPE_FLOAT64"
    return "DATA_TYPE_STRING"


def _written(label: Any, kind: str) -> Any:
    """A label as its factor's kind, as far as it is one."""
    if kind == "DATA_TYPE_BOOL":
        return bool(label)
    return float(label) if kind == "DATA_TYPE_FLOAT64" else text(label)


def _as_value(value: str | float) -> Value:
    if isinstance(value, bool):
        return {"bool_value": value}
    return {"string_value": value} if isinstance(value, str) else {"number_value": value}


def _hparams(tag: str, content: Mapping[str, Any]) -> Value:
    # In one order in every process: that the same content is there already is told by its bytes.
    written = tensorboardx().hparams(version=0, **content).SerializeToString(deterministic=True)
    plugin = {"plugin_data": {"plugin_name": "hparams", "content": written}}
    return {"tag": tag, "metadata": plugin}


def _ending(row: RunRow) -> str:
    if row.status is Status.OK:
        return f"ok ({_plain(row.stop_reason)})" if row.stop_reason else "ok"
    told = f"**{row.status.value}**: {_plain(row.cause)}"
    trace = without_middle(row.traceback or "", MAX_TRACE)
    return f"{told}\n\n{_code(trace)}" if trace else told


def _table(table: TrackedTable) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(map(_plain, cells))} |" for cells in lines)


def _plain(words: str) -> str:
    """A line of text whose characters mean nothing to Markdown, within tables neither."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in printable(words))


def _code(block: str) -> str:
    return "\n".join(f"    {line}" for line in block.splitlines())


def _indented(config: str) -> str:
    return json.dumps(json.loads(config), indent=2, ensure_ascii=False)


def _single(value: float) -> float:
    """A number as the 32 bits that event files have for it."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
