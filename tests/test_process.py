"""A command's own process: what it leaves alone, and how it ends."""

import gc
import subprocess
import sys
import threading

import ray
from studies import toy_study

from ablate.imports import uncollected
from ablate.interrupts import Interrupts
from ablate.launch import cluster
from ablate.plan import plan_study


def test_no_thread_lets_the_collection_go_on_while_another_forbids_it():
    def somebody():
        with uncollected():
            pass

    with uncollected():
        thread = threading.Thread(target=somebody)
        thread.start()
        thread.join()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_nothing_is_collected_while_ray_ends(tmp_path, monkeypatch):
    """Its references, let go in another thread at that moment, end the whole process."""
    seen = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: seen.append(gc.isenabled()))
    monkeypatch.setattr(cluster, "_connect", lambda *args: None)
    monkeypatch.setattr(cluster, "_slots", lambda study: 1)
    plan = plan_study(toy_study(tmp_path))
    with cluster.cluster(plan, 4, None, Interrupts(), print):
        assert gc.isenabled()
    assert seen == [False]
    assert gc.isenabled()


def test_a_pool_of_idle_threads_is_not_waited_for():
    code = (
        "import atexit, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from ablate.leaving import leave\n"
        "ThreadPoolExecutor(2).submit(int).result()\n"
        "atexit.register(print, 'and this')\n"
        "threading.Timer(0.2, print, ['this']).start()\n"
        "leave(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout.split("\n")) == (3, ["this", "and this", ""])
