"""A Ray of our own on this machine: what a study needs of it, and nothing that it waits for.

Most of the time from the command to the first step goes into imports. Ray's idle workers do
theirs while the driver still imports Tune.
"""

import contextlib
import os
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import ray

from ablate.launch.ray_services import few_services
from ablate.launch.surroundings import check_temporary_folder, token_without_home

OBJECT_STORE_BYTES = 256 * 1024**2
"""Results are small; the default takes a third of the memory's share of /dev/shm."""

OWN = "ablate_study"
"""A resource that tells a study's own Ray, which ends with it, from a cluster to be shared."""

MODULES = "ABLATE_PRELOAD"
"""The environment variable that names what `waiting_worker` imports, with commas between."""

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


def start_ray(preload: Sequence[str], **settings: Any) -> None:
    """Starts a local Ray.

    Args:
        preload: Modules that each idle worker imports, without waiting for a trial.
        settings: Of `ray.init`.
    """
    ahead = {MODULES: ",".join(preload), **_IMPORT_AHEAD} if preload else {}
    check_temporary_folder()
    with _environment({**_SETTINGS, **ahead, **token_without_home()}), few_services():
        ray.init(
            address="local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES,
            resources={OWN: 1}, **settings,
        )  # fmt: skip


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
