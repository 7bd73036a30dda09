"""What hosting tells a trainable of its trial, and how much of its time is left."""

import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


class TimeLimit(Exception):  # noqa: N818 - the name of the failure
    """A run took longer than its study allows: it failed for good, and is not retried."""


class TrialClock:
    """The time that a trial has spent on training, and on setting up, over all its attempts.

    Args:
        limit_s: What each of its runs may spend; infinite without a limit.
        num_runs: How many runs it trains, one for most.
    """

    def __init__(self, limit_s: float = math.inf, num_runs: int = 1) -> None:
        self.limit_s = limit_s * num_runs
        self.told = f"exceeded time_limit_s: {limit_s:g} of this run"
        """What is said once the time is up."""
        self.before_s = 0.0
        """Spent in earlier sections, and in earlier attempts as far as checkpoints tell."""
        self.on_time_up: list[Callable[[], None]] = []
        """Called first once the time is up, in any thread: to kill a child process, say."""
        self._depth = 0
        self._since = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Generator[None]:
        """Counts the time within."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._since = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if not self._depth:
                    self.before_s += time.monotonic() - self._since

    @property
    def used_s(self) -> float:
        """What is spent so far."""
        with self._lock:
            return self.before_s + (time.monotonic() - self._since if self._depth else 0.0)

    @property
    def left_s(self) -> float:
        """What is left; infinite without a limit."""
        return self.limit_s - self.used_s

    @property
    def is_running(self) -> bool:
        """Whether the trial is at work right now."""
        return self._depth > 0

    def check(self) -> None:
        """Raises once the time is up.

        Raises:
            TimeLimit: Then.
        """
        if self.left_s <= 0:
            raise TimeLimit(self.told)


@dataclass(frozen=True, kw_only=True)
class HostedTrial:
    """A trial as its trainable may know it: the attribute `ablate_trial` of a hosted class.

    Attributes:
        target: `module:name` of the trainable.
        name: The trial's: of its run, or of the first of its pack.
        run_names: Of its runs.
        study: The study's name.
        study_dir: The study directory.
        folder: Where the command was started.
        cpu: The CPUs that it has.
        gpu: The GPUs, or a share of one.
        clock: Its time.
    """

    target: str = ""
    name: str = ""
    run_names: tuple[str, ...] = ()
    study: str = ""
    study_dir: str = ""
    folder: str = ""
    cpu: float = 1
    gpu: float = 0
    clock: TrialClock = field(default_factory=TrialClock)
