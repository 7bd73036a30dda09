"""How a run ended, in the words of others."""

from ablate.run_row import Status

WORDS = {
    Status.OK: ("ok", "finished", "completed", "complete", "done", "success", "succeeded",
                "terminated"),
    Status.FAILED: ("failed", "crashed", "error", "killed"),
    Status.DIVERGED: ("diverged",),
    Status.INTERRUPTED: ("interrupted", "preempted", "preempting", "paused"),
    Status.PENDING: ("pending", "running", "queued", "scheduled"),
}  # fmt: skip
_STATUSES = {word: status for status, words in WORDS.items() for word in words}
COLUMNS = ("status", "state")
"""Columns of tables, in lower case, that may say it."""


def status_of(word: object) -> Status | None:
    """A status as others call it; None for a word that says nothing of that kind."""
    return _STATUSES.get(word.strip().lower()) if isinstance(word, str) else None
