"""W&B as a listener: passes run events on to the sink, after the ledger has them."""

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
    """Passes run events on to the sink.

    Args:
        messages: Makes the messages from the ledger.
        port: The connection to the sink.
    """

    def __init__(self, messages: RunMessages, port: SinkPort) -> None:
        self._messages = messages
        self._port = port
        self._open: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Sends an event's message."""
        if self._messages.is_scripts(event.run_id):
            if isinstance(event, RunEnded) and event.status.has_failed:
                self._port.put(self._messages.tag(event.run_id))
            return
        match event:
            case RunStarted(run_id):
                self._start(run_id)
            case RunReported(run_id, points):
                self._start(run_id)
                self._port.put(self._messages.points(run_id, points))
            case RunRetried() | RunMoved() | RunHalted():
                pass  # the W&B run stays open and continues
            case RunEnded(run_id):
                self._start(run_id)
                self._open.discard(run_id)
                self._port.put(self._messages.end(run_id))

    def tick(self) -> None:
        """Does nothing: the sink has its own process."""

    def _start(self, run_id: str) -> None:
        if run_id not in self._open:
            self._open.add(run_id)
            self._port.put(self._messages.start(run_id))
