"""A Ray of our own on this machine: what a study needs of it, and nothing that it waits for.

Most of the time from the command to the first step goes into imports. Ray's idle workers do
theirs while the driver still imports Tune.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import ray

OBJECT_STORE_BYTES = 256 * 1024**2
"""Results are small; the default takes a third of the memory's share of /dev/shm."""

NODE_TIMEOUT_S = 10.0
"""Then Ray looks for its node in its own way."""

OWN = "ablate_study"
"""A resource that tells a study's own Ray, which ends with it, from a cluster to be shared."""

_PRELOAD = "RAY_preload_python_modules"
_KEEP_IDLE = "RAY_idle_worker_killing_time_threshold_ms"
_KEEP_IDLE_MS = 60_000
"""Ray ends workers that have idled for 1 s once trials are reserved places, and starts others."""


def start_ray(preload: Sequence[str], **settings: Any) -> None:
    """Starts a local Ray.

    Args:
        preload: Modules that each idle worker imports, without waiting for a trial.
        settings: Of `ray.init`.
    """
    ahead = {_PRELOAD: ",".join(preload), _KEEP_IDLE: str(_KEEP_IDLE_MS)} if preload else {}
    with _environment(ahead), _few_services():
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


@contextlib.contextmanager
def _few_services() -> Generator[None]:
    """`ray.init` without autoscaler, log monitor and API server: nobody asks a study's own Ray.

    Nor does it look only once a second whether the node is there. There is no public setting for
    any of it. Where Ray has changed, it starts with all of them, in its own time.
    """
    from ray._private import node, parameter, services

    known = parameter.RayParams.__init__.__annotations__.keys()
    with contextlib.ExitStack() as stack:
        if {"no_monitor", "include_log_monitor"} <= known:
            fewer: Any = functools.partial(
                parameter.RayParams, no_monitor=True,
                include_log_monitor=False,  # pyright: ignore[reportArgumentType] - a bool, in fact
            )  # fmt: skip
            stack.enter_context(_replaced(parameter, "RayParams", fewer))
        if hasattr(node.Node, "start_api_server"):
            stack.enter_context(_replaced(node.Node, "start_api_server", _no_api_server))
        if hasattr(services, "get_node"):
            found = functools.partial(_found_node, services.get_node)
            stack.enter_context(_replaced(services, "get_node", found))
        yield


def _found_node(get_node: Callable[[str, str], Any], gcs_address: str, node_id: str) -> Any:
    """Asks for a node once it is there: where it is not, `get_node` sleeps for whole seconds."""
    deadline = time.monotonic() + NODE_TIMEOUT_S
    with contextlib.suppress(ImportError, AttributeError, TypeError, RuntimeError):
        from ray._raylet import GcsClient  # pyright: ignore - compiled

        client: Any = GcsClient(address=gcs_address)
        while time.monotonic() < deadline:
            if any(known.hex() == node_id for known in client.get_all_node_info()):
                break
            time.sleep(0.02)
    return get_node(gcs_address, node_id)


def _no_api_server(self: Any, **settings: Any) -> None:
    self._webui_url = None


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Callable[..., Any]) -> Generator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
