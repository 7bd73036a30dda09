"""The tables of flows and couplings, and their keys, torch-free.

A flow is a probability path (`probability_paths.PATHS`) with a coupling (`couplings.PAIR`); a new
combination of existing ones needs just a row, or the key `coupling`. One's own path or coupling is
`module:name` (`own_parts`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.flow.config.elsewhere import Table
from trainables.flow.config.ingredient import Float, Ingredient, Keys, NameIn

OWN_PATH = "own"
"""The path of flows from elsewhere."""


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


_COUPLINGS = {
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
COUPLINGS = Table(_COUPLINGS, Coupling(knobs=("coupling_args",), depends_on=("batch_size",)))
_FLOWS = {
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
    "reflow": Flow(
        path="straight",
        coupling="teacher",
        knobs=("sigma",),
        refuses={
            "coupling": "trains on pairs that its teacher makes, and takes no coupling {value}: "
            "drop coupling, or exclude the cell"
        },
    ),
}
_CHOSEN = {name: row for name, row in _COUPLINGS.items() if not row.teacher}
"""A teacher is more than a coupling."""
FLOWS = Table(_FLOWS, Flow(path=OWN_PATH, knobs=("flow_args",)))


class FlowKeys(Keys):
    """What a run learns: its flow."""

    flow: Annotated[str, NameIn(FLOWS, "flow")] = "icfm"
    """Probability path and coupling; trainables/README.md has the table. Or a path of one's own:
    `module:name` of a class or function that makes `x_t` and `u_t` of `x_0`, `x_1` and `t`."""
    flow_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Keyword arguments of one's own path."""
    coupling: Annotated[str, NameIn(_CHOSEN, "coupling")] | None = None
    """Which noise goes with which row; null: as the flow says. Or `module:name` of a function of
    `x_0` and `x_1` of a batch, or of a class that makes one."""
    coupling_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Keyword arguments of one's own coupling."""
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
    def pairing(self) -> str:
        """The name of its coupling."""
        return self.coupling or FLOWS[self.flow].coupling

    @property
    def canonical_flow(self) -> tuple[str, str | None]:
        """The flow that it equals at the values of its knobs, and its coupling if that has another.

        Lipman's path at sigma 0 and the linear interpolant without noise are the I-CFM path; the
        trigonometric interpolant without noise is the VP path; and a path with a coupling may be a
        flow that has a name.
        """
        name, pairing = FLOWS[self.flow].same_as(self) or self.flow, self.pairing
        own = FLOWS[name]
        alike = {
            row.coupling: flow
            for flow, row in reversed(FLOWS.items())
            if (row.path, row.knobs) == (own.path, own.knobs)
        }
        if pairing in alike:
            return alike[pairing], None
        name = alike.get("independent", name)
        return name, None if pairing == FLOWS[name].coupling else pairing


def flow_rows(keys: FlowKeys) -> tuple[Ingredient, ...]:
    """The table rows that a flow consists of."""
    return FLOWS[keys.flow], COUPLINGS[keys.pairing]
