"""Checks what pydantic cannot: how the parts of a study fit each other and the trainable."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ablate.errors import Problem
from ablate.functions.signature import SEED
from ablate.process.gc_pause import gc_paused
from ablate.run_row import COLUMNS
from ablate.spec.check_shapes import (
    block_problems,
    coinciding_cells,
    design_problems,
    name_problems,
    torn_cells,
    well_formed,
)
from ablate.spec.command_checks import (
    keyless_cells,
    new_problems_of_commands,
    problems_of_commands,
)
from ablate.spec.config_keys import is_known
from ablate.spec.design import DesignBlock, blocks_of
from ablate.spec.environment import unset_problems
from ablate.spec.models import AA_SEED_OFFSET, Study
from ablate.spec.seeds import SeedRule, SeedsByRole
from ablate.spec.sizes import size_problems
from ablate.spec.split_checks import refused_splits, split_problems
from ablate.spec.study_metrics import study_key_problems
from ablate.spec.trainable_checks import trainable_problems
from ablate.spec.trainables import Trainables, find_trainables
from ablate.text import storable
from ablate.trainable.hook_checks import hook_problems
from ablate.trainable.joint_model import JointModel
from ablate.trainable.metric_rules import differing_keys


@gc_paused()
def study_problems(study: Study, is_kept: bool = False) -> list[Problem]:
    """Mistakes of a study whose single fields are valid, except those about its directory.

    Args:
        study: The study.
        is_kept: Whether it is that of a study directory, of which a report can still be made.
    """
    problems = list(_seed_problems(study))
    trainables = find_trainables(study)
    if isinstance(trainables, list):
        return [*problems, *trainables, *well_formed(study)[1]]
    model = trainables.model
    mistaken = [problem for each in model.models for problem in hook_problems(each)]
    if mistaken:  # what follows reads the hooks
        return [*problems, *mistaken, *well_formed(study)[1]]
    for each in model.models:
        problems += _metric_problems(study, JointModel((each,)))
    problems += _direction_problems(study, model)
    study, shapes = well_formed(study)
    problems += [*shapes, *name_problems(study, model), *_study_key_problems(study, trainables)]
    too_large = list(size_problems(study))
    if too_large:
        return [*problems, *too_large]
    blocks = blocks_of(study, trainables)
    problems += problems_of_commands(study, blocks)
    if not is_kept:
        problems += [*_set_seeds(study, blocks), *new_problems_of_commands(study, blocks)]
    problems += [*block_problems(study, blocks), *design_problems(study, blocks)]
    problems += split_problems(study, trainables, blocks)
    problems += trainable_problems(study, trainables.each, blocks)
    return problems or [
        *keyless_cells(study, blocks),
        *coinciding_cells(blocks),
        *torn_cells(blocks),
        *_unmeasured(study, blocks),
        *_comparability(study, model, blocks),
        *refused_splits(study, trainables, blocks),
        *_unknown_parts(study, blocks),
    ]


def storage_problems(study: Study) -> Iterator[Problem]:
    """Why the study's directory cannot be created."""
    written = {"storage": study.storage, "folder": study.folder}
    unset = [problem for key, path in written.items() for problem in unset_problems(key, path)]
    if unset:
        yield from unset
        return
    if "://" in study.storage:
        yield Problem(
            "storage",
            "only local paths for now",
            study.storage,
            fix="write a path, such as ./studies",
        )
        return
    if not study.storage:
        yield Problem("storage", "is empty", fix="write a path, such as ./studies")
        return
    for key, path in (("storage", study.storage), ("folder", study.folder or "")):
        if "\0" in path:
            yield Problem(key, "contains a NUL, which no path can", path, fix="drop it")
            return
        if storable(path) != path:
            yield _no_text(key, path)
            return
    unusable = path_problems("storage", study.directory)
    if unusable:
        yield from unusable
        return
    existing = study.directory
    while not os.path.exists(existing):  # unlike Path.exists, it never raises
        existing = existing.parent
    if not existing.is_dir():
        yield Problem("storage", f"{existing} is a file, not a directory", study.storage,
                      fix="choose another path, or move the file")  # fmt: skip
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Problem("storage", f"{existing} cannot be written", study.storage,
                      fix="choose a path that you can write to, or --storage DIR")  # fmt: skip


def path_problems(key: str, directory: Path) -> list[Problem]:
    """Why Parquet and Ray cannot take the path of a study directory."""
    path = str(directory)
    if storable(path) == path:
        return []
    return [_no_text(key, path)]


def _no_text(key: str, path: str) -> Problem:
    message = "is not a path of UTF-8 text, which Parquet and Ray need"
    return Problem(key, message, path, fix="use another path")


def _set_seeds(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Seeds in configs, each of which would be overwritten by that of the run."""
    told, fix = "is given to each run by the study's `seeds`", "drop it, and list it there"
    bases = {"": study.base, **{block.place: block.spec.base for block in blocks}}
    for place, base in bases.items():
        models = [block.model.model for block in blocks if block.place == place]
        if SEED in base and all(model is None or is_known(model, SEED) for model in models):
            yield Problem(f"{place}base.{SEED}", told, base[SEED], fix=fix)
    for block in blocks:
        for factor in block.factors:
            if SEED in factor.keys:
                key = f"{block.place}factors.{factor.name}"
                yield Problem(key, f"sets seed, which {told}", fix=fix)


def _seed_problems(study: Study) -> Iterator[Problem]:
    lists = {"seeds": study.first_seeds}
    if isinstance(study.seeds, SeedsByRole):
        lists = {"seeds.baseline": study.seeds.baseline, "seeds.others": study.seeds.others}
    for key, seeds in lists.items():
        seen = set[int]()
        for index, seed in enumerate(seeds):
            if seed in seen:
                yield Problem(f"{key}[{index}]", "the seed is listed twice", seed, fix="drop one")
            seen.add(seed)
    rule = study.seeds if isinstance(study.seeds, SeedRule) else None
    listed = set(study.numbered(rule.max) if rule else study.first_seeds)
    again = [seed for seed in study.seeds_of(is_baseline=True) if seed + AA_SEED_OFFSET in listed]
    for seed in again[:1] if study.aa else ():
        more = f", and {len(again) - 1:,} more" * (len(again) > 1)
        yield Problem("aa", f"the second baseline of seed {seed} would use this seed too{more}",
                      seed + AA_SEED_OFFSET, fix="use other seeds")  # fmt: skip


def _metric_problems(study: Study, model: JointModel) -> Iterator[Problem]:
    metrics = model.metrics
    for key, metric in _metrics(study):
        if metrics and metric not in metrics:
            yield Problem(key, "the trainable reports no such metric", metric, tuple(metrics))
        elif not metrics and metric in COLUMNS:
            yield Problem(key, "the ledger already has a column of that name", metric,
                          fix="report it under another name")  # fmt: skip
    if study.log_scale and not model.metric(study.metric).has_ratios:
        yield Problem("log_scale", f"ratios of {study.metric} are meaningless: its zero depends on "
                      "the data's units", True, fix="drop it")  # fmt: skip


def _direction_problems(study: Study, model: JointModel) -> Iterator[Problem]:
    """Metrics of which trainables disagree what is better, where the study does not say it."""
    for key, metric in _metrics(study):
        is_said = metric == study.metric and "mode" in study.model_fields_set
        if len(model.modes(metric)) > 1 and not is_said:
            yield Problem(
                key, "lower is better by one trainable of the study, higher by another", metric,
                fix="write mode: min or mode: max" if metric == study.metric
                else "drop it, or give them the same direction in their Config",
            )  # fmt: skip


def _study_key_problems(study: Study, trainables: Trainables) -> Iterator[Problem]:
    """Keys of the whole study, such as its further metrics, that a factor or a block sets."""
    blocks = zip(study.blocks, trainables.of_blocks, strict=True)
    yield from study_key_problems([
        ("", study, trainables.own, True),
        *((f"blocks[{index}].", block, entry, block.trainable is not None)
          for index, (block, entry) in enumerate(blocks)),
    ])  # fmt: skip


def _comparability(
    study: Study, model: JointModel, designed: Sequence[DesignBlock]
) -> Iterator[Problem]:
    # Cells are compared within their block.
    blocks = [[cell.configured for cell in block.cells] for block in designed]
    differing = [key for configs in blocks for key in differing_keys(configs, study.metric)]
    if study.allow_incomparable or not differing:
        return
    broken = dict.fromkeys(differing)
    good = tuple(
        name
        for name, spec in model.metrics.items()
        if spec.ranks
        and all(each.measured(config, name) for configs in blocks for each, config in configs)
        and not any(differing_keys(configs, name) for configs in blocks)
    )
    yield Problem(
        "metric",
        f"measures different things in cells that differ in {', '.join(broken)}",
        study.metric, good,
        f"write metric: {good[0]}, or allow_incomparable: true to rank by it anyway"
        if good else "put each in a block with its own baseline, or write "
        "allow_incomparable: true to rank by it anyway",
    )  # fmt: skip


def _unmeasured(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Metrics that the trainable knows, but that a cell's config does not turn on."""
    cells = [cell for block in blocks for cell in block.cells]
    for key, metric in _metrics(study):
        lacking = next((c for c in cells if not c.model.measured(c.validated, metric)), None)
        if lacking is not None:
            yield Problem(
                key, f"is not measured in cell {lacking.name}: its config does not turn it on",
                metric, fix=f"set base.{metric}: true",
            )  # fmt: skip


def _unknown_parts(study: Study, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Metrics over random splits of which nobody knows how far these overlap."""
    if study.split_seed is None:
        return
    cells = [cell for block in blocks for cell in block.cells]
    for key, metric in _metrics(study):
        if any(cell.model.held_out(cell.validated, metric) is None for cell in cells):
            yield Problem(
                key, "has no intervals over random splits: the trainable does not say how many "
                "rows it is measured on (held_out of its config)", metric,
                fix="drop split_seed, or the metric",
            )  # fmt: skip


def _metrics(study: Study) -> Iterator[tuple[str, str]]:
    """The places of the YAML that name a metric, and the metric."""
    yield "metric", study.metric
    yield from ((f"report_metrics[{n}]", name) for n, name in enumerate(study.report_metrics))
