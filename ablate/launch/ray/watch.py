"""Watches whether the cluster still answers: Ray would end this process after a minute."""

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence

import ray

from ablate.launch.ray.address import Answer, ask

LOOK_S = 1.0
ANSWER_S = 4.0
_ENOUGH = 1.0
_MISSES = {Answer.RAY: 0.0, Answer.REFUSAL: _ENOUGH / 5, Answer.SILENCE: _ENOUGH / 3}
"""Weights of consecutive misses of a service, in looks rather than seconds, since either side may
be too busy. One that refuses is gone after 5 s, one that is silent after 15 s."""


@contextlib.contextmanager
def watched_cluster(gone: Callable[[str], None]) -> Generator[None]:
    """Watches the cluster that this process is connected to.

    Args:
        gone: Called with the cluster's address, in a thread, once it no longer answers.
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
    """The address of this process's node, which it needs as much as the cluster."""
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
