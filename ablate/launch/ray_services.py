"""What a study's own Ray starts with: a node and its workers, no services that nobody asks.

There is no public setting for any of it. Where Ray has changed, it starts with all of them, in
its own time.
"""

import contextlib
import functools
import importlib
import inspect
import os
import socket
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

NODE_TIMEOUT_S = 10.0
"""Then Ray looks for its node in its own way."""

_AGENT = Path(__file__).with_name("sleeping_agent.py")
_PYTHON = "_build_python_executable_command_memory_profileable"
_PORTS_OF_DASHBOARD = (
    "METRICS_AGENT_PORT_NAME",
    "METRICS_EXPORT_PORT_NAME",
    "DASHBOARD_AGENT_LISTEN_PORT_NAME",
)
_PORT_OF_ENVIRONMENTS = "RUNTIME_ENV_AGENT_PORT_NAME"
_NO_PORT = -1
"""What the dashboard's agent says of its ports where there is no dashboard."""


@contextlib.contextmanager
def few_services() -> Generator[None]:
    """`ray.init` without autoscaler, log monitor and API server, and with agents that sleep.

    Nor does it look only once a second whether the node is there. What it starts is no part of
    this process's group: a signal to all of that is the driver's to answer, in good order.
    """
    from ray._private import node, parameter, services, utils

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
        if hasattr(utils, "set_kill_on_parent_death_linux"):
            apart = functools.partial(_in_a_group_apart, utils.set_kill_on_parent_death_linux)
            stack.enter_context(_replaced(utils, "set_kill_on_parent_death_linux", apart))
        if hasattr(services, "get_node"):
            found = functools.partial(_found_node, services.get_node)
            stack.enter_context(_replaced(services, "get_node", found))
        if _agents_can_sleep(services):
            sleepy = functools.partial(_with_sleeping_agents, services.start_raylet)
            stack.enter_context(_replaced(services, "start_raylet", sleepy))
        yield


def _in_a_group_apart(kill_on_parent_death: Callable[[], None]) -> None:
    """Between fork and exec of a service, where Ray ties its life to ours."""
    os.setpgrp()
    kill_on_parent_death()


def _agents_can_sleep(services: Any) -> bool:
    """Whether Ray is as we know it, and without what its dashboard needs: an idle agent then."""
    utils, compiled = (
        importlib.import_module(f"ray.{name}") for name in ("_private.utils", "_raylet")
    )
    names = (*_PORTS_OF_DASHBOARD, _PORT_OF_ENVIRONMENTS, "persist_port")
    if not all(hasattr(compiled, name) for name in names) or not hasattr(services, _PYTHON):
        return False
    arguments = {"session_dir", "node_id", "runtime_env_agent_port"}
    if not arguments <= inspect.signature(services.start_raylet).parameters.keys():
        return False
    missing = getattr(utils, "get_dashboard_dependency_error", lambda: None)
    return missing() is not None


def _with_sleeping_agents(start_raylet: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Starts the node with stand-ins for its agents, whose ports it need not wait for."""
    from ray._private import services

    compiled: Any = importlib.import_module("ray._raylet")
    given = inspect.signature(start_raylet).bind(*args, **settings)
    port = _held_port()
    given.arguments["runtime_env_agent_port"] = port
    node = given.arguments["session_dir"], given.arguments["node_id"]
    for name in _PORTS_OF_DASHBOARD:
        compiled.persist_port(*node, getattr(compiled, name), _NO_PORT)
    compiled.persist_port(*node, getattr(compiled, _PORT_OF_ENVIRONMENTS), port)
    stand_in = functools.partial(_stand_in, getattr(services, _PYTHON))
    with _replaced(services, _PYTHON, stand_in):
        return start_raylet(*given.args, **given.kwargs)


def _stand_in(python: Callable[..., list[str]], *args: Any, **settings: Any) -> list[str]:
    """How to start an agent's stand-in; the agent's file and options follow."""
    interpreter, *flags = python(*args, **settings)
    return [interpreter, "-S", "-E", str(_AGENT), *flags]


def _held_port() -> int:
    """A port that is the agent's alone: whoever listens there must allow for our hold on it."""
    hold = socket.socket()
    hold.bind(("", 0))
    hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = hold.getsockname()[1]
    hold.detach()  # held until this process ends: the agent may wake late
    return port


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
