"""What is written into a W&B run: its rows, and its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.events import GPU_MEMORY_MB, GPU_PERCENT, TIMESTAMP
from ablate.tracking.wandb.protocol import End, Start
from ablate.tracking.wandb.settings import at_home

if TYPE_CHECKING:
    from ablate.tracking.wandb.sink.client import Client

WANDB_NAMES = {
    TIMESTAMP: "_timestamp",
    GPU_PERCENT: "system/gpu_percent",
    GPU_MEMORY_MB: "system/gpu_memory_mb",
}
"""W&B's names for the private columns of the ledger's curves."""


def write_end(client: "Client", run: Any, start: Start, end: End, last_step: int) -> None:
    """Writes what belongs to the end of a run: tables, files, summary, the tag of a failed run."""
    if end.tables:
        content = {name: client.table(table) for name, table in end.tables.items()}
        page = Path(end.page or "")
        if page.is_file():
            content["report"] = client.page(at_home(page.read_text("utf-8")))
        run.log(content, step=last_step + 1, commit=True)
    for key in ("error", "error_type"):
        if key not in end.summary and key in run.summary.keys():  # noqa: SIM118 - no mapping
            del run.summary[key]  # left by an earlier attempt
    run.summary.update(end.summary)
    run.tags = (*start.tags, "failed") if end.failed else tuple(start.tags)
    log = Path(end.log or "")
    if end.failed and log.is_file():
        copy = Path(run.dir) / "logs" / log.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(at_home(log.read_text("utf-8", "replace")), "utf-8")
        run.save(str(copy), base_path=run.dir, policy="now")


def for_wandb(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A row for W&B, which reserves names that begin with `_`."""
    return {
        WANDB_NAMES.get(name, name): value
        for name, value in metrics.items()
        if name in WANDB_NAMES or not name.startswith("_")
    }
