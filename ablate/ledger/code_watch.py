"""Notices training code that is edited while a study runs."""

from collections.abc import Callable

from ablate.events import Event, RunReported
from ablate.ledger.ledger import Ledger
from ablate.trainable.code_files import Hashes, differing, parse_hashes


class CodeWatch:
    """A listener that warns of runs made with other code than the command began with.

    Args:
        ledger: Gets the warning in the run's row.
        begun_with: Code known from the start; of the rest, the first run's version counts.
        say: Called once with a notice.
    """

    def __init__(self, ledger: Ledger, begun_with: Hashes, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._hashes = dict(begun_with)
        self._say = say
        self._warned: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Compares a run's code once the run has reported it."""
        if not isinstance(event, RunReported) or not event.facts.get("code_files"):
            return
        hashes = parse_hashes(event.facts["code_files"])
        changed = differing(hashes, self._hashes)
        self._hashes = {**hashes, **self._hashes}
        if not changed or event.run_id in self._warned:
            return
        if not self._warned:
            self._say(f"note: edited while the study runs: {', '.join(changed)}")
        self._warned.add(event.run_id)
        warning = f"trained with other code than the launch began with: {', '.join(changed)}"
        self._ledger.warn(event.run_id, [warning])

    def tick(self) -> None:
        """Does nothing."""
