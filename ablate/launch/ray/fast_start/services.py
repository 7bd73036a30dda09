"""Starts a Ray of our own with a node and its workers only, without services that nobody uses.

There is no public setting for this. If Ray has changed, it starts all services, at its own pace.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Generator
from typing import Any

NODE_TIMEOUT_S = 10.0
"""Then Ray waits for its node in its own way."""


@contextlib.contextmanager
def services_apart() -> Generator[None]:
    """Puts what Ray starts outside this process's group.

    A signal to the whole group, from a terminal or a batch system, is for the driver to handle.
    """
    from ray._private import utils

    if not hasattr(utils, "set_kill_on_parent_death_linux"):
        yield
        return
    apart = functools.partial(_in_a_group_apart, utils.set_kill_on_parent_death_linux)
    with replaced(utils, "set_kill_on_parent_death_linux", apart):
        yield


@contextlib.contextmanager
def few_services() -> Generator[None]:
    """Makes `ray.init` skip autoscaler, log monitor and API server, and poll for its node faster.

    By itself it checks only once a second whether the node is there.
    """
    from ray._private import node, parameter, services

    parameters = parameter.RayParams.__init__.__annotations__.keys()
    with contextlib.ExitStack() as stack:
        if {"no_monitor", "include_log_monitor"} <= parameters:
            fewer: Any = functools.partial(
                parameter.RayParams, no_monitor=True,
                include_log_monitor=False,  # pyright: ignore[reportArgumentType] - a bool, in fact
            )  # fmt: skip
            stack.enter_context(replaced(parameter, "RayParams", fewer))
        if hasattr(node.Node, "start_api_server"):
            stack.enter_context(replaced(node.Node, "start_api_server", _no_api_server))
        if hasattr(services, "get_node"):
            patched_get_node = functools.partial(_found_node, services.get_node)
            stack.enter_context(replaced(services, "get_node", patched_get_node))
        yield


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: object) -> Generator[None]:
    """Replaces the value of an attribute meanwhile.

    Args:
        owner: The module or class.
        name: The attribute.
        value: Its value within the block.
    """
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _in_a_group_apart(kill_on_parent_death: Callable[[], None]) -> None:
    """Runs between fork and exec of a service, where Ray ties its life to ours."""
    os.setpgrp()
    kill_on_parent_death()


def _found_node(get_node: Callable[[str, str], Any], gcs_address: str, node_id: str) -> Any:
    """Waits for the node, then gets it: `get_node` sleeps for whole seconds if it is missing."""
    deadline = time.monotonic() + NODE_TIMEOUT_S
    with contextlib.suppress(ImportError, AttributeError, TypeError, RuntimeError):
        from ray._raylet import GcsClient  # pyright: ignore - compiled

        client: Any = GcsClient(address=gcs_address)
        while time.monotonic() < deadline:
            if any(address.hex() == node_id for address in client.get_all_node_info()):
                break
            time.sleep(0.02)
    return get_node(gcs_address, node_id)


def _no_api_server(self: Any, **settings: Any) -> None:
    self._webui_url = None
