"""Connects to the requested cluster, to one that is found, or to a Ray of our own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from ablate.errors import AblateError
from ablate.launch.ray.address import (
    AUTO,
    LOCAL,
    address_file,
    answers,
    check_address,
    recorded_address,
)
from ablate.launch.ray.own_ray import OwnRay, is_anothers
from ablate.process.machine import num_cpus

BESIDE_ANOTHER = (
    "note: another study is running on this machine, and each uses all of it; "
    "run `ray start --head` first to let studies share it"
)
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_OWN = "--address local starts a Ray of its own"


class UnlikeUsError(AblateError):
    """The cluster has another version of Python or Ray."""


def connect(
    own: OwnRay,
    address: str | None,
    preload: Sequence[str],
    say: Callable[[str], None],
    log: Path,
) -> bool:
    """Connects this process to a cluster.

    Args:
        own: Started if there is no other cluster, or none is wanted.
        address: As typed.
        preload: What idle workers of our own Ray import.
        say: Tells the user why a cluster that was found is not used.
        log: The file in which Ray says why it refuses us.

    Returns:
        Whether it is our own.

    Raises:
        AblateError: If the cluster does not answer, or refuses us.
    """
    asked = check_address(address)
    if asked not in (None, AUTO, LOCAL):
        _join(asked, log)
        if address == asked or not _is_left_to_another(say):  # typed, or from the environment
            return False
    elif asked != LOCAL and _joined_found(asked == AUTO, say, log):
        return False
    own.start(preload, num_cpus=num_cpus(), **_QUIET)
    return True


def _joined_found(is_asked: bool, say: Callable[[str], None], log: Path) -> bool:
    """Connects to a cluster found on this machine; False if a Ray of our own is needed."""
    recorded = recorded_address()
    if recorded is not None and not answers(recorded):
        problem = f"the Ray cluster at {recorded} is gone, which {address_file()} names"
        if is_asked:
            raise AblateError(f"{problem}\n  start one with `ray start --head`; {_OWN}")
        say(f"note: {problem}; starting a Ray of its own")
        return False
    try:
        _join(recorded or AUTO, log)
    except UnlikeUsError as error:
        if is_asked:
            raise
        say(f"note: {error}")
        return False
    except NoClusterError:
        if is_asked:
            raise
        return False
    return is_asked or not _is_left_to_another(say)


def _is_left_to_another(say: Callable[[str], None]) -> bool:
    """Disconnects from a Ray that belongs to another study and ends with it."""
    if not is_anothers():
        return False
    ray.shutdown()
    say(BESIDE_ANOTHER)
    return True


class NoClusterError(AblateError):
    """There is no cluster."""


def _join(address: str, log: Path) -> None:
    said_before = log.stat().st_size if log.exists() else 0
    try:
        ray.init(address=address, **_QUIET)
    except SystemExit as signalled:  # Ray's own way with SIGTERM
        raise KeyboardInterrupt from signalled
    except (ConnectionError, ValueError, RayError) as error:
        ray.shutdown()
        if isinstance(error, RayError) or _is_refused(log, said_before):
            raise AblateError(_asks_for_token(address)) from error
        raise NoClusterError(f"no Ray cluster at {address}: {error}\n  {_OWN}") from error
    except RuntimeError as error:
        ray.shutdown()
        if "mismatch" not in str(error):
            raise
        versions = " ".join(str(error).split())
        raise UnlikeUsError(
            f"the Ray cluster at {address} has another version of Python or Ray: {versions}\n"
            f"  use its versions; {_OWN}"
        ) from error


def _is_refused(log: Path, since: int) -> bool:
    """Whether Ray logged that our token is missing or wrong: the exception does not say it."""
    if not log.exists():
        return False
    with log.open("rb") as file:
        file.seek(since)
        return b"Unauthenticated" in file.read()


def _asks_for_token(address: str) -> str:
    return (
        f"the Ray cluster at {address} asks for a token, and accepts none that this process has\n"
        "  set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token, or in the file "
        f"that RAY_AUTH_TOKEN_PATH names, or in RAY_AUTH_TOKEN; {_OWN}"
    )
