"""A Ray of our own on this machine: what a study needs of it, and nothing that it waits for.

Most of the time from the command to the first step goes into imports. Ray's idle workers do
theirs while the driver still imports Tune.
"""

import contextlib
import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import ray

from ablate.interrupts import unheard_by_children
from ablate.launch.processes import children_of, family_of, has_ended, is_asked_to_end, kill
from ablate.launch.ray_services import few_services
from ablate.launch.surroundings import check_temporary_folder, token_without_home

OBJECT_STORE_BYTES = 256 * 1024**2
"""Results are small; the default takes a third of the memory's share of /dev/shm."""

OWN = "ablate_study"
"""A resource that tells a study's own Ray, which ends with it, from a cluster to be shared."""

MODULES = "ABLATE_PRELOAD"
"""The environment variable that names what `waiting_worker` imports, with commas between."""

LOOK_S = 0.01
LATEST_S = 0.5
"""After which services end that others have asked to, before Ray did: it is no longer seen."""

_SETTINGS = {
    # The node's parts look for each other 50 times a second, for as long as Ray would; once a
    # second costs every third study a second.
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
}
_IMPORT_AHEAD = {
    "RAY_preload_python_modules": "ablate.launch.waiting_worker",
    # Ray ends workers that have idled for 1 s once trials are reserved places, and starts others.
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}


class OwnRay:
    """A local Ray that only this process ends.

    Batch systems signal every process of a job at once. Ray's services and workers do not hear
    that: with them gone nothing could be saved. They hear no SIGTERM of this process's either,
    and are killed once they are no longer needed.
    """

    def __init__(self) -> None:
        self._services: set[int] = set()

    def start(self, preload: Sequence[str], **settings: Any) -> None:
        """Starts it and connects to it.

        Args:
            preload: Modules that each idle worker imports, without waiting for a trial.
            settings: Of `ray.init`.
        """
        ahead = {MODULES: ",".join(preload), **_IMPORT_AHEAD} if preload else {}
        check_temporary_folder()
        settings_of_ray = {**_SETTINGS, **ahead, **token_without_home()}
        before = children_of(os.getpid())
        try:
            with _environment(settings_of_ray), few_services(), unheard_by_children():
                ray.init(
                    address="local", include_dashboard=False, resources={OWN: 1},
                    object_store_memory=OBJECT_STORE_BYTES, **settings,
                )  # fmt: skip
        finally:
            self._services = children_of(os.getpid()) - before

    def end(self) -> None:
        """Disconnects and ends it, with all that its workers have started."""
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

    def kill(self) -> None:
        """Ends all its processes, and leaves this one's connection as it is."""
        kill(family_of(self._services))

    def _kill_when_asked(self, over: threading.Event, asked_before: set[int]) -> None:
        """Kills what `ray.shutdown` asks to end, for which it would wait in vain."""
        deadline = time.monotonic() + LATEST_S
        left = set(self._services)
        while left and not over.wait(LOOK_S):
            late = time.monotonic() > deadline
            asked = {
                pid for pid in left
                if has_ended(pid) or (late if pid in asked_before else is_asked_to_end(pid))
            }  # fmt: skip
            kill(asked)
            left -= asked


def is_anothers() -> bool:
    """Whether the Ray that this process is connected to is another study's own."""
    return OWN in ray.cluster_resources()


def use_waiting_workers() -> None:
    """Lets Tune's trials run in the workers that are there.

    Tune gives its actors a variable by a runtime environment, for which Ray would start other
    workers: here all of them have it from the driver (`PL_DISABLE_FORK`, see `cluster`).
    """
    from ray.tune.execution import class_cache

    getattr(class_cache, "DEFAULT_ENV_VARS", {}).clear()


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Generator[None]:
    """Variables for the processes started within; what the user has set himself stays."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
