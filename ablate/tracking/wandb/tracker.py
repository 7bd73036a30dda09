"""W&B as a listener: hands what happens to runs to the sink, after the ledger has heard of it."""

from ablate.events import (
    Event,
    RunEnded,
    RunHalted,
    RunMoved,
    RunReported,
    RunRetried,
    RunStarted,
)
from ablate.tracking.wandb.messages import RunMessages
from ablate.tracking.wandb.port import SinkPort


class WandbTracker:
    """Tells the sink what happens to the runs of a study.

    Args:
        messages: Makes what it is told from the ledger.
        port: The way to the sink.
    """

    def __init__(self, messages: RunMessages, port: SinkPort) -> None:
        self._messages = messages
        self._port = port
        self._open: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Hears what happened to a run."""
        match event:
            case RunStarted(run_id):
                self._start(run_id)
            case RunReported(run_id, points):
                self._start(run_id)
                self._port.put(self._messages.points(run_id, points))
            case RunRetried() | RunMoved() | RunHalted():
                pass  # the run stays open: it goes on in it
            case RunEnded(run_id):
                self._start(run_id)
                self._open.discard(run_id)
                self._port.put(self._messages.end(run_id))

    def tick(self) -> None:
        """Nothing is ever due: the sink has its own process."""

    def _start(self, run_id: str) -> None:
        if run_id not in self._open:
            self._open.add(run_id)
            self._port.put(self._messages.start(run_id))
