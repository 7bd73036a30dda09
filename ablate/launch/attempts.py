"""How often a trial failed by itself, kept beside it: Tune counts lost nodes, too."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.events import PRIVATE_KEY, Failure

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
        host = config[PRIVATE_KEY]
        return cls(Path(host["logdir"]), host.get("retries", math.inf))

    def begin(self, node: str) -> None:
        """One begins."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._node.write_text(node)

    @property
    def node(self) -> str | None:
        """Where the latest one was made; None before any began."""
        return self._node.read_text() if self._node.exists() else None

    def add(self, attempt: Attempt) -> None:
        """One has failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(attempt)) + "\n")

    @property
    def failed(self) -> list[Attempt]:
        """All that failed, in order."""
        if not self._file.exists():
            return []
        raw = [json.loads(line) for line in self._file.read_text().splitlines()]
        return [Attempt(Failure(**one.pop("failure")), **one) for one in raw]

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
