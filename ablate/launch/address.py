"""The address of a running Ray cluster, looked at before Ray is imported."""

import socket

from ablate.errors import AblateError

LOCAL = "local"
"""The address of a Ray of our own, also beside one that runs."""
CONNECT_TIMEOUT_S = 5.0


def check_address(address: str | None) -> None:
    """Refuses an address where no cluster can be; Ray itself would try for minutes.

    Args:
        address: `HOST:PORT`, `auto` or `local`; None for what there is.

    Raises:
        AblateError: Where nothing answers, or Tune could not work.
    """
    if address is None or address == LOCAL:
        return
    if address.startswith("ray://"):
        raise AblateError(
            f"{address}: Tune cannot be driven through Ray Client; "
            "give the address of the cluster itself, HOST:6379 say, from one of its machines"
        )
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return  # `auto`
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise AblateError(f"no Ray cluster at {address}: nothing answers there") from error
