"""What comes after the runs is got ready while they train."""

import threading
from collections.abc import Callable

from ablate.events import Event, RunReported


class Preparation:
    """A listener that does something in a thread of its own once the first run reports.

    Not before: until then everything waits for imports, and more of them would make it later.

    Args:
        prepare: Changes nothing but what takes time later.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        # No daemon: an interpreter must not end in the middle of a library's start.
        self._thread = threading.Thread(target=prepare, name="preparation")
        self._begun = False

    def on_event(self, event: Event) -> None:
        """Begins at the first report."""
        if isinstance(event, RunReported) and not self._begun:
            self._begun = True
            self._thread.start()

    def tick(self) -> None:
        """Nothing is due."""
