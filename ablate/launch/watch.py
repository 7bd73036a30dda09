"""Looks whether the cluster is still there: Ray's own way is to end the process after a minute."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence

import ray

from ablate.launch.address import answers

LOOK_S = 1.0
PATIENCE_S = 6.0
"""How long a service may not answer; a busy one takes a second or two."""
_ANSWER_S = 2.0


@contextlib.contextmanager
def watched_cluster(gone: Callable[[str], None]) -> Generator[None]:
    """Watches the cluster that this process is connected to.

    Args:
        gone: Told the cluster's address, in a thread, once it does not answer any more.
    """
    address = ray.get_runtime_context().gcs_address
    over = threading.Event()
    services = [address, *_own_node()]
    thread = threading.Thread(target=_watch, args=(services, over, gone), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _own_node() -> Sequence[str]:
    """The address of this process's node, without which it cannot do anything either."""
    own = ray.get_runtime_context().get_node_id()
    return [
        f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        for node in ray.nodes()
        if node["NodeID"] == own
    ]


def _watch(services: Sequence[str], over: threading.Event, gone: Callable[[str], None]) -> None:
    heard_at = dict.fromkeys(services, time.monotonic())
    while not over.wait(LOOK_S):
        for service in services:
            if answers(service, _ANSWER_S):
                heard_at[service] = time.monotonic()
        if time.monotonic() - min(heard_at.values()) > PATIENCE_S and not over.is_set():
            gone(services[0])
            return
