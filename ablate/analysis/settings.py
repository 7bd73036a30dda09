"""What the numbers of a study are made with: every setting of its cells, in one list."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from ablate.dotted import flatten
from ablate.identity import canonical_json
from ablate.plan.plan import Plan
from ablate.plan.resolved import resolved_of, without_seed
from ablate.spec.design import Cell
from ablate.spec.models import text
from ablate.text import printable

NOT_GIVEN = "not given"
CELL = "cell"
BLOCK = "block"
SEED = "seed"
NO_LEVEL = "–"
MOST_TOGETHER = 2
"""Factors that are tried together as what decides a setting."""


class Source(StrEnum):
    """Where the value of a setting that all cells share comes from."""

    VARIED = "varied"
    """They do not share it."""
    GIVEN = "set"
    FOLLOWS = "follows from other settings"
    """The study does not set it, and its model does not have it so by default."""
    SCRIPT = "of the script"
    """The study does not set it: its command's `config_command` says so."""
    DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class SettingValue:
    """One value of a setting, and where it holds."""

    text: str
    levels: Sequence[str] = ()
    """Of what decides the setting."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One key of the cells' configs."""

    key: str
    values: Sequence[SettingValue]
    """In the order of the cells; a single one where all share it."""
    source: Source
    by: str = ""
    """What decides it, where it varies: a factor, two, the block, the run's seed, or the cell."""
    default: str | None = None
    """What its model has by default; None where nobody knows."""


@dataclass(frozen=True)
class Settings:
    """All settings of a study: the varied ones first, those left at their default last."""

    each: Sequence[Setting] = ()
    without_model: str = ""
    """The trainable, where it declares no `Config`: what it takes by default nobody knows."""
    asked: bool = False
    """Whether scripts were asked what they really get (`config_command`)."""


NO_SETTINGS = Settings()


@dataclass(frozen=True)
class Unlike:
    """A setting that differs between two studies."""

    key: str
    one: Sequence[str]
    """Its values in the cells that are compared, each once."""
    other: Sequence[str]


def settings_of(plan: Plan) -> Settings:
    """The settings of a plan's cells; none of results from elsewhere, which nobody has told."""
    if plan.origin:
        return NO_SETTINGS
    defaults = dict(flatten(plan.model.defaults))
    configs = [_config(plan, cell) for cell in plan.cells]
    written = {key for cell in plan.cells for key, _ in flatten(cell.written_config())}
    own = {key for cell in plan.cells for key, _ in flatten(cell.config)}
    of_scripts = {key for config in configs for key in config} - own
    found = [
        _setting(plan, key, configs, written, of_scripts, defaults)
        for key in dict.fromkeys(key for config in configs for key in config)
    ]
    order = list(Source)
    found.sort(key=lambda setting: order.index(setting.source))
    told = {cell.entry.name for cell in plan.cells if resolved_of(plan.study, cell, cell.config)}
    without = [
        entry.name
        for entry in plan.entries
        if entry.config_model().model is None and entry.name not in told
    ]
    return Settings(found, ", ".join(without), asked=bool(told))


def _config(plan: Plan, cell: Cell) -> dict[str, Any]:
    """By dotted keys: what a cell's script resolves its config to, or the config as it is."""
    resolved = resolved_of(plan.study, cell, cell.config)
    return dict(flatten(cell.config)) if resolved is None else without_seed(resolved)


def unlike_settings(
    pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> Sequence[Unlike]:
    """The settings in which configs differ that are compared with each other.

    Args:
        pairs: The configs of a cell in one study and in the other.
    """
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for pair in pairs:
        one, other = (dict(flatten(config)) for config in pair)
        for key in dict.fromkeys([*one, *other]):
            if _plain(one, key) != _plain(other, key):
                both = found.setdefault(key, ({}, {}))
                for values, config in zip(both, (one, other), strict=True):
                    values[_text(config, key)] = None
    return [Unlike(printable(key), list(one), list(other)) for key, (one, other) in found.items()]


def _setting(
    plan: Plan,
    key: str,
    configs: Sequence[Mapping[str, Any]],
    written: Collection[str],
    of_scripts: Collection[str],
    defaults: Mapping[str, Any],
) -> Setting:
    default = _text(defaults, key) if key in defaults else None
    if plan.study.split_seed is not None and key == plan.model.split_key:
        values = [SettingValue(text="the run's seed")]
        return Setting(key=key, values=values, source=Source.VARIED, by=SEED, default=default)
    plain = [_plain(config, key) for config in configs]
    texts = {value: _text(config, key) for value, config in zip(plain, configs, strict=True)}
    if len(texts) > 1:
        by, levels = _decided(plan, key, plain)
        values = [SettingValue(text=texts[value], levels=of) for value, of in levels.items()]
        return Setting(
            key=printable(key), values=values, source=Source.VARIED, by=by, default=default
        )
    source = Source.DEFAULT if plain[0] == _plain(defaults, key) else Source.FOLLOWS
    if _is_written(key, written):
        source = Source.GIVEN
    elif key in of_scripts:
        source = Source.SCRIPT
    elif None in (m.model for m in plan.model.models):
        source = Source.GIVEN
    values = [SettingValue(text=texts[plain[0]])]
    return Setting(key=printable(key), values=values, source=source, default=default)


def _decided(plan: Plan, key: str, plain: Sequence[str]) -> tuple[str, Mapping[str, list[str]]]:
    """What decides a setting, and the levels at which it has each value."""
    for names in _deciders(plan, key):
        level_of = [_level(cell, names) for cell in plan.cells]
        found = dict(zip(level_of, plain, strict=True))
        if all(found[level] == value for level, value in zip(level_of, plain, strict=True)):
            levels: dict[str, list[str]] = {}
            for level, value in found.items():
                levels.setdefault(value, []).append(level)
            return " and ".join(map(printable, names)), levels
    names_by: dict[str, list[str]] = {}
    for cell, value in zip(plan.cells, plain, strict=True):
        names_by.setdefault(value, []).append(cell.name)
    return CELL, names_by


def _deciders(plan: Plan, key: str) -> Iterator[tuple[str, ...]]:
    """What may decide a setting, the likeliest first: those whose levels set it."""
    setting = [
        name
        for name, factor in plan.factors.items()
        if any(_is_written(key, level.sets.keys()) for level in factor.levels)
    ]
    block = [BLOCK] * any(cell.block for cell in plan.cells)
    names = list(dict.fromkeys([*setting, *block, *plan.factors]))
    for number in range(1, MOST_TOGETHER + 1):
        yield from combinations(names, number)


def _level(cell: Cell, names: Sequence[str]) -> str:
    """`target`, or `target, narrow`; of a factor that does not apply, a dash."""
    own = {BLOCK: cell.block, **{name: level.text for name, level in cell.levels.items()}}
    return ", ".join(own.get(name) or NO_LEVEL for name in names)


def _is_written(key: str, written: Collection[str]) -> bool:
    """Whether a key is among those that a study writes, or one above or below it."""
    return key in written or any(
        key.startswith(f"{one}.") or one.startswith(f"{key}.") for one in written
    )


def _plain(config: Mapping[str, Any], key: str) -> str:
    """A value in a form that equal ones share, however they were written."""
    return canonical_json(config[key]) if key in config else ""


def _text(config: Mapping[str, Any], key: str) -> str:
    return text(config[key]) if key in config else NOT_GIVEN
