"""`ablate watch`: a study in the browser while it runs."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from ablate.errors import AblateError
from ablate.process.screen import Text
from ablate.spec.models import Study

NEEDED = ("starlette", "uvicorn")
MOST = 65_535


def build_parser(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ablate watch`."""
    storage = Study.model_fields["storage"].default
    parser.description = "Shows studies in a browser, also while they run; changes nothing."
    add = parser.add_argument
    add("place", nargs="?", metavar="STUDY_DIR | STORAGE", default=storage,
        help=f"a study directory, or the folder of studies (default {storage})")  # fmt: skip
    add("--port", type=_port, default=0, help="the port (default: one that is free)")
    add("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")


def watch_command(arguments: argparse.Namespace, console: Console) -> int:
    """Serves the pages until it is interrupted.

    Raises:
        AblateError: If the place is none, the port is taken, or `ablate[watch]` is not installed.
    """
    if missing := [name for name in NEEDED if not _is_there(name)]:
        told = " and ".join(missing)
        raise AblateError(f"ablate watch needs {told}: run pip install 'ablate[watch]'")
    from ablate.watch.guard import is_loopback
    from ablate.watch.server import Server
    from ablate.watch.storage import Storage

    storage = Storage.of(Path(arguments.place))
    server = Server(storage, arguments.host, arguments.port)
    if not is_loopback(arguments.host):
        note = "whoever can reach this machine and has the token can read; it is sent unencrypted"
        console.print(Text(f"note: --host {arguments.host}: {note}"), soft_wrap=True)
    if not storage.root.exists():
        note = f"note: {arguments.place} is not there yet: its studies appear once one is run"
        console.print(Text(note), soft_wrap=True)
    console.print(Text(f"watching {arguments.place}; Ctrl-C ends it, and no study"), soft_wrap=True)
    console.print(Text(f"  {server.url}"), soft_wrap=True)
    server.serve()
    return 0


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # it was put out of the way
        return False


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to {MOST}")
    return int(text)
