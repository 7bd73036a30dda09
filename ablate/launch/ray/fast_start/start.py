"""Starts a Ray of our own faster than Ray does; there is no public way to do so.

Most of the time from the command to the first step goes into imports, and into services that
nobody uses. `ABLATE_PLAIN_RAY=1` switches all of this off, except for the process group of Ray's
services: that is function, not speed.
"""

import contextlib
import os
from collections.abc import Callable, Generator, Sequence

from ablate.launch.ray.environment import environment
from ablate.launch.ray.fast_start.preload import MODULES
from ablate.launch.ray.fast_start.services import few_services, replaced, services_apart

PLAIN = "ABLATE_PLAIN_RAY"

_SETTINGS = {
    # The node's parts poll for each other 50 times a second, for as long as Ray would; polling
    # once a second costs every third study a second.
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
    "PL_DISABLE_FORK": "1",  # what Tune would set for each trial, see `_trials_in_workers`
}
_IMPORT_AHEAD = {
    "RAY_preload_python_modules": "ablate.launch.ray.fast_start.preload",
    # Once trials have reserved places, Ray replaces workers that have been idle for 1 s.
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}


@contextlib.contextmanager
def fast_start(init: Callable[[], object], preload: Sequence[str]) -> Generator[None]:
    """Starts Ray, for a job that ends with the block; then everything replaced is restored.

    Args:
        init: Calls `ray.init`.
        preload: Modules that each idle worker imports, without waiting for a trial.
    """
    with contextlib.ExitStack() as starting:
        starting.enter_context(services_apart())
        if not is_plain():
            ahead = {MODULES: ",".join(preload), **_IMPORT_AHEAD} if preload else {}
            starting.enter_context(environment({**_SETTINGS, **ahead}))
            starting.enter_context(few_services())
        init()
    with contextlib.nullcontext() if is_plain() else _trials_in_workers():
        yield


def is_plain() -> bool:
    """Whether Ray is to start without our speed-ups."""
    return os.environ.get(PLAIN, "") not in ("", "0")


@contextlib.contextmanager
def _trials_in_workers() -> Generator[None]:
    """Lets Tune's trials run in the existing workers.

    Tune sets a variable for its actors by a runtime environment, for which Ray would start other
    workers: here all workers inherit it from the driver.
    """
    from ray.tune.execution import class_cache  # only now: workers import while Tune is imported

    if not hasattr(class_cache, "DEFAULT_ENV_VARS"):
        yield
        return
    with replaced(class_cache, "DEFAULT_ENV_VARS", {}):
        yield
