"""What a Ray of our own needs of the account that it runs in: short paths, and a home."""

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
    """Refuses a temporary folder whose name leaves no room for Ray's sockets.

    Raises:
        AblateError: With what would do.
    """
    name = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "TMPDIR")
    folder = os.environ.get(name) or "/tmp"
    if len(os.fsencode(folder)) + 1 + len(_LONGEST) > SOCKET_BYTES:
        most = SOCKET_BYTES - 1 - len(_LONGEST)
        raise AblateError(
            f"{name} = {folder}: Ray's sockets are below it, and their paths may have "
            f"{SOCKET_BYTES} bytes\n"
            f"  fix: export RAY_TMPDIR=/tmp, or another path of at most {most} bytes; "
            "or run with --local"
        )


def token_without_home() -> dict[str, str]:
    """A token for Ray's parts to know each other by, where there is no home to keep one in."""
    token_file = Path(os.path.expanduser("~"), ".ray", "auth_token")
    if any(name in os.environ for name in _TOKENS) or os.access(token_file, os.R_OK):
        return {}
    if token_file.is_absolute():  # else nobody knows where home is
        with contextlib.suppress(OSError):
            token_file.parent.mkdir(parents=True, exist_ok=True)  # as Ray would
            if os.access(token_file.parent, os.W_OK):
                return {}
    return {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
