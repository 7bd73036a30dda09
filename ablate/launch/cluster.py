"""The Ray cluster of a launch: the one that runs, the one that is named, or one of our own."""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any

import ray

from ablate.errors import AblateError, InputError, Problem
from ablate.garbage import uncollected
from ablate.interrupts import Interrupts
from ablate.launch.address import LOCAL, check_address
from ablate.launch.own_ray import is_anothers, start_ray, use_waiting_workers
from ablate.machine import Node, num_cpus, trials_at_once
from ablate.plan import Plan
from ablate.study import Study
from ablate.text import storable

BESIDE_ANOTHER = (
    "note: another study is running on this machine, and each uses all of it; "
    "run `ray start --head` first to let studies share it"
)

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0: Tune prints nothing
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger replaces CSV, JSON and TensorBoard
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ablate.interrupts has it
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial without GPUs sees none
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "PL_DISABLE_FORK": "1",  # Tune's own setting for its trials
}


@contextlib.contextmanager
def cluster(
    plan: Plan,
    num_runs: int,
    address: str | None,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> Generator[int]:
    """Connects to a cluster, and checks that a trial fits on a node of it.

    Args:
        plan: Its study says what a trial takes.
        num_runs: Runs to do.
        address: Of a running cluster; None uses one that is found, else starts a local one.
        interrupts: Gets SIGTERM back, which `ray.init` takes.
        say: Tells people what they should know of it.

    Yields:
        How many trials fit at once.

    Raises:
        AblateError: Where no cluster answers at the address.
        InputError: Where Ray cannot start here, or no node is large enough for a trial: Tune
            would wait forever.
    """
    found = _prepare()
    if not found:
        _connect(address, _worth_preloading(plan, num_runs), say)
    interrupts.install()
    try:
        slots = _slots(plan.study)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots + 2)
        yield slots
    finally:
        if not found:
            # Whatever another thread collects meanwhile may be Ray's, and ends the process.
            with uncollected():
                ray.shutdown()


def _check_import_path() -> None:
    """Refuses folders to import from, the current one among them, that Ray cannot tell workers."""
    wrong = [path for path in sys.path if storable(path) != path]
    if wrong:
        message, fix = "is not a path of UTF-8 text, which Ray needs", "rename it, or use --local"
        raise InputError("Python's path", [Problem("folder", message, p, fix=fix) for p in wrong])


def slots_at(study: Study, address: str) -> int:
    """How many trials a running cluster holds at once; connects to it only to look.

    Raises:
        AblateError: Where no cluster answers at the address.
        InputError: Where no node is large enough for a trial.
    """
    found = _prepare()
    if not found:
        _connect(address, (), lambda _: None)
    try:
        return _slots(study)
    finally:
        if not found:
            ray.shutdown()


def _prepare() -> bool:
    """Sets what Ray reads when it starts; returns whether it has been started before.

    Raises:
        InputError: Where there are folders to import from that Ray cannot tell its workers.
    """
    _check_import_path()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return ray.is_initialized()


def _connect(address: str | None, preload: Sequence[str], say: Callable[[str], None]) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    check_address(address)
    if address not in (None, LOCAL):
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            raise AblateError(f"no Ray cluster at {address}: {error}") from error
        return
    if address is None:
        with contextlib.suppress(ConnectionError):
            ray.init(address="auto", **quiet)
            if not is_anothers():
                return
            ray.shutdown()  # it ends with its study
            say(BESIDE_ANOTHER)
    start_ray(preload, num_cpus=num_cpus(), **quiet)
    use_waiting_workers()


def _worth_preloading(plan: Plan, num_runs: int) -> Sequence[str]:
    """What idle workers should import. Ray starts one a core: only where all will have a trial."""
    resources = plan.study.resources
    used = not resources.gpu and resources.cpu <= 1
    return plan.entry.preload if used and num_runs >= num_cpus() else ()


def _slots(study: Study) -> int:
    """How many trials fit at once."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [Node(node.get("CPU", 0), node.get("GPU", 0)) for node in alive]
    slots = trials_at_once(study.resources, nodes)
    if not slots:
        raise InputError(study.study, _too_large(study, nodes))
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
