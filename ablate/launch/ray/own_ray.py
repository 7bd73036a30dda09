"""A Ray of our own on this machine: started with only what a study needs, and ended by us."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from ablate.launch.ray.environment import environment
from ablate.launch.ray.fast_start.start import fast_start
from ablate.launch.ray.prerequisites import check_temporary_folder, token_without_home
from ablate.launch.ray.processes import children_of, family_of, has_ended, is_asked_to_end, kill
from ablate.process.interrupts import unheard_by_children

OBJECT_STORE_BYTES = 256 * 1024**2
"""Results are small; Ray's default takes a third of the memory's share of /dev/shm."""

OWN = "ablate_study"
"""A resource that marks a study's own Ray, which ends with it, unlike a shared cluster."""

LOOK_S = 0.01
LATEST_S = 0.5
"""When services are killed that others had signalled before Ray did: Ray's signal is invisible."""


class OwnRay:
    """A local Ray that only this process ends.

    Batch systems signal every process of a job at once. Ray's services and workers block these
    signals: without them nothing could be saved. So they do not get this process's SIGTERM either,
    and are killed once they are no longer needed.
    """

    def __init__(self) -> None:
        self._services: set[int] = set()
        self._job = contextlib.ExitStack()

    def start(self, preload: Sequence[str], **settings: Any) -> None:
        """Starts it and connects to it.

        Args:
            preload: Modules that each idle worker imports, without waiting for a trial.
            settings: Of `ray.init`.
        """
        check_temporary_folder()
        self._job.enter_context(fast_start(functools.partial(self._init, settings), preload))

    def end(self) -> None:
        """Disconnects and ends it, with everything that its workers have started."""
        asked_before = {pid for pid in self._services if is_asked_to_end(pid)}
        family = family_of(self._services)
        over = threading.Event()
        helper = threading.Thread(target=self._kill_when_asked, args=(over, asked_before))
        helper.start()
        try:
            ray.shutdown()
        finally:
            over.set()
            helper.join()
            kill(family_of(family))
            self._job.close()

    def kill(self) -> None:
        """Kills all its processes, without disconnecting this one."""
        kill(family_of(self._services))

    def _init(self, settings: Mapping[str, Any]) -> None:
        before = children_of(os.getpid())
        try:
            with environment(token_without_home()), unheard_by_children():
                ray.init(
                    address="local", include_dashboard=False, resources={OWN: 1},
                    object_store_memory=OBJECT_STORE_BYTES, **settings,
                )  # fmt: skip
        finally:
            self._services = children_of(os.getpid()) - before

    def _kill_when_asked(self, over: threading.Event, asked_before: set[int]) -> None:
        """Kills processes that `ray.shutdown` asks to end: it would wait for them in vain."""
        deadline = time.monotonic() + LATEST_S
        alive = set(self._services)
        while alive and not over.wait(LOOK_S):
            late = time.monotonic() > deadline
            asked = {
                pid for pid in alive
                if has_ended(pid) or (late if pid in asked_before else is_asked_to_end(pid))
            }  # fmt: skip
            kill(asked)
            alive -= asked


def is_anothers() -> bool:
    """Whether the Ray that this process is connected to is another study's own."""
    return OWN in ray.cluster_resources()
