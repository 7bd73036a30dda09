"""tensorboardX, which `ray[tune]` brings: what is used of it, imported when a study is tracked."""

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_UNUSED = "torch"
"""What it imports where it can, for tensors, which we do not give it: seconds of the driver's."""


@dataclass(frozen=True)
class TensorBoardX:
    """The public names of tensorboardX that are used here; its messages have no types."""

    record_writer: Callable[[str], Any]
    masked_crc32c: Callable[[bytes], int]
    event: Any
    """The message of which event files are made."""
    hparams: Any
    """The message that carries what the HParams tab shows."""


@functools.cache
def tensorboardx() -> TensorBoardX:
    """The library; without torch, unless that is there already."""
    with _hidden(_UNUSED):
        package = importlib.import_module("tensorboardX")
    records = importlib.import_module("tensorboardX.record_writer")
    events = importlib.import_module("tensorboardX.proto.event_pb2")
    plugin = importlib.import_module("tensorboardX.proto.plugin_hparams_pb2")
    return TensorBoardX(
        package.RecordWriter, records.masked_crc32c, events.Event, plugin.HParamsPluginData
    )


class _Hiding:
    """Lets a module that is not yet loaded look as if it were not installed, to one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, for all other modules and threads."""
        if fullname == self._name and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)
        return None


@contextlib.contextmanager
def _hidden(name: str) -> Generator[None]:
    finder = _Hiding(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
