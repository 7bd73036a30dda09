"""What the driver and the sink's process say to each other: one line of JSON each.

The driver sends messages; the sink answers with facts. Both have types, and what is of no known
kind is an error, not silence.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, ClassVar, get_args

from ablate.events import Point
from ablate.text import storable
from ablate.tracking.wandb.settings import at_home

_LOCAL_FILES = ("log", "page")
"""Fields that name files of this machine: the sink has to find them, and publishes no name."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run begins, or goes on.

    Attributes:
        wandb_id: W&B's own id of the run.
        run_id: The ledger's, under which its curve is.
        program: The command line that made it.
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
    """A run measured something; `is_behind` where the port had to drop earlier points."""

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
    """A run is over, or was interrupted.

    Attributes:
        content: An id of what it ended with; empty where it was interrupted.
        log: The log of a run that failed.
        tables: Those of the report, by name.
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
        """The end of a run that nobody has ended."""
        return cls(wandb_id=wandb_id, summary={}, failed=False, exit_code=exit_code, content="")

    def state(self, num_rows: int) -> str:
        """What W&B then has, for the record: how it ended, or how far it was when interrupted."""
        return self.content or f"open {num_rows}"


@dataclass(frozen=True, kw_only=True)
class Complete:
    """All there is of a run: the ledger has its curve, of `num_rows` points."""

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
        """What W&B has once it has all of it, for the record."""
        return self.end.state(self.num_rows)


@dataclass(frozen=True, kw_only=True)
class Sync:
    """W&B is asked what it has of some runs, and sent the rest unless this is a dry run."""

    kind: ClassVar = "sync"
    runs: Sequence[Complete]
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Close:
    """Nothing comes any more; the sink may take `patience_s` without progress."""

    kind: ClassVar = "close"
    patience_s: float


RunMessage = Start | Points | End | Complete | Sync
Message = RunMessage | Close


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something for the user."""

    kind: ClassVar = "notice"
    text: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The server has a run, of this user or team."""

    kind: ClassVar = "opened"
    entity: str


@dataclass(frozen=True, kw_only=True)
class Pending:
    """So many runs are still on their way."""

    kind: ClassVar = "pending"
    num_runs: int


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A run was told whole, with so many rows that the server lacked."""

    kind: ClassVar = "sent"
    name: str
    num_rows: int


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What the server had of a run when it was asked.

    Attributes:
        is_whole: Whether that is all of it.
        is_known: Whether the server says how many rows it has.
    """

    kind: ClassVar = "server_state"
    name: str
    num_rows: int = 0
    is_whole: bool = False
    is_known: bool = False


Fact = Notice | Opened | Pending | Sent | ServerState


class UnknownMessageError(Exception):
    """A line is whole, and no message or fact of this version."""


def encode(message: Message | Fact) -> str:
    """A message or a fact as a line; in what is to be published, this user's home is `~`."""
    # Points are numbers alone, and many.
    is_published = isinstance(message, Start | End | Complete | Sync)
    content = _published(message) if is_published else vars(message)
    return json.dumps(storable({"kind": message.kind, **content})) + "\n"


def decode_message(line: str) -> Message:
    """A message from its line.

    Raises:
        ValueError: Where the line is torn.
        UnknownMessageError: Where it is whole, and no message.
    """
    message = _decoded(line)
    if isinstance(message, Message):
        return message
    raise UnknownMessageError(f"{message.kind} is no message")


def decode_fact(line: str) -> Fact:
    """A fact from its line.

    Raises:
        ValueError: Where the line is torn.
        UnknownMessageError: Where it is whole, and no fact.
    """
    fact = _decoded(line)
    if isinstance(fact, Fact):
        return fact
    raise UnknownMessageError(f"{fact.kind} is no fact")


_TYPES = {type_.kind: type_ for type_ in (*get_args(Message), *get_args(Fact))}


def _decoded(line: str) -> Message | Fact:
    content = json.loads(line)
    try:
        return _made(_TYPES[content.pop("kind")], content)
    except (AttributeError, KeyError, TypeError) as error:
        raise UnknownMessageError(f"{type(error).__name__}: {error}") from error


def _made(type_: Any, content: dict[str, Any]) -> Any:
    """A message of a type, with those that it holds."""
    if type_ is Complete:
        start, end = _made(Start, content["start"]), _made(End, content["end"])
        content = {**content, "start": start, "end": end}
    elif type_ is Sync:
        content = {**content, "runs": [_made(Complete, run) for run in content["runs"]]}
    elif type_ is End and content["tables"]:
        tables = {name: Table(**table) for name, table in content["tables"].items()}
        content = {**content, "tables": tables}
    return type_(**content)


def _published(value: Any, key: str = "") -> Any:
    """A value as JSON takes it, in which this user's home directory is `~`."""
    if isinstance(value, str):
        return value if key in _LOCAL_FILES else at_home(value)
    if is_dataclass(value):
        return _published(vars(value))
    if isinstance(value, Mapping):
        return {at_home(name): _published(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_published(item, key) for item in value]
    return value
