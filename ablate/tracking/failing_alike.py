"""Whether the runs of a command fail in the same way from the first one on."""

import re

from ablate.events import Failure

ENOUGH = 3
"""So many runs that failed alike tell something of those to come."""
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+")


class FailingAlike:
    """Looks at how runs end, until one of them does in its own way."""

    def __init__(self) -> None:
        self._first: tuple[str, str] | None = None
        self._num = 0
        self._is_over = False

    def note(self, failure: Failure | None, num_left: int) -> str:
        """What is to be said, once, as a run ends; nothing, where it is empty.

        Args:
            failure: How it failed, if it did.
            num_left: How many runs have not ended yet.
        """
        # Numbers in messages are addresses, ports, steps and values of the cell.
        how = failure and (failure.kind, _NUMBERS.sub("#", failure.message))
        self._first, self._num = self._first or how, self._num + 1
        self._is_over = self._is_over or how is None or how != self._first
        if self._is_over or self._num < ENOUGH or not num_left:
            return ""
        self._is_over = True
        return (
            f"the first {self._num} runs have all failed alike, and {num_left} may yet; Ctrl-C "
            "stops the study, and with --retry-failed the same command runs them again"
        )
