"""Finds mistakes in the design of a study: factors, levels, and the cells they form."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate.dotted import MAX_DEPTH, blocking_key
from ablate.errors import MISSING, Problem
from ablate.identity import canonical_json
from ablate.run_row import COLUMNS
from ablate.spec.combinations import Choices, accepted
from ablate.spec.config_keys import doubled_keys, is_known, keys_of
from ablate.spec.design import Cell, DesignBlock, factors_of, hashed_config
from ablate.spec.models import NAME, Block, Factor, Study
from ablate.spec.refused_cells import config_problems, fix_of_study_key
from ablate.spec.yaml_words import spacing_fix
from ablate.trainable.joint_model import JointModel

RESERVED = frozenset(COLUMNS)
"""Columns of the ledger, whose names factors cannot have."""


def well_formed(study: Study) -> tuple[Study, list[Problem]]:
    """The study without malformed factors, so that the rest can be checked, and their mistakes."""
    fields, problems = _well_formed(study, "")
    blocks: list[Any] = []
    for index, block in enumerate(study.blocks):
        block_fields, wrong = _well_formed(block, f"blocks[{index}].")
        blocks.append(block.model_copy(update=block_fields))
        problems += wrong
    if not problems:
        return study, []
    return study.model_copy(update={**fields, "blocks": tuple(blocks)}), problems


def design_problems(study: Study, blocks: Sequence[DesignBlock]) -> list[Problem]:
    """Every mistake of a study's factors, cells and configs, once factors are well-formed."""
    problems = [*_base_problems(study, blocks)]
    for block in blocks:
        problems += _factor_problems(block)
        choices = list(_choices(block))
        problems += choices or _cell_problems(block)
    problems += _compare_problems(study, blocks)
    keys = {problem.key for problem in problems}
    problems += config_problems(blocks, keys)
    # Only of valid configs can one say which are the same training.
    return problems or [*_pair_problems(study, blocks), *_lone_comparisons(study, blocks)]


def name_problems(study: Study, model: JointModel) -> Iterator[Problem]:
    """Factors whose column in the ledger would clash with a metric's."""
    metrics = dict.fromkeys([*study.metrics, *model.metrics])
    columns = {f"{name}{end}" for name in metrics for end in ("", "_best", "_final", "_floor")}
    places = [("", study), *((f"blocks[{n}].", block) for n, block in enumerate(study.blocks))]
    for place, block in places:
        for name in block.factors:
            if name in columns:
                yield Problem(f"{place}factors.{name}", "has the name of a metric's column",
                              fix="rename the factor, and name its levels")  # fmt: skip


def block_problems(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Blocks that conflict with each other or with the study."""
    if study.blocks and not study.factors:
        for key in ("baseline", "cells", "when", "exclude"):
            if getattr(study, key):
                yield Problem(key, "applies to the study's own factors, and there are none",
                              getattr(study, key), fix="move it into the block")  # fmt: skip
        if study.design != "grid":
            yield Problem("design", "applies to the study's own factors, and there are none",
                          study.design, fix="move it into the block")  # fmt: skip
    names: list[str] = []
    levels: dict[tuple[str, str], tuple[str, Any]] = {}
    for block in blocks:
        if block.name in names:
            yield Problem(f"{block.place}name", "another block has this name", block.name,
                          fix="give each block its own name")  # fmt: skip
        names.append(block.name)
        for factor in block.factors:
            for level in factor.levels:
                place = f"{block.place}factors.{factor.name}"
                first, sets = levels.setdefault((factor.name, level.key), (place, level.sets))
                if canonical_json(sets) != canonical_json(level.sets):
                    yield Problem(place, f"the level sets different keys than in {first}",
                                  level.label, fix="rename one of them")  # fmt: skip


def torn_cells(blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Cells that two blocks share, but would compare with different baselines."""
    if len(blocks) == 1:
        return  # no need to resolve the cells of a large grid
    torn: dict[tuple[str, str], list[Cell]] = {}
    seen: dict[str, tuple[str, str]] = {}
    for block in blocks:
        keys = [_training_key(cell) for cell in block.cells]
        for number, reference in enumerate(block.references):
            if reference is None or reference == number:
                continue
            baseline, place = keys[reference], block.place or "the first block"
            other, where = seen.setdefault(keys[number], (baseline, place))
            if baseline != other:
                torn.setdefault((block.place, where), []).append(block.cells[number])
    labels = {block.place: dict(block.named_baseline) for block in blocks}
    for (place, where), cells in torn.items():
        which = f"cell {cells[0].name} is" if len(cells) == 1 else (
            f"{len(cells):,} cells are, {cells[0].name} for one,")  # fmt: skip
        message = f"{which} also in {where.rstrip('.')}, with another baseline"
        fix = f"use one baseline in both, or exclude the cell{'s' * (len(cells) > 1)}"
        yield Problem(f"{place}baseline", message, labels[place], fix=fix)


def coinciding_cells(blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Cells of one block that are the same; cells shared by blocks are run once."""
    for block in blocks:
        seen: dict[str, Cell] = {}
        pairs: dict[frozenset[str], list[tuple[Cell, Cell]]] = {}
        for cell in block.cells:
            first = seen.setdefault(_training_key(cell), cell)
            if first is not cell:
                pairs.setdefault(_differing(first, cell), []).append((first, cell))
        for names, alike in pairs.items():
            one, other = alike[0]
            more = f", and so are {len(alike) - 1:,} more pairs that differ in nothing else"
            yield Problem(
                f"{block.place}factors",
                f"two cells are the same: {one.name} and {other.name}{more * (len(alike) > 1)}",
                fix="drop one of the levels, or exclude one of the cells",
            ).of_keys(*(f"{block.place}factors.{f.name}" for f in block.factors if f.name in names))


def _differing(one: Cell, other: Cell) -> frozenset[str]:
    """The factors in which two cells differ: their levels are one cause where others vary."""
    names = one.levels.keys() | other.levels.keys()
    keys = [{name: level.key for name, level in cell.levels.items()} for cell in (one, other)]
    return frozenset(name for name in names if keys[0].get(name) != keys[1].get(name))


def _training_key(cell: Cell) -> str:
    """Equal for cells that are the same training."""
    return canonical_json([cell.entry.name, hashed_config(cell.model, cell.config)])


def _well_formed(block: Block, place: str) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    factors: dict[str, Any] = {}
    for name, raw in block.factors.items():
        wrong = list(_shape_problems(f"{place}factors.{name}", name, raw))
        problems += wrong
        if not wrong:
            factors[name] = raw
    dropped = block.factors.keys() - factors.keys()
    sound = {
        "factors": factors,
        "baseline": {k: v for k, v in block.baseline.items() if k not in dropped},
        "exclude": tuple(choice for choice in block.exclude if not dropped & choice.keys()),
        "cells": tuple(choice for choice in block.cells if not dropped & choice.keys()),
        "when": {k: v for k, v in block.when.items() if not dropped & {k, *v}},
    }
    return sound, _together(problems)


def _together(problems: Sequence[Problem]) -> list[Problem]:
    """Problems of factors, those of one kind as one: a lost line makes factors of many levels."""
    alike: dict[str, list[Problem]] = {}
    for problem in problems:
        alike.setdefault(problem.message, []).append(problem)
    return [_as_one(first, more) if more else first for first, *more in alike.values()]


def _as_one(first: Problem, more: Sequence[Problem]) -> Problem:
    fix = f"{first.fix}; levels of one factor stand below its name"
    told = replace(first, value=MISSING, fix=fix)
    return told.of_keys(first.key, *(problem.key for problem in more))


def _shape_problems(key: str, name: str, raw: Any) -> Iterator[Problem]:
    if name in RESERVED:
        yield Problem(key, "is a column of the ledger, so no factor can have that name",
                      fix="put seeds under 'seeds:', or use another name")  # fmt: skip
    if not isinstance(raw, list | Mapping):
        yield Problem(key, "is neither a list of levels nor a mapping of named levels", raw,
                      fix=spacing_fix(raw) or _as_levels(name, raw))  # fmt: skip
    elif not raw:
        yield Problem(key, "has no levels", fix="add levels, or drop the factor")
    elif isinstance(raw, Mapping):
        yield from _named_level_problems(key, raw)
    names = [name, *(str(set_) for sets in raw.values() if isinstance(sets, Mapping)
                     for set_ in sets)] if isinstance(raw, Mapping) else [name]  # fmt: skip
    for deep in (name for name in names if name.count(".") >= MAX_DEPTH):
        yield Problem(key, f"names a key nested {deep.count('.')} deep", deep,
                      fix=f"nest at most {MAX_DEPTH} deep")  # fmt: skip


def _as_levels(name: str, raw: Any) -> str:
    """How a value would be a factor, or what it is where a key of the study is meant."""
    moved = fix_of_study_key(name)
    levels = f"{name}: [{raw}, ...]"
    return f"{moved}; as a factor: {levels}" if moved else f"write {levels}"


def _named_level_problems(key: str, levels: Mapping[Any, Any]) -> Iterator[Problem]:
    for label, sets in levels.items():
        if not isinstance(label, str) or not NAME.fullmatch(label):
            fix = spacing_fix(label) or "use letters, digits, '.', '_' and '-' only"
            message = "level names become parts of file names"
            yield Problem(f"{key}.{label}", message, label, fix=fix)
        elif not isinstance(sets, Mapping) or not sets:
            yield Problem(f"{key}.{label}", "does not say which config keys it sets", sets,
                          fix=f"write {label}: {{key: value, ...}}")  # fmt: skip
        is_named = isinstance(sets, Mapping)
        for odd in (
            (set_ for set_ in sets if not isinstance(set_, str) or not set_) if is_named else ()
        ):
            yield Problem(f"{key}.{label}", "sets a key that is not a name", odd,
                          fix="name a config key, dotted where it is nested")  # fmt: skip


def _base_problems(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Keys that a `base` sets twice, once nested and once with dots."""
    model = blocks[0].model.model if blocks else None
    bases = [("", study.base, model)]
    bases += [(b.place, b.spec.base, b.model.model) for b in blocks if b.place]
    for place, base, model in bases:
        for key in doubled_keys(model, base):
            yield Problem(f"{place}base.{key}", "is set twice, or inside a value, not a mapping",
                          base[key], fix="keep one of them")  # fmt: skip


def _factor_problems(block: DesignBlock) -> Iterator[Problem]:
    model = block.model.model
    keys = tuple(keys_of(model)) if model else ()
    owners: dict[str, str] = {}
    for factor in block.factors:
        place = f"{block.place}factors.{factor.name}"
        seen: set[str] = set()
        texts: set[str] = set()
        for index, level in enumerate(factor.levels):
            if level.key in seen or level.text in texts:
                yield Problem(f"{place}[{index}]", "the level is listed twice", level.label,
                              fix="drop one")  # fmt: skip
            seen.add(level.key)
            texts.add(level.text)
        for key in factor.keys:
            if model and not is_known(model, key):
                yield Problem(place, "is not a config key", key, keys, fix_of_study_key(key))
            elif above := blocking_key(block.base, key):
                yield Problem(place, f"sets a key inside {above}, which is not a mapping in base",
                              key, fix=f"write base.{above} as a mapping, or set all of it in "
                              "each level")  # fmt: skip
            if key in owners:
                yield Problem(place, f"sets a key that {owners[key]} also sets", key,
                              fix="let only one factor set it")  # fmt: skip
            owners[key] = place


def _choices(block: DesignBlock) -> Iterator[Problem]:
    """Levels that baseline, cells, exclude and when name, but that do not exist."""
    spec, place, factors = block.spec, block.place, block.factors
    yield from _choice_problems(f"{place}baseline", spec.baseline, factors)
    for key, choices in (("cells", spec.cells), ("exclude", spec.exclude)):
        for index, choice in enumerate(choices):
            yield from _choice_problems(f"{place}{key}[{index}]", choice, factors)
    by_name = {factor.name: factor for factor in factors}
    for name, condition in spec.when.items():
        if name not in by_name:
            yield Problem(f"{place}when.{name}", "is not a factor", name, tuple(by_name))
        through = _way_back(spec.when, name)
        if through:
            chain = " -> ".join((name, *through))
            yield Problem(
                f"{place}when.{name}", "depends on itself", chain, fix="drop one of the conditions"
            )
        for other, written in condition.items():
            for label in accepted(by_name.get(other), written):
                yield from _choice_problems(f"{place}when.{name}", {other: label}, factors)


def _way_back(when: Mapping[str, Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """The cycle of factors through which a factor depends on itself; empty if it does not."""
    ways = [(other,) for other in when[name]]
    seen: set[str] = set()
    for way in ways:  # grows meanwhile: breadth first
        if way[-1] == name:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, other) for other in when.get(way[-1], ())]
    return ()


def _choice_problems(
    place: str, choice: Mapping[str, Any], factors: Sequence[Factor]
) -> Iterator[Problem]:
    by_name = {factor.name: factor for factor in factors}
    if choice and not by_name:
        yield Problem(place, "names factors, and there are none", fix="add factors, or drop it")
        return
    for name, label in choice.items():
        if name not in by_name:
            yield Problem(f"{place}.{name}", "is not a factor", name, tuple(by_name))
        elif by_name[name].level(label) is None:
            choices = by_name[name].texts
            yield Problem(f"{place}.{name}", "is not a level of the factor", label, choices)


def _cell_problems(block: DesignBlock) -> Iterator[Problem]:
    spec, place = block.spec, block.place
    if (spec.design == "cells") != bool(spec.cells):
        key, fix = ("cells", "design: cells") if spec.cells else ("design", "cells: [...]")
        yield Problem(f"{place}{key}", "go together: design: cells and a list of cells",
                      getattr(spec, key), fix=f"add {fix}")  # fmt: skip
        return
    for index in _idle(spec.exclude, block.candidates):
        choice = spec.exclude[index]
        yield Problem(f"{place}exclude[{index}]", "matches no cell", choice, fix="drop it")
    if not block.cells:
        yield Problem(f"{place}exclude", "leaves no cell", fix="exclude less")
    elif block.baseline is None:
        yield Problem(f"{place}baseline", "matches no cell: it is excluded",
                      dict(block.named_baseline),
                      fix="choose another baseline, or do not exclude this one")  # fmt: skip
    elif len(block.cells) > 1 and _compares_nothing(block):
        yield Problem(f"{place}baseline", "leaves nothing to compare: of no cell is there one that "
                      "has these levels and is otherwise the same", dict(block.named_baseline),
                      fix="name all factors, which compares every cell with that one; or exclude "
                      "less")  # fmt: skip
    elif spec.design == "one_at_a_time":
        yield from _unvaried(block, [block.baseline], "does not hold at the baseline, from which "
                             "one factor at a time is changed")  # fmt: skip
    else:
        yield from _unvaried(block, block.cells, "holds in no cell of the design")


def _compares_nothing(block: DesignBlock) -> bool:
    return all(other in (None, number) for number, other in enumerate(block.references))


def _unvaried(block: DesignBlock, cells: Sequence[Cell], message: str) -> Iterator[Problem]:
    """Factors that apply in none of the cells."""
    for factor in block.factors:
        if not any(factor.name in cell.levels for cell in cells):
            yield Problem(f"{block.place}when.{factor.name}", message,
                          block.spec.when[factor.name],
                          fix="drop the factor, or let the cells have that level")  # fmt: skip


def _compare_problems(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    choices = study.planned_comparisons
    factors = tuple(factors_of(blocks).values())
    wrong = [list(_choice_problems(f"compare[{index}]", choice, factors))
             for index, choice in enumerate(choices)]  # fmt: skip
    idle = _idle(choices, [cell for block in blocks for cell in block.cells], takes_all=True)
    for index, choice in enumerate(choices):
        yield from wrong[index]
        if index in idle and not wrong[index]:
            yield Problem(f"compare[{index}]", "matches no cell", choice, fix="drop it")


def _lone_comparisons(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """What `compare` lists of cells that have nothing to be compared with; configs are valid."""
    choices = study.planned_comparisons
    for index in _idle(choices, _with_partners(blocks), takes_all=True) if choices else ():
        yield Problem(f"compare[{index}]", "matches only cells that are compared with none: no "
                      "cell with the baseline's levels is otherwise the same", choices[index],
                      fix="drop it, or do not exclude their partners")  # fmt: skip


def _with_partners(blocks: Sequence[DesignBlock]) -> list[Cell]:
    """The cells that are compared with another one, or others with them, in any block."""
    pairs = [pair for b in blocks for pair in zip(b.cells, b.references, strict=True)]
    found = [cell for cell, reference in pairs if reference is not None]
    left = [cell for cell, reference in pairs if reference is None]
    if len(blocks) == 1 or not left:
        return found
    known = {_training_key(cell) for cell in found}
    return [*found, *(cell for cell in left if _training_key(cell) in known)]


def _pair_problems(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Cells are compared within their block, and all pairs are one family."""
    if not study.compares_pairs:
        return
    baselines = {_training_key(block.baseline) for block in blocks if block.baseline is not None}
    if len(baselines) > 1:
        yield Problem("compare", "blocks with baselines of their own have no pairs in common",
                      "pairs", fix="make a study of each, or drop compare")  # fmt: skip


def _idle(
    choices: Sequence[Mapping[str, Any]], cells: Sequence[Cell], takes_all: bool = False
) -> list[int]:
    """The indices of choices that match no cell; an empty one may stand for all cells."""
    if not choices:
        return []
    indexed = Choices(choices)
    used = {index for cell in cells for index in indexed.holding(cell.levels)}
    return [n for n, choice in enumerate(choices) if n not in used or not (choice or takes_all)]
