"""What runs train: their ids by content, and their names for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablate.dotted import with_key
from ablate.identity import canonical_json, content_id, difference
from ablate.plan.names import run_name
from ablate.plan.planned_block import PlannedBlock, planned_block
from ablate.plan.resolved import resolve, resolved_of, with_seed
from ablate.plan.stop_rule import StopRule
from ablate.spec.design import Cell, DesignBlock, hashed_config, plain_config
from ablate.spec.models import Study
from ablate.trainable.joint_model import JointModel


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell with one seed: the unit of work and of result."""

    run_id: str
    run_name: str
    seed: int
    cell: Cell
    config: Mapping[str, Any]
    """Resolved, as hashed; in `launch_config` its paths are absolute."""
    of_script: Mapping[str, Any] | None = None
    """What its script makes of that, as far as its `config_command` says."""

    @property
    def full_config(self) -> Mapping[str, Any]:
        """The config that it really trains with."""
        return self.config if self.of_script is None else self.of_script


@dataclass(frozen=True)
class Training:
    """What the runs of a cell train, except their seeds."""

    cell: Cell
    config: dict[str, Any]
    content: dict[str, Any]
    resolved: dict[str, Any] | None = None

    def run(self, cell: Cell, seed: int, split_key: str | None) -> Run:
        """A cell with a seed, which also decides the split where it has a key of the config."""
        content, config = {**self.content, "seed": seed}, self.config
        if split_key is not None:
            content["split_seed"] = "with_seed"
            config = with_key(config, split_key, seed)
        name = run_name(cell, seed)
        of_script = None if self.resolved is None else with_seed(self.resolved, seed)
        return Run(
            run_id=content_id(content), run_name=name, seed=seed, cell=cell, config=config,
            of_script=of_script,
        )  # fmt: skip


def trainings_of(
    study: Study, blocks: Sequence[DesignBlock], is_smoke: bool
) -> tuple[list[Training], list[PlannedBlock]]:
    """The cells of all blocks, without duplicates, and the blocks."""
    resolve(study, blocks)
    stop = _stop_of(study, blocks)
    trainings: list[Training] = []
    position: dict[str, int] = {}
    planned: list[PlannedBlock] = []
    for block in blocks:
        model, defaults, members = block.model, block.model.defaults, list[int]()
        over = model.smoke if is_smoke and model.smoke else {}
        for designed in block.cells:
            cell = designed.placed(len(trainings))
            config = cell.config
            if over:
                config = plain_config(model.validate({**cell.written_config(), **over}))
            content = {**content_of(cell, config, defaults), **stop}
            resolved = resolved_of(study, cell, config)
            if resolved is not None:
                content["resolved"] = resolved
            at = position.setdefault(canonical_json(content), len(trainings))
            if at == len(trainings):
                trainings.append(Training(cell, config, content, resolved))
            else:  # the same cell, with the labels of all its blocks
                own = trainings[at].cell.levels
                levels = {**own, **{n: v for n, v in cell.levels.items() if n not in own}}
                trainings[at] = replace(
                    trainings[at], cell=replace(trainings[at].cell, levels=levels)
                )
            members.append(at)
        planned.append(planned_block(block, members))
    return trainings, planned


def _stop_of(study: Study, blocks: Sequence[DesignBlock]) -> dict[str, Any]:
    """What of a run's identity decides how far it comes, beside its config."""
    if not study.stop:
        return {}
    model = JointModel(tuple(dict.fromkeys(block.model for block in blocks)))
    at_most = StopRule.of(study, model).plain()["at_most"]
    return {"stop": study.stop, **({"stop_at_most": at_most} if at_most else {})}


def content_of(cell: Cell, config: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's identity consists of, except its seed."""
    return {
        "trainable": cell.entry.name,
        "version": cell.model.version,
        "config": difference(hashed_config(cell.model, config), defaults),
    }
