"""Training code that is edited while a study runs."""

from collections.abc import Callable

from ablate.events import Event, RunReported
from ablate.ledger.ledger import Ledger
from ablate.trainable.code_files import Hashes, differing, parse_hashes


class CodeWatch:
    """A listener that notes which runs are made with other code than the command began with.

    Args:
        ledger: Keeps that.
        begun_with: The code that is known from the start; the rest is as the first run has it.
        say: Tells people, once.
    """

    def __init__(self, ledger: Ledger, begun_with: Hashes, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._known = dict(begun_with)
        self._say = say
        self._told: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Compares what a run is made with, as soon as it says so."""
        if not isinstance(event, RunReported) or not event.facts.get("code_files"):
            return
        hashes = parse_hashes(event.facts["code_files"])
        changed = differing(hashes, self._known)
        self._known = {**hashes, **self._known}
        if not changed or event.run_id in self._told:
            return
        if not self._told:
            self._say(f"note: edited while the study runs: {', '.join(changed)}")
        self._told.add(event.run_id)
        told = f"trained with other code than the launch began with: {', '.join(changed)}"
        self._ledger.warn(event.run_id, [told])

    def tick(self) -> None:
        """Nothing is due."""
