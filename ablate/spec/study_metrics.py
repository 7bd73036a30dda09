"""The metrics that a study adds to those of its trainables, by their `study_keys`.

To know them its code is imported. A report needs none of it: what it said is kept in the study
directory when the study runs.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, fields
from typing import Any

from ablate.errors import Problem
from ablate.identity import canonical_json
from ablate.run_row import COLUMNS
from ablate.spec.models import Block, Study
from ablate.study_dir import StudyPaths, kept_mapping, write_atomically
from ablate.trainable.config_model import ConfigModel, Specs
from ablate.trainable.contract import ConfigError, MetricSpec, Mode
from ablate.trainable.registry import StudyEntry, TrainableEntry


def with_study_metrics(
    study: Study, entry: TrainableEntry, base: Mapping[str, Any]
) -> TrainableEntry | Problem:
    """A trainable that knows the metrics which a study adds; what is wrong with them otherwise.

    Args:
        study: The study.
        entry: One of its trainables.
        base: What all cells with it start from.
    """
    model = entry.config_model() if entry.command is None else None
    keys: Any = None if model is None else model.study_keys
    if model is None or not isinstance(keys, Set) or not any(map(base.get, keys)):
        return entry  # what is no set is told by `hook_problems`
    kept = study.kept_metrics.get(entry.name, {})
    try:
        if kept.get("keys") == _keys(base, model.study_keys):
            return _with(entry, dict(_read(kept["metrics"])))
        known, found = model.own_metrics, model.metrics_of(base, _asked(study))
    except ConfigError as error:
        return Problem(f"base.{next(iter(error.keys), '')}", str(error))
    new = {name: spec for name, spec in found.items() if name not in known}
    for name in (name for name in new if name in COLUMNS):
        key = _source_of(name, model, base, _asked(study))
        return Problem(f"base.{key}", "the ledger already has a column of that name", name,
                       fix="rename it")  # fmt: skip
    return _with(entry, new) if new else entry


def study_key_problems(
    parts: Iterable[tuple[str, Study | Block, TrainableEntry, bool]],
) -> Iterator[Problem]:
    """Keys of the whole study that a part of it sets.

    Args:
        parts: The study's own factors and each block: its place in the YAML, what it says, its
            trainable, and whether its base is the first with that.
    """
    of_each: dict[str, Specs] = {}
    for place, part, entry, has_own_base in parts:
        model = entry.config_model()
        keys = model.study_keys
        for factor in part.factor_list:
            for key in (key for key in factor.keys if key.partition(".")[0] in keys):
                yield Problem(f"{place}factors.{factor.name}", f"{key} is the same in all cells",
                              fix=f"write base.{key}")  # fmt: skip
        for key in sorted(keys & part.base.keys()) if not has_own_base else ():
            yield Problem(f"{place}base.{key}", f"{key} is the same in all cells",
                          fix=f"write base.{key}, outside of the block")  # fmt: skip
        if of_each.setdefault(entry.name, model.of_study) != model.of_study:
            named = " and ".join(sorted(keys & part.base.keys() or keys))
            yield Problem(f"{place}base", f"other cells with {entry.name} have other metrics",
                          fix=f"write the same {named} in both")  # fmt: skip


def keep_metrics(
    paths: StudyPaths, found: Mapping[TrainableEntry, tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Keeps which metrics a study adds.

    Args:
        paths: Its directory.
        found: By trainable, what its cells start from, and the specs by name.
    """
    kept = {
        entry.name: {
            "keys": _keys(base, entry.config_model().study_keys),
            "metrics": {name: asdict(spec) for name, spec in specs.items()},
        }
        for entry, (base, specs) in found.items()
    }
    if kept or paths.study_metrics.exists():
        write_atomically(paths.study_metrics, json.dumps(kept, indent=1))


def read_kept_metrics(paths: StudyPaths) -> dict[str, Any]:
    """What was kept when the study was last run."""
    return kept_mapping(paths.study_metrics)


def _with(entry: TrainableEntry, specs: Mapping[str, MetricSpec]) -> StudyEntry:
    own: dict[str, Any] = {each.name: getattr(entry, each.name) for each in fields(entry)}
    own["of_study"] = tuple(specs.items())
    return StudyEntry(**own)


def _source_of(
    name: str, model: ConfigModel, base: Mapping[str, Any], asked: Mapping[str, Mode | None]
) -> str:
    """The key without which a study would not have a metric."""
    without = {key: {k: v for k, v in base.items() if k != key} for key in model.study_keys}
    return min(key for key, rest in without.items() if name not in model.metrics_of(rest, asked))


def _asked(study: Study) -> dict[str, Mode | None]:
    """The metrics that a study names, with the direction if it gives one."""
    asked: dict[str, Mode | None] = dict.fromkeys([*study.metrics, *study.stop])
    if "mode" in study.model_fields_set:
        asked[study.metric] = study.mode
    return asked


def _keys(base: Mapping[str, Any], keys: Iterable[str]) -> str:
    return canonical_json({key: base[key] for key in keys if base.get(key) is not None})


def _read(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, MetricSpec]]:
    known = MetricSpec.__dataclass_fields__.keys()
    for name, spec in kept.items():
        yield name, MetricSpec(**{key: value for key, value in spec.items() if key in known})
