"""Messages between the driver and the sink's process, one line of JSON each.

The driver sends messages, the sink answers with facts. Both are typed, and an unknown kind is an
error.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, ClassVar, get_args

from ablate.events import Point
from ablate.text import storable
from ablate.tracking.wandb.settings import at_home

_LOCAL_FILES = ("log", "page")
"""Fields with names of local files: the sink opens them, and does not publish their names."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run begins or continues.

    Attributes:
        wandb_id: W&B's own id of the run.
        run_id: The ledger's id, which names its curve.
        program: The command line.
        commit: The git commit of the training code.
    """

    kind: ClassVar = "start"
    wandb_id: str
    run_id: str
    name: str
    group: str
    job_type: str
    notes: str | None
    config: Mapping[str, Any]
    tags: Sequence[str]
    program: str
    commit: str | None


@dataclass(frozen=True, kw_only=True)
class Points:
    """A run measured something; `is_behind` if the port dropped earlier points."""

    kind: ClassVar = "points"
    wandb_id: str
    points: Sequence[Point]
    is_behind: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the report as W&B shows it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class End:
    """A run ended or was interrupted.

    Attributes:
        content: A hash of its final content; empty if it was interrupted.
        log: The log file of a failed run.
        tables: The report's tables by name.
        page: The report's page.
    """

    kind: ClassVar = "end"
    wandb_id: str
    summary: Mapping[str, Any]
    failed: bool
    exit_code: int
    content: str
    log: str | None = None
    tables: Mapping[str, Table] | None = None
    page: str | None = None

    @classmethod
    def interruption(cls, wandb_id: str, exit_code: int) -> "End":
        """The end of a run that got no end of its own."""
        return cls(wandb_id=wandb_id, summary={}, failed=False, exit_code=exit_code, content="")

    def state(self, num_rows: int) -> str:
        """What the record notes of the run: its final content, or its length if interrupted."""
        return self.content or f"open {num_rows}"


@dataclass(frozen=True, kw_only=True)
class Complete:
    """A whole run; its curve of `num_rows` points is read from the ledger."""

    kind: ClassVar = "complete"
    start: Start
    end: End
    num_rows: int

    @property
    def wandb_id(self) -> str:
        """W&B's own id of the run."""
        return self.start.wandb_id

    @property
    def state(self) -> str:
        """What the record notes once W&B has the whole run."""
        return self.end.state(self.num_rows)


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A run that its script brings to W&B has failed: it is to be tagged so."""

    kind: ClassVar = "tag"
    start: Start
    launch: int

    @property
    def wandb_id(self) -> str:
        """W&B's own id of the run."""
        return self.start.wandb_id


@dataclass(frozen=True, kw_only=True)
class Sync:
    """Ask W&B what it has of these runs, and send the rest unless this is a dry run."""

    kind: ClassVar = "sync"
    runs: Sequence[Complete]
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Close:
    """The last message; the sink gives up after `patience_s` without progress."""

    kind: ClassVar = "close"
    patience_s: float


RunMessage = Start | Points | End | Complete | Sync | Tag
Message = RunMessage | Close


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A notice for the user."""

    kind: ClassVar = "notice"
    text: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The server has opened a run, which belongs to this user or team."""

    kind: ClassVar = "opened"
    entity: str


@dataclass(frozen=True, kw_only=True)
class Pending:
    """How many runs are still being sent."""

    kind: ClassVar = "pending"
    num_runs: int


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A run was sent in full, with the number of rows the server lacked."""

    kind: ClassVar = "sent"
    name: str
    num_rows: int


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What the server has of a run.

    Attributes:
        is_whole: Whether it has the whole run.
        is_known: Whether the server reports how many rows it has.
    """

    kind: ClassVar = "server_state"
    name: str
    num_rows: int = 0
    is_whole: bool = False
    is_known: bool = False


Fact = Notice | Opened | Pending | Sent | ServerState


class UnknownMessageError(Exception):
    """A line is valid JSON but not a message or fact of this version."""


def encode(message: Message | Fact) -> str:
    """A message or fact as a line; in published text the user's home directory is `~`."""
    # Points hold only numbers, and there are many of them.
    is_published = isinstance(message, Start | End | Complete | Sync | Tag)
    content = _published(message) if is_published else vars(message)
    return json.dumps(storable({"kind": message.kind, **content})) + "\n"


def decode_message(line: str) -> Message:
    """Decodes a message.

    Raises:
        ValueError: If the line is torn.
        UnknownMessageError: If it is not a message.
    """
    message = _decoded(line)
    if isinstance(message, Message):
        return message
    raise UnknownMessageError(f"{message.kind} is not a message")


def decode_fact(line: str) -> Fact:
    """Decodes a fact.

    Raises:
        ValueError: If the line is torn.
        UnknownMessageError: If it is not a fact.
    """
    fact = _decoded(line)
    if isinstance(fact, Fact):
        return fact
    raise UnknownMessageError(f"{fact.kind} is not a fact")


_TYPES = {type_.kind: type_ for type_ in (*get_args(Message), *get_args(Fact))}


def _decoded(line: str) -> Message | Fact:
    content = json.loads(line)
    try:
        return _made(_TYPES[content.pop("kind")], content)
    except (AttributeError, KeyError, TypeError) as error:
        raise UnknownMessageError(f"{type(error).__name__}: {error}") from error


def _made(type_: Any, content: dict[str, Any]) -> Any:
    """Builds a message, and the messages nested in it."""
    if type_ is Complete:
        start, end = _made(Start, content["start"]), _made(End, content["end"])
        content = {**content, "start": start, "end": end}
    elif type_ is Tag:
        content = {**content, "start": _made(Start, content["start"])}
    elif type_ is Sync:
        content = {**content, "runs": [_made(Complete, run) for run in content["runs"]]}
    elif type_ is End and content["tables"]:
        tables = {name: Table(**table) for name, table in content["tables"].items()}
        content = {**content, "tables": tables}
    return type_(**content)


def _published(value: Any, key: str = "") -> Any:
    """A JSON value in which the user's home directory is `~`."""
    if isinstance(value, str):
        return value if key in _LOCAL_FILES else at_home(value)
    if is_dataclass(value):
        return _published(vars(value))
    if isinstance(value, Mapping):
        return {at_home(name): _published(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_published(item, key) for item in value]
    return value
