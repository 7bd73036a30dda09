"""Checks the address of a Ray cluster before Ray tries it, which may take up to 14 minutes."""

import os
import socket
import sys
from enum import Enum
from pathlib import Path

from ablate.errors import AblateError

LOCAL = "local"
"""The address of a Ray of our own, even if another one is running."""
AUTO = "auto"
"""The address of whatever cluster is running on this machine."""
ANSWER_S = 5.0
"""How long a cluster has to answer."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The preface and settings of HTTP/2, which gRPC and so every service of Ray speaks."""
_SETTINGS_FRAME = 4


def check_address(address: str | None) -> str | None:
    """Refuses an address where no cluster can be.

    Args:
        address: `HOST:PORT`, `auto` or `local`; None for RAY_ADDRESS, or whatever is running.

    Returns:
        The requested address; None if there is none.

    Raises:
        AblateError: If nothing answers, or Tune could not use it.
    """
    named_by = "--address"
    if address in (None, AUTO) and os.environ.get("RAY_ADDRESS"):
        named_by, address = "RAY_ADDRESS", os.environ["RAY_ADDRESS"]
    if address in (None, AUTO, LOCAL):
        return address
    if address.startswith("ray://"):
        raise AblateError(
            f"{address}: Tune cannot be driven through Ray Client; "
            "give the address of the cluster itself, such as HOST:6379, from one of its machines"
        )
    if not address.rpartition(":")[2].isdigit() or "/" in address:
        raise AblateError(
            f"{named_by} {address}: not the address of a cluster\n"
            "  write HOST:PORT (such as HOST:6379), auto, or local to start a Ray of its own"
        )
    if not answers(address):
        fix = "start the cluster, or " if named_by == "--address" else "unset RAY_ADDRESS, or "
        raise AblateError(
            f"no Ray cluster at {address}, which {named_by} asks for: nothing answers there\n"
            f"  {fix}use --address local to start a Ray of its own"
        )
    return address


def recorded_address() -> str | None:
    """The address of the cluster that `ray start` last started on this machine, dead or alive."""
    try:
        return address_file().read_text().strip() or None
    except OSError:
        return None


def address_file() -> Path:
    """The file in which `ray start` records the address of its cluster."""
    temporary = os.environ.get("TMPDIR", "/tmp") if sys.platform == "linux" else "/tmp"
    return Path(os.environ.get("RAY_TMPDIR", temporary), "ray", "ray_current_cluster")


class Answer(Enum):
    """What is behind an address."""

    RAY = "a Ray service"
    SILENCE = "no answer in time, or not one of Ray's"
    REFUSAL = "nothing: the connection is refused"


def answers(address: str) -> bool:
    """Whether a Ray service answers at an address; a port that is merely open does not count."""
    return ask(address, ANSWER_S) is Answer.RAY


def ask(address: str, timeout_s: float) -> Answer:
    """Asks what is behind an address."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return Answer.RAY
            connection.sendall(_HELLO)
            frame = connection.recv(9)
    except ConnectionRefusedError:
        return Answer.REFUSAL
    except (OSError, ValueError, OverflowError):
        return Answer.SILENCE
    return Answer.RAY if len(frame) > 3 and frame[3] == _SETTINGS_FRAME else Answer.SILENCE
