"""The Ray cluster of a launch: the named one, the running one, or one of our own."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray

from ablate.errors import InputError, Problem
from ablate.launch.ray.address import check_address
from ablate.launch.ray.connection import connect
from ablate.launch.ray.fast_start.niceness import keep_niceness
from ablate.launch.ray.own_ray import OwnRay
from ablate.launch.ray.ray_log import ray_speaks_to
from ablate.launch.ray.watch import watched_cluster
from ablate.plan.plan import Plan
from ablate.process.gc_pause import gc_paused
from ablate.process.interrupts import Interrupts, unheard_by_children
from ablate.process.machine import Node, num_cpus, trials_at_once
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths
from ablate.text import storable

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0: Tune prints nothing
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger replaces CSV, JSON and TensorBoard
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ablate.process.interrupts has it
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    "TUNE_STATE_REFRESH_PERIOD": "86400",  # nobody reads it, and without a GCS it blocks forever
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without GPUs sees none
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}
_KEPT: list[BaseException] = []


@dataclass(frozen=True)
class Place:
    """Where trials run.

    Attributes:
        at_once: How many trials fit at once.
        is_shared: Whether others may be using it.
    """

    at_once: int
    is_shared: bool = False


@contextlib.contextmanager
def cluster(
    plan: Plan,
    num_runs: int,
    address: str | None,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> Generator[Place]:
    """Connects to a cluster, and checks that a trial fits on one of its nodes.

    Args:
        plan: Its study says what a trial needs.
        num_runs: Runs to do.
        address: Of a running cluster; None uses one that is found, else starts a local one.
        interrupts: Gets SIGTERM back, which `ray.init` takes, and is told if the cluster is gone.
        say: Tells the user a line.

    Yields:
        The place for trials.

    Raises:
        AblateError: If no cluster answers at the address, or it refuses us.
        InputError: If Ray cannot start here, or no node is large enough for a trial: Tune
            would wait forever.
    """
    if any(entry.command is not None for entry in plan.entries):
        keep_niceness()  # a script keeps its worker's, as if started by hand
    if _prepare(address):
        with watched_cluster(interrupts.cluster_is_gone):
            yield _place(plan.study, is_shared=False)
        return
    own = OwnRay()
    try:
        with unheard_by_children():
            log = StudyPaths(plan.study.directory).ray_log
            is_own = connect(own, address, _worth_preloading(plan, num_runs), say, log)
            interrupts.install()
        with watched_cluster(interrupts.cluster_is_gone):
            yield _place(plan.study, is_shared=not is_own)
    except KeyboardInterrupt as error:
        if interrupts.cluster_lost and interrupts.end_at_once:
            _let_go_of_nothing(error)
        raise
    finally:
        _disconnect(own, interrupts)


def _check_import_path() -> None:
    """Refuses import folders, the current one included, that Ray cannot pass to workers."""
    wrong = [path for path in sys.path if storable(path) != path]
    if wrong:
        message, fix = "is not a path of UTF-8 text, which Ray needs", "rename it, or use --local"
        raise InputError("Python's path", [Problem("folder", message, p, fix=fix) for p in wrong])


def slots_at(study: Study, address: str) -> int:
    """How many trials a running cluster holds at once; connects only to look.

    Raises:
        AblateError: If no cluster answers at the address.
        InputError: If no node is large enough for a trial.
    """
    if _prepare(address):
        return slots_of(study)
    own = OwnRay()
    with tempfile.TemporaryDirectory() as folder:  # a plan leaves nothing in a study directory
        log = Path(folder, "ray.log")
        with ray_speaks_to(log):
            connect(own, address, (), lambda _: None, log)
            try:
                return slots_of(study)
            finally:
                own.end()


def _prepare(address: str | None) -> bool:
    """Sets the variables that Ray reads on start; returns whether it is running already.

    Raises:
        AblateError: If nothing answers at the requested address.
        InputError: If there are import folders that Ray cannot pass to its workers.
    """
    _check_import_path()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not ray.is_initialized():
        return False
    if address is not None:
        check_address(address)  # as `connect` would: says if a requested cluster is gone
    return True


def _place(study: Study, is_shared: bool) -> Place:
    slots = slots_of(study)
    # On a shared cluster, trials queued ahead would keep other studies from getting their turn.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1" if is_shared else str(slots + 2)
    return Place(slots, is_shared)


def _disconnect(own: OwnRay, interrupts: Interrupts) -> None:
    if interrupts.cluster_lost and interrupts.end_at_once:
        own.kill()
        return  # the process ends soon, and disconnecting would wait for a lost cluster
    # Garbage collected meanwhile in another thread may be Ray's, and end the process.
    with gc_paused():
        own.end()


def _let_go_of_nothing(error: BaseException) -> None:
    """Keeps everything of Tune's alive, in a process that ends soon and stays connected until then.

    Releasing a placement group would wait for the lost cluster forever.
    """
    gc.disable()
    _KEPT.append(error)


def _worth_preloading(plan: Plan, num_runs: int) -> Sequence[str]:
    """What idle workers should import; Ray starts one per core, so only if all will get a trial."""
    resources = plan.study.resources
    used = not resources.gpu and resources.cpu <= 1
    if not used or num_runs < num_cpus():
        return ()
    return list(dict.fromkeys(module for e in plan.entries for module in e.hooks.preload))


def slots_of(study: Study) -> int:
    """How many trials fit at once."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [Node(node.get("CPU", 0), node.get("GPU", 0)) for node in alive]
    slots = trials_at_once(study.resources, nodes)
    if not slots:
        raise study.refusal(_too_large(study, nodes))
    return slots


def _too_large(study: Study, nodes: Sequence[Node]) -> list[Problem]:
    sizes = ", ".join(f"{node.cpus:g} CPU {node.gpus:g} GPU" for node in nodes)
    need = study.resources
    problems: list[Problem] = []
    for key, amount, most in (
        ("cpu", need.cpu, max(node.cpus for node in nodes)),
        ("gpu", need.gpu, max(node.gpus for node in nodes)),
    ):
        if amount > most:
            message = f"no node of the cluster has that much (nodes: {sizes})"
            fix = f"write at most {most:g}"
            problems.append(Problem(f"resources.{key}", message, amount, fix=fix))
    both = f"no node of the cluster has both at once (nodes: {sizes})"
    wanted = need.model_dump()
    return problems or [Problem("resources", both, wanted, fix="ask for less of one of them")]
