"""Whether a study's splits can vary with its seeds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ablate.dotted import flatten, with_key
from ablate.errors import Problem
from ablate.spec.config_keys import as_nested, is_known
from ablate.spec.design import DesignBlock
from ablate.spec.models import AA_SEED_OFFSET, Study
from ablate.spec.seeds import SeedRule
from ablate.spec.trainables import Trainables
from ablate.text import first_line
from ablate.trainable.config_model import ConfigModel

KEY = "split_seed"


def split_problems(
    study: Study, trainables: Trainables, blocks: Sequence[DesignBlock]
) -> Iterator[Problem]:
    """Why a study's splits cannot vary with its seeds; none where they need not."""
    if study.split_seed is None:
        return
    if isinstance(study.seeds, SeedRule):
        yield Problem(
            KEY, "cannot go with a rule for seeds: it takes runs as independent, and random splits "
            "overlap", study.split_seed, fix="list the seeds, or give their number",
        )  # fmt: skip
    model = trainables.model
    unable = _why_not(trainables)
    if unable:
        yield Problem(KEY, unable, study.split_seed, fix=f"drop {KEY}")
        return
    if not study.pairs_seeds(by_default=model.shares_draws):
        yield Problem(
            KEY, "cannot go with unpaired runs: those of one seed have the split in common",
            study.split_seed, fix=f"set pairing: seed, or drop {KEY}",
        )  # fmt: skip
    key = str(model.split_key)
    for where, value in _set_by_hand(study, trainables, blocks, key):
        yield Problem(
            where, f"is set by {KEY}: with_seed, too: each run has its seed there", value,
            fix=f"drop it, or drop {KEY}",
        )  # fmt: skip


def refused_splits(
    study: Study, trainables: Trainables, blocks: Sequence[DesignBlock]
) -> Iterator[Problem]:
    """Seeds that the trainable refuses as a split; of a study without other mistakes."""
    key, cells = trainables.model.split_key, [cell for block in blocks for cell in block.cells]
    if study.split_seed is None or key is None or not cells:
        return
    again = [seed + AA_SEED_OFFSET for seed in study.first_seeds if study.aa]
    refused: dict[str, list[int]] = {}
    for seed in [*study.first_seeds, *again]:
        try:
            cells[0].model.validate(with_key(cells[0].written_config(), key, seed))
        except ValidationError as error:
            refused.setdefault(first_line(error.errors()[0]["msg"]), []).append(seed)
    for why, seeds in refused.items():
        message = f"is refused as {key}, to which {KEY}: with_seed sets it: {why}"
        message += f" (and {len(seeds) - 1:,} seeds more)" * (len(seeds) > 1)
        yield Problem("seeds", message, seeds[0], fix=f"use other seeds, or drop {KEY}")


def _why_not(trainables: Trainables) -> str:
    """What a trainable lacks for it."""
    for entry in trainables.each:
        name, model = entry.name, entry.config_model()
        key = model.split_key
        if key is None or model.model is None:
            return f"trainable {name} names no key that decides the split (split_key of its config)"
        if not is_known(model.model, key):
            return (
                f"trainable {name} names {key} as the key that decides the split, and has no such "
                "key"
            )
    return "" if trainables.model.split_key else "its trainables split by different keys"


def _set_by_hand(
    study: Study, trainables: Trainables, blocks: Sequence[DesignBlock], key: str
) -> Iterator[tuple[str, Any]]:
    """The places of the YAML that set the key, and to what."""
    yield from _set_in("base", trainables.own.config_model(), study.base, key)
    for block in blocks:
        model = block.model
        if block.place:
            yield from _set_in(f"{block.place}base", model, block.spec.base, key)
        for factor in block.factors:
            for level in factor.levels:
                for _, value in _set_in("", model, level.sets, key):
                    yield block.place + factor.where(level, key), value


def _set_in(
    place: str, model: ConfigModel, written: Mapping[str, Any], key: str
) -> Iterator[tuple[str, Any]]:
    values = dict(flatten(as_nested(model.model, written)))
    if key in values:
        yield f"{place}.{key}", values[key]
