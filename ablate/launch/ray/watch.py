"""Looks whether the cluster is still there: Ray's own way is to end the process after a minute."""

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence

import ray

from ablate.launch.ray.address import Answer, ask

LOOK_S = 1.0
ANSWER_S = 4.0
_ENOUGH = 1.0
_MISSES = {Answer.RAY: 0.0, Answer.REFUSAL: _ENOUGH / 5, Answer.SILENCE: _ENOUGH / 3}
"""What counts against a service, in a row: looks, no seconds, since a machine may be too busy for
either side. Who refuses is gone after 5 s, who is silent after 15 s."""


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
    missed = dict.fromkeys(services, 0.0)
    while not over.wait(LOOK_S):
        for service in services:
            miss = _MISSES[ask(service, ANSWER_S)]
            missed[service] = missed[service] + miss if miss else 0.0
        if max(missed.values()) > _ENOUGH - 0.01 and not over.is_set():
            gone(services[0])
            return
