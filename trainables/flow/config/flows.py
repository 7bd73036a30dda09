"""The tables of flows and couplings, and their keys, torch-free.

A flow is a probability path (`probability_paths.PATHS`) with a coupling (`couplings.PAIR`); a new
combination of existing ones needs just a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from trainables.flow.config.ingredient import Float, Ingredient, Keys, NameIn


@dataclass(frozen=True, kw_only=True)
class Coupling(Ingredient):
    """Which noise goes with which row."""

    depends_on: tuple[str, ...] = ()
    """Keys that are not its knobs but change its pairs: where they differ, training losses measure
    different things."""
    teacher: bool = False
    """Whether the pairs are made by a model that is trained in the first half of the run."""


@dataclass(frozen=True, kw_only=True)
class Flow(Ingredient):
    """A path and a coupling; the knobs are those of the path."""

    path: str
    coupling: str = "independent"
    same_as: Callable[["FlowKeys"], str | None] = lambda keys: None
    """The flow that it equals at certain values of its knobs."""


def _target_is(keys: "FlowKeys") -> str | None:
    return None if keys.sigma else "icfm"


def _interpolant_is(keys: "FlowKeys") -> str | None:
    if keys.gamma:
        return None
    return "vp" if keys.interpolant == "gvp" else "icfm"


COUPLINGS: dict[str, Coupling] = {
    "independent": Coupling(),
    "optimal_transport": Coupling(depends_on=("batch_size",)),
    "teacher": Coupling(
        teacher=True,
        refuses={
            "aug": "trains on fixed pairs of noise and what its teacher makes of it, "
            "which {value} would break up: set aug: none, or exclude the cell"
        },
    ),
}
FLOWS: dict[str, Flow] = {
    "icfm": Flow(path="straight", knobs=("sigma",)),
    "otcfm": Flow(path="straight", coupling="optimal_transport", knobs=("sigma",)),
    "target": Flow(path="target", knobs=("sigma",), same_as=_target_is),
    "vp": Flow(path="trigonometric", knobs=("sigma",)),
    "si": Flow(
        path="interpolant",
        knobs=("interpolant", "gamma"),
        same_as=_interpolant_is,
        refuses={"sigma": "takes no sigma: set sigma: 0, its noise is gamma"},
    ),
    "reflow": Flow(path="straight", coupling="teacher", knobs=("sigma",)),
}


class FlowKeys(Keys):
    """What a run learns: its flow."""

    flow: Annotated[str, NameIn(FLOWS)] = "icfm"
    """Probability path and coupling; trainables/README.md has the table."""
    sigma: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    """Standard deviation of the path: around its mean, or, for `target`, at t = 1."""
    interpolant: Literal["gvp", "linear"] = "gvp"
    """Mean of the `si` path."""
    gamma: Annotated[Float, Field(ge=0)] = 0.0
    """Noise of the `si` path: it has the standard deviation sqrt(gamma t (1 - t))."""

    @property
    def has_teacher(self) -> bool:
        """Whether the first half of the run trains the teacher of the second."""
        return COUPLINGS[FLOWS[self.flow].coupling].teacher

    @property
    def canonical_flow(self) -> str:
        """The name of the flow that it equals at the values of its knobs.

        Lipman's path at sigma 0 and the linear interpolant without noise are the I-CFM path; the
        trigonometric interpolant without noise is the VP path.
        """
        return FLOWS[self.flow].same_as(self) or self.flow


def flow_rows(flow: str) -> tuple[Ingredient, ...]:
    """The table rows that a flow consists of."""
    return FLOWS[flow], COUPLINGS[FLOWS[flow].coupling]
