"""Where a Ray cluster may be: what is asked for, and what is found, looked at before Ray tries.

Ray itself would try for up to 14 minutes.
"""

import os
import socket
import sys
from enum import Enum
from pathlib import Path

from ablate.errors import AblateError

LOCAL = "local"
"""The address of a Ray of our own, also beside one that runs."""
AUTO = "auto"
"""The address of whatever runs on this machine."""
ANSWER_S = 5.0
"""For a cluster to say a word."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How HTTP/2 begins, which gRPC and so every service of Ray speaks: preface and settings."""
_SETTINGS_FRAME = 4


def check_address(address: str | None) -> str | None:
    """Refuses an address where no cluster can be.

    Args:
        address: `HOST:PORT`, `auto` or `local`; None for what RAY_ADDRESS says, or what there is.

    Returns:
        The address that is asked for; None where none is.

    Raises:
        AblateError: Where nothing answers, or Tune could not work.
    """
    named_by = "--address"
    if address in (None, AUTO) and os.environ.get("RAY_ADDRESS"):
        named_by, address = "RAY_ADDRESS", os.environ["RAY_ADDRESS"]
    if address in (None, AUTO, LOCAL):
        return address
    if address.startswith("ray://"):
        raise AblateError(
            f"{address}: Tune cannot be driven through Ray Client; "
            "give the address of the cluster itself, HOST:6379 say, from one of its machines"
        )
    if not address.rpartition(":")[2].isdigit() or "/" in address:
        raise AblateError(
            f"{named_by} {address}: that is no address of a cluster\n"
            "  write HOST:PORT (HOST:6379 say), auto, or local for a Ray of our own"
        )
    if not answers(address):
        fix = "start the cluster, or " if named_by == "--address" else "unset RAY_ADDRESS, or "
        raise AblateError(
            f"no Ray cluster at {address}, which {named_by} asks for: nothing answers there\n"
            f"  {fix}let --address local start a Ray of our own"
        )
    return address


def recorded_address() -> str | None:
    """The address of the cluster that `ray start` began last on this machine, dead or alive."""
    try:
        return address_file().read_text().strip() or None
    except OSError:
        return None


def address_file() -> Path:
    """Where `ray start` leaves the address of its cluster."""
    temporary = os.environ.get("TMPDIR", "/tmp") if sys.platform == "linux" else "/tmp"
    return Path(os.environ.get("RAY_TMPDIR", temporary), "ray", "ray_current_cluster")


class Answer(Enum):
    """What is behind an address."""

    RAY = "a service of Ray's"
    SILENCE = "nothing that says a word in time, or of something else"
    REFUSAL = "nobody"


def answers(address: str) -> bool:
    """Whether a service of Ray's answers at an address: no port that is merely open."""
    return ask(address, ANSWER_S) is Answer.RAY


def ask(address: str, timeout_s: float) -> Answer:
    """Says hello at an address."""
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
