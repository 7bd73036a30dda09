"""The `wandb` package in the sink's process: opens runs, asks the server, restarts wandb-core."""

import contextlib
import re
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ablate.process.gc_pause import gc_paused
from ablate.tracking.wandb.protocol import Start, Table
from ablate.tracking.wandb.settings import Destination, at_home

INIT_TIMEOUT_S = 20.0
FINISH_TIMEOUT_S = 30.0
STREAM_RETRY_S = 5.0
"""wandb-core's longest pause between attempts to send rows."""
TEARDOWN_TIMEOUT_S = 10.0
PAGE = 200
"""Runs per query."""

Cause = Literal["key", "permission", "unreachable", "core", "files", "other"]
_STATUS = re.compile(r"(?:returned error|HTTP)[: ]+(\d{3})")
_REFUSALS: Mapping[Cause, tuple[str, ...]] = {
    "permission": ("permission", "forbidden"),
    "key": ("not logged in", "unauthorized", "api key", "authentication"),
}
"""Words in server messages that wandb-core passes on without the HTTP status."""
_CAUSES: Mapping[int, Cause] = {401: "key", 403: "permission"}


@dataclass(frozen=True)
class Trouble:
    """Why an operation on W&B failed."""

    cause: Cause
    detail: str

    @property
    def is_final(self) -> bool:
        """Whether retrying is useless until the user acts."""
        return self.cause in ("key", "permission")

    @classmethod
    def of(cls, error: BaseException) -> "Trouble":
        """Classifies an exception of `wandb`, which passes server answers on as text."""
        text = at_home(" ".join(str(error).split()))
        if isinstance(error, ConnectionError) or type(error).__name__ in (
            "MailboxClosedError", "HandleAbandonedError", "ServerResponseError",
        ):  # fmt: skip
            return cls("core", text or type(error).__name__)
        status = _status_of(error, text)
        if status is not None:
            is_down = status >= 500 or status in (408, 429)
            cause: Cause = "unreachable" if is_down else _CAUSES.get(status, "other")
            return cls(cause, f"it answers {status}")
        if _is_of_the_network(error) or "deadline exceeded" in text or "timed out" in text.lower():
            return cls("unreachable", text)
        if isinstance(error, OSError):
            return cls("files", f"{error.filename or ''}: {error.strerror or text}".strip(": "))
        for refusal, words in _REFUSALS.items():
            if any(word in text.lower() for word in words):
                return cls(refusal, text)
        return cls("other", type(error).__name__)


def _is_of_the_network(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or type(error).__module__.startswith("requests")


def _status_of(error: BaseException, text: str) -> int | None:
    """The HTTP status in an exception, if there is one."""
    at: BaseException | None = error
    while at is not None:
        response = getattr(at, "response", None)
        for name in ("http_status", "status_code", "http_status_code"):
            status = getattr(response, name, None)
            if isinstance(status, int) and status:
                return status
        at = at.__cause__
    match = _STATUS.search(text)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Served:
    """What the server reports about a run."""

    state: str
    num_rows: int
    tags: tuple[str, ...]


class UnknownQueryError(Exception):
    """The server does not report how many rows its runs have."""


class Client:
    """The process's access to W&B: one wandb-core, replaced when it breaks.

    Args:
        to: Where the runs go.
        folder: The directory for `wandb`.
    """

    def __init__(self, to: Destination, folder: Path) -> None:
        with gc_paused():
            import wandb

        self._wandb = wandb
        self._to = to
        self._folder = folder
        self._gate = threading.Condition()
        self._at_work = 0
        self._replacing = False
        self.generation = 0
        self.project = to.project

    @contextlib.contextmanager
    def at_work(self) -> Generator[int]:
        """Marks the use of wandb-core; yields its generation."""
        with self._gate:
            self._gate.wait_for(lambda: not self._replacing)
            self._at_work += 1
        try:
            yield self.generation
        finally:
            with self._gate:
                self._at_work -= 1
                self._gate.notify_all()

    def replace(self, generation: int) -> None:
        """Replaces wandb-core, unless that generation was replaced already.

        The id of a run that could not be opened or ended stays in use until then.
        """
        with self._gate:
            self._gate.wait_for(lambda: not self._replacing)
            if generation != self.generation:
                return
            self._replacing = True
            # Users of wandb-core have timeouts; a stopped wandb-core has none.
            self._gate.wait_for(lambda: self._at_work == 0, INIT_TIMEOUT_S + FINISH_TIMEOUT_S)
        teardown = threading.Thread(target=self._teardown, daemon=True)
        teardown.start()
        teardown.join(TEARDOWN_TIMEOUT_S)
        with self._gate:
            self.generation += 1
            self._replacing = False
            self._gate.notify_all()

    def open(self, start: Start, entity: str | None) -> Any:
        """Opens a W&B run, new or resumed.

        Args:
            start: Its name, config and tags.
            entity: The user or team; None for the account's default.
        """
        # New settings for each run: `init` modifies its argument.
        return self._wandb.init(
            id=start.wandb_id,
            project=self._to.project,
            entity=entity,
            group=start.group,
            job_type=start.job_type,
            name=start.name,
            notes=start.notes,
            config=dict(start.config),
            tags=start.tags,
            dir=str(self._folder),
            mode=self._to.mode,  # pyright: ignore[reportArgumentType]
            reinit="create_new",
            resume="allow",
            settings=self._settings(start),
        )

    def table(self, content: Table) -> Any:
        """A W&B table."""
        return self._wandb.Table(columns=list(content.columns), data=list(content.rows))

    def page(self, html: str) -> Any:
        """A W&B HTML page."""
        return self._wandb.Html(html, inject=False, data_is_not_path=True)

    def served(self, entity: str, wandb_ids: Iterable[str]) -> dict[str, Served]:
        """What the server has of these runs, by id; unknown runs are missing.

        Raises:
            UnknownQueryError: If it does not report how many rows there are.
        """
        served: dict[str, Served] = {}
        ids = list(wandb_ids)
        for first in range(0, len(ids), PAGE):
            filters = {"name": {"$in": ids[first : first + PAGE]}}
            with self.at_work():
                # A new one each time: `Api` caches its answers.
                api = self._wandb.Api(overrides={"entity": entity})
                runs = api.runs(f"{entity}/{self._to.project}", filters, per_page=PAGE, lazy=True)
                for run in _existing(runs):
                    served[run.id] = _served(run)
        return served

    def tag(self, start: Start, entity: str | None, tags: Iterable[str], exit_code: int) -> None:
        """Opens a run that somebody else has made, and ends it with these tags."""
        run = self.open(replace(start, tags=list(dict.fromkeys(tags))), entity)
        run.finish(exit_code=exit_code)

    def entity(self) -> str:
        """The account's default entity."""
        with self.at_work():
            entity = self._wandb.Api().default_entity
        return entity or ""

    def close(self) -> None:
        """Shuts wandb-core down."""
        teardown = threading.Thread(target=self._teardown, daemon=True)
        teardown.start()
        teardown.join(TEARDOWN_TIMEOUT_S)

    def _settings(self, start: Start) -> Any:
        return self._wandb.Settings(
            console="off",
            silent=True,
            program=start.program,
            git_commit=start.commit,
            init_timeout=INIT_TIMEOUT_S,
            finish_timeout=FINISH_TIMEOUT_S,
            finish_timeout_raises=True,
            disable_git=True,
            disable_code=True,
            label_disable=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            x_file_stream_retry_wait_max_seconds=STREAM_RETRY_S,
            x_transaction_log_flush_interval=1,
        )

    def _teardown(self) -> None:
        with contextlib.suppress(Exception):  # wandb-core may be dead
            self._wandb.teardown()


def _existing(runs: Any) -> list[Any]:
    """The runs of a query; none if the project does not exist yet."""
    try:
        return list(runs)
    except ValueError as error:
        if "Could not find project" in str(error):
            return []
        raise


def _served(run: Any) -> Served:
    try:
        num_rows = run.historyLineCount
    except (AttributeError, KeyError) as error:
        raise UnknownQueryError from error
    if not isinstance(num_rows, int):
        raise UnknownQueryError
    return Served(run.state, num_rows, tuple(run.tags or ()))


class Outage:
    """How long W&B has been unreachable, and when to retry."""

    FIRST_PAUSE_S = 1.0
    LONGEST_PAUSE_S = 30.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._last = 0.0
        self._pause_s = self.FIRST_PAUSE_S

    @property
    def is_on(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def over(self) -> None:
        """Notes a success."""
        with self._lock:
            self._since, self._pause_s = None, self.FIRST_PAUSE_S

    def failed(self, tried_s: float = 0.0) -> tuple[float, float]:
        """Notes a failure.

        Args:
            tried_s: How long the attempt took.

        Returns:
            How long the outage has lasted, and how long to wait before a retry, in seconds.
        """
        with self._lock:
            now = time.monotonic()
            self._since = self._since or now - tried_s
            if now - self._last > self._pause_s:  # once for all runs that fail together
                self._last = now
                self._pause_s = min(2 * self._pause_s, self.LONGEST_PAUSE_S)
            return now - self._since, self._pause_s
