"""The server: its socket, its thread, and its end."""

import contextlib
import errno
import logging
import secrets
import socket
import threading
from collections.abc import Generator

import uvicorn

from ablate.errors import InputError, Problem, reason_of
from ablate.watch.app import watch_app
from ablate.watch.guard import Guard
from ablate.watch.storage import Storage

END_S = 2
"""For answers on their way, when the server ends."""
_WAIT_S = 0.1
_FIX = "give an address of this machine: 127.0.0.1"


class Server:
    """The pages of a storage, while the context lasts.

    Args:
        storage: What is shown.
        host: The address to listen on.
        port: The port; 0: one that is free.
    """

    def __init__(self, storage: Storage, host: str, port: int) -> None:
        self._socket = _bound(host, port)
        self.host, self.port = host, self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        app = Guard(watch_app(storage, lambda: self._server.should_exit), host, self.token)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
            timeout_graceful_shutdown=END_S,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        """Where the pages are, with the token."""
        is_any = self.host in ("0.0.0.0", "::")
        host = socket.gethostname() if is_any else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/?token={self.token}"

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Serves in a thread of its own: the main thread hears signals."""
        threading.Thread(target=self._run, name="ablate-watch", daemon=True).start()
        try:
            yield
        finally:
            self._server.should_exit = True
            with _unlogged():  # an answer that is cut off is no error
                # Not `join`: interrupted by a signal, Python 3.11 takes the thread for ended.
                self._ended.wait(2 * END_S)
            self._socket.close()

    def serve(self) -> None:
        """Serves until a signal, or the server's own end."""
        with self.serving():
            while not self._ended.wait(_WAIT_S):
                pass

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        finally:
            self._ended.set()


@contextlib.contextmanager
def _unlogged() -> Generator[None]:
    logger = logging.getLogger("uvicorn.error")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with contextlib.ExitStack() as stack:
            made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, port))
            made.listen(128)
            stack.pop_all()
            return made
    except UnicodeError as error:  # no name may be so
        problem = Problem("--host", "is no name of a machine", host, fix=_FIX)
        raise InputError("command line", [problem]) from error
    except OSError as error:
        is_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        key, value, fix = (
            ("--host", host, _FIX)
            if is_host
            else ("--port", port, "give another port, or 0 for one that is free")
        )
        why = f"cannot be listened on at {host}: {reason_of(error)}"
        raise InputError("command line", [Problem(key, why, value, fix=fix)]) from error
