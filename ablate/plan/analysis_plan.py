"""How the results of a study are to be analysed, as far as that may be fixed before them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from ablate.plan.plan import Plan
from ablate.run_row import Value
from ablate.spec.seeds import SeedRule, SeedsByRole
from ablate.trainable.contract import Mode


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnalysedCell(_Frozen):
    """A cell, and what it is compared with."""

    trains: str
    """What it trains, as an id: what makes it the same cell under another name."""
    name: str
    reference: str
    """The `trains` of the cell that it is compared with; its own for a baseline, nothing where
    there is no cell that it could be compared with."""
    is_compared: bool
    """Whether that comparison is planned."""

    @property
    def is_baseline(self) -> bool:
        """Whether others are compared with it, and it with none."""
        return self.reference == self.trains


class AnalysisPlan(_Frozen):
    """The choices that make verdicts of results. As JSON it is kept in the study directory."""

    metric: str
    report_metrics: tuple[str, ...]
    modes: Mapping[str, Mode]
    """Of each metric, whether lower or higher is better."""
    value: Value
    """Which of a run's values of a metric counts."""
    verdicts: Literal["metric", "all"]
    compares_pairs: bool
    """Whether all cells are compared with each other, and none with a baseline."""
    margin: float | None
    log_scale: bool
    cells: tuple[AnalysedCell, ...]
    """What factors, levels, baselines, exclusions, blocks and planned comparisons come to."""
    seeds: tuple[int, ...]
    """In any case; a rule may add some."""
    seed_rule: SeedRule | None
    split_seed: Literal["with_seed"] | None = None
    """Whether verdicts are over random splits."""
    others_seeds: tuple[int, ...] | None = None
    """Of cells that are no baselines, where those are not all seeds."""
    pairing: Literal["seed", "none"] = "seed"
    """Whether differences are by seed; earlier versions took all for paired."""

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The analysis that a study asks for."""
        study, trained, alone = plan.study, plan.trained, set(plan.alone)
        cells = [
            AnalysedCell(
                trains=trained[cell.index],
                name=cell.name,
                reference="" if cell.index in alone else trained[plan.references[cell.index]],
                is_compared=plan.compared[cell.index],
            )
            for cell in plan.cells
        ]
        return cls(
            metric=study.metric,
            report_metrics=study.metrics[1:],
            modes={metric: plan.mode(metric) for metric in study.metrics},
            value=plan.value,
            verdicts=study.verdicts,
            compares_pairs=study.compares_pairs,
            margin=study.margin,
            log_scale=study.log_scale,
            cells=tuple(cells),
            seeds=study.first_seeds,
            seed_rule=study.seeds if isinstance(study.seeds, SeedRule) else None,
            split_seed=study.split_seed,
            others_seeds=study.seeds.others if isinstance(study.seeds, SeedsByRole) else None,
            pairing="seed" if plan.is_paired else "none",
        )

    @property
    def seeds_of_others(self) -> tuple[int, ...]:
        """The seeds of cells that are no baselines."""
        return self.seeds if self.others_seeds is None else self.others_seeds

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that the verdicts are about, then the further ones."""
        return (self.metric, *self.report_metrics)

    @cached_property
    def by_training(self) -> dict[str, AnalysedCell]:
        """The cells by what they train."""
        return {cell.trains: cell for cell in self.cells}
