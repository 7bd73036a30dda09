"""What a Ray of our own needs of the account it runs in: short paths, and a home."""

import contextlib
import os
import secrets
from pathlib import Path

from ablate.errors import AblateError

SOCKET_BYTES = 107
"""The longest path of a Unix socket."""
_LONGEST = "ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def check_temporary_folder() -> None:
    """Refuses a temporary folder whose path is too long for Ray's sockets.

    Raises:
        AblateError: With a fix.
    """
    name = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "TMPDIR")
    folder = os.environ.get(name) or "/tmp"
    if len(os.fsencode(folder)) + 1 + len(_LONGEST) > SOCKET_BYTES:
        most = SOCKET_BYTES - 1 - len(_LONGEST)
        raise AblateError(
            f"{name} = {folder}: too long for Ray's sockets below it, whose paths may have at most "
            f"{SOCKET_BYTES} bytes\n"
            f"  fix: export RAY_TMPDIR=/tmp, or another path of at most {most} bytes; "
            "or run with --local"
        )


def token_without_home() -> dict[str, str]:
    """A token for Ray's processes to authenticate each other, if there is no home to keep one."""
    token_file = Path(os.path.expanduser("~"), ".ray", "auth_token")
    if any(name in os.environ for name in _TOKENS) or os.access(token_file, os.R_OK):
        return {}
    if token_file.is_absolute():  # else the home is unknown
        with contextlib.suppress(OSError):
            token_file.parent.mkdir(parents=True, exist_ok=True)  # as Ray would
            if os.access(token_file.parent, os.W_OK):
                return {}
    return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
