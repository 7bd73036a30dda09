"""Counts a trial's own failures, in a file beside it: Tune's count includes lost nodes."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.events import Failure
from ablate.study_dir import naming
from ablate.trainable.contract import REPORT_KEY

UNAVAILABLE_S = 65.0
"""How long a cluster takes to notice that a node does not answer."""
DIED_S = 3.0
"""How long a cluster takes to notice that a node died after its workers."""


@dataclass(frozen=True)
class Attempt:
    """A failed attempt.

    Attributes:
        failure: How it failed.
        node: The node, if its death may be the cause; None if the trial itself failed.
        settle_s: Time after which the node would be known to be dead.
        is_final: Whether no retry can help.
    """

    failure: Failure
    node: str | None = None
    settle_s: float = 0.0
    is_final: bool = False


@dataclass(frozen=True)
class Attempts:
    """The attempts at one trial within its launch, recorded by its workers and the driver.

    Attributes:
        folder: The trial's.
        retries: How many of its own failures are retried.
    """

    folder: Path
    retries: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Attempts":
        """The attempts at the trial with a config."""
        host = config[REPORT_KEY]
        return cls(Path(host["logdir"]), host.get("retries", math.inf))

    def begin(self, node: str) -> None:
        """Records that an attempt begins on a node."""
        self.folder.mkdir(exist_ok=True)  # without parents: a removed study stays removed
        self._node.write_text(node, encoding="ascii")

    @property
    def node(self) -> str | None:
        """The node of the latest attempt; None before the first."""
        return self._node.read_text("ascii") or None if self._node.exists() else None

    def add(self, attempt: Attempt) -> None:
        """Records a failed attempt."""
        self.folder.mkdir(exist_ok=True)
        line = json.dumps(asdict(attempt))  # pure ASCII
        with naming(self._file), self._file.open("a", encoding="ascii") as file:
            file.write(f"\n{line}\n")  # a dead worker may have left a torn line

    @property
    def failed(self) -> list[Attempt]:
        """The failed attempts, in order."""
        if not self._file.exists():
            return []
        return [one for line in self._file.read_bytes().split(b"\n") if (one := _attempt(line))]

    def fatal(self, is_alive: Callable[[str], bool]) -> Attempt | None:
        """The failure after which there are no retries; None if there are some left.

        Args:
            is_alive: Whether a node is alive: failures on dead nodes are not the trial's.
        """
        failed = self.failed
        final = next((one for one in failed if one.is_final), None)
        if final is not None:
            return final
        own = [one for one in failed if one.node is None or is_alive(one.node)]
        return own[-1] if len(own) > self.retries else None

    @property
    def _file(self) -> Path:
        return self.folder / "failures.jsonl"

    @property
    def _node(self) -> Path:
        return self.folder / "node"


def _attempt(line: bytes) -> Attempt | None:
    """The attempt that a line records; None if it is torn."""
    try:
        record = json.loads(line)
        return Attempt(Failure(**record.pop("failure")), **record)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
