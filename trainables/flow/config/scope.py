"""What the metrics of a run are measured of, for people: free of torch."""

from typing import TYPE_CHECKING

from trainables.flow.config.data import SOURCES
from trainables.flow.config.metrics import METRICS

if TYPE_CHECKING:
    from trainables.flow.config.data import DataConfig
    from trainables.flow.config.run import FlowConfig


def scope(config: "FlowConfig", metric: str) -> dict[str, str]:
    """What a metric is measured of, by part.

    Args:
        config: A run's config.
        metric: The metric; of one that is unknown nothing is said but of data and seeds.
    """
    parts = {"data": _data(config.data), "split_seed": str(config.data.split_seed)}
    row = METRICS.get(metric)
    if row is not None:
        parts["measured on"] = row.measured_on
    if row is not None and row.of == "model":
        parts["solver"] = f"{row.solver or config.solver}, {config.solver_steps} steps"
    if row is not None and row.of != "training":
        parts["weights"] = "moving average (best: lowest val_loss)"
    parts["seeds"] = "vary initialisation, batches and noise, not the split"
    return parts


def _data(data: "DataConfig") -> str:
    """`digits, all training rows`."""
    told = [data.source, *([data.path] if data.path is not None else [])]
    for key, meant in SOURCES[data.source].keys.items():
        if key in ("rows", "dim"):
            value = getattr(data, key)
            told.append(f"{meant if value is None else value:,} {_NAMES[key]}")
    size = data.size if isinstance(data.size, str) else f"{data.size:,}"
    return ", ".join([*told, f"{size} training rows"])


_NAMES = {"rows": "rows", "dim": "dimensions"}
