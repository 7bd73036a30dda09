"""How often a trial failed by itself, kept beside it: Tune counts lost nodes, too."""

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
"""For a cluster to take note of a node that does not answer."""
DIED_S = 3.0
"""For a cluster to take note that a node ended after its workers."""


@dataclass(frozen=True)
class Attempt:
    """One that failed.

    Attributes:
        failure: How.
        node: Where, if that node's end may be why; None where the trial itself failed.
        settle_s: After which the node would be known to be dead.
    """

    failure: Failure
    node: str | None = None
    settle_s: float = 0.0


@dataclass(frozen=True)
class Attempts:
    """The attempts at one trial within its launch, told by its workers and the driver.

    Attributes:
        folder: The trial's.
        retries: How often it may fail by itself and go on.
    """

    folder: Path
    retries: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Attempts":
        """Those at the trial with a config."""
        host = config[REPORT_KEY]
        return cls(Path(host["logdir"]), host.get("retries", math.inf))

    def begin(self, node: str) -> None:
        """One begins."""
        self.folder.mkdir(exist_ok=True)  # without parents: a study that was removed stays so
        self._node.write_text(node, encoding="ascii")

    @property
    def node(self) -> str | None:
        """Where the latest one was made; None before any began."""
        return self._node.read_text("ascii") or None if self._node.exists() else None

    def add(self, attempt: Attempt) -> None:
        """One has failed."""
        self.folder.mkdir(exist_ok=True)
        line = json.dumps(asdict(attempt))  # of ASCII alone
        with naming(self._file), self._file.open("a", encoding="ascii") as file:
            file.write(f"\n{line}\n")  # a dead worker may have left a torn line

    @property
    def failed(self) -> list[Attempt]:
        """All that failed, in order."""
        if not self._file.exists():
            return []
        return [one for line in self._file.read_bytes().split(b"\n") if (one := _attempt(line))]

    def fatal(self, is_alive: Callable[[str], bool]) -> Attempt | None:
        """The failure after which there are no more retries, if there are none.

        Args:
            is_alive: Says whether a node lives: where one does not, the trial did not fail.
        """
        own = [one for one in self.failed if one.node is None or is_alive(one.node)]
        return own[-1] if len(own) > self.retries else None

    @property
    def _file(self) -> Path:
        return self.folder / "failures.jsonl"

    @property
    def _node(self) -> Path:
        return self.folder / "node"


def _attempt(line: bytes) -> Attempt | None:
    """What a line tells; None where it is torn."""
    try:
        record = json.loads(line)
        return Attempt(Failure(**record.pop("failure")), **record)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
