"""Several evaluations of one run: what its result is the mean of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Evaluations:
    """The single results of runs that were measured more than once."""

    name: str = ""
    """What tells them apart: `eval_seed`."""
    results: Mapping[str, Mapping[str, Sequence[float]]] = field(
        default_factory=dict[str, Mapping[str, Sequence[float]]]
    )
    """By run id and metric; of runs that ended well and lack none."""
