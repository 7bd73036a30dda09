"""What starts a Ray of our own sooner: it is apart, can be switched off, and leaves nothing."""

import ast
import contextlib
import gc
import os
import re
import signal
from pathlib import Path

import pytest
import ray
from ray._private import node, parameter, services, utils
from ray.tune.execution import class_cache
from studies import toy_study

import ablate
from ablate.launch.ray import cluster
from ablate.launch.ray.environment import kept_environment
from ablate.launch.ray.own_ray import OwnRay
from ablate.plan.plan import plan_study
from ablate.process.interrupts import Interrupts

PACKAGE = Path(ablate.__file__).parent
INSIDES = re.compile(r"ray\._|ray\.tune\.execution|ray\.train\._|RAY_[a-z]")
"""Private modules, and the settings of Ray's C++, which are spelt so."""


def names_in(path):
    """What a file imports, in functions and for types alone too, and names as texts."""
    for found in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(found, ast.Import):
            yield from (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            yield from (f"{found.module}.{alias.name}" for alias in found.names)
        elif isinstance(found, ast.Attribute):
            yield ast.unparse(found)
        elif isinstance(found, ast.Constant) and isinstance(found.value, str):
            yield found.value


def test_nobody_else_knows_the_insides_of_ray():
    knowing = {
        path.relative_to(PACKAGE).parent.name
        if path.name != "tune_session.py"
        else "the functions' session"
        for path in PACKAGE.rglob("*.py")
        if any(INSIDES.match(name) for name in names_in(path))
    }
    assert knowing == {"fast_start", "the functions' session"}


def state():
    """All that is replaced, and where a study finds what Ray has of its own."""
    return {
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        "services": (parameter.RayParams, node.Node.start_api_server, services.get_node),
        "group": utils.set_kill_on_parent_death_linux,
        "trials": dict(class_cache.DEFAULT_ENV_VARS),
        "signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
    }


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("plain", ["", "0", "1"])
def test_all_that_is_replaced_is_back_and_a_plain_ray_has_only_its_signals(
    monkeypatch, plain, fails
):
    monkeypatch.setenv("ABLATE_PLAIN_RAY", plain)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a token")
    monkeypatch.setenv("RAY_raylet_client_num_connect_attempts", "7")  # the user's own
    starting = []

    def init(**settings):
        starting.append(state())
        if fails:
            raise RuntimeError("no Ray today")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    before, own = state(), OwnRay()
    with pytest.raises(RuntimeError, match="today") if fails else contextlib.nullcontext():
        own.start(["json"], num_cpus=1)
    running = state()
    own.end()
    assert state() == before

    meanwhile = starting[0]
    replaced = {name for name in before if before[name] != meanwhile[name]}
    assert {"group", "signals"} <= replaced
    assert replaced == {"group", "signals"} or plain != "1"
    if plain != "1":
        assert meanwhile["environment"]["ABLATE_PRELOAD"] == "json"
        assert not set(before["services"]) & set(meanwhile["services"])
    assert meanwhile["environment"]["RAY_raylet_client_num_connect_attempts"] == "7"
    assert running == {**before, "trials": before["trials"] if plain == "1" or fails else {}}


def test_the_environment_is_the_callers_again_but_for_what_others_have_set(monkeypatch):
    for name, value in {"KEPT": "mine", "CHANGED": "mine", "REMOVED": "mine"}.items():
        monkeypatch.setenv(name, value)
    with contextlib.suppress(KeyboardInterrupt), kept_environment() as all_is_set:
        os.environ.update(CHANGED="a library's", ADDED="a library's", BOTH="a library's")
        del os.environ["REMOVED"]
        all_is_set()
        os.environ.update(LATER="another thread's", BOTH="another thread's")
        raise KeyboardInterrupt
    names = ("KEPT", "CHANGED", "REMOVED", "ADDED", "LATER", "BOTH")
    found = {name: os.environ.get(name) for name in names}
    for name in ("LATER", "BOTH"):
        os.environ.pop(name)
    assert found == {
        "KEPT": "mine", "CHANGED": "mine", "REMOVED": "mine", "ADDED": None,
        "LATER": "another thread's", "BOTH": "another thread's",
    }  # fmt: skip


def test_a_caller_whose_cluster_was_lost_still_collects_garbage(tmp_path, monkeypatch):
    interrupts, ended = Interrupts(), []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(gc.isenabled()))
    monkeypatch.setattr(cluster, "connect", lambda *args: False)
    monkeypatch.setattr(cluster, "watched_cluster", lambda gone: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "slots_of", lambda study: 1)
    plan = plan_study(toy_study(tmp_path))

    def lose():
        with kept_environment(), cluster.cluster(plan, 4, None, interrupts, print):
            interrupts.cluster_lost = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lose()
    assert ended == [False]
    assert gc.isenabled()
