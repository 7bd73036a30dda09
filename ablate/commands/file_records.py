"""The records of JSON lines and of tables (CSV), read as they are written."""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ablate.commands.records import Record, number_of, record_of
from ablate.commands.tail import Tail, lines_of

_DELIMITERS = ",;\t"


class FileRecords(ABC):
    """The records of one file.

    Args:
        path: The file.
        step: The name of the step; None: `step`, where there is one.
    """

    only_grows: ClassVar[bool] = False
    """Whether it is a file of Ablate's own."""

    def __init__(self, path: Path, step: str | None) -> None:
        self.tail = Tail(path, self.only_grows)
        self.names: dict[str, None] = {}
        """The names that were found, numbers or not, for those that look for others."""
        self._step = step
        self._told_rewritten = 0
        self._at: int | None = None
        """The step of what comes next, where that was said before."""

    @abstractmethod
    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """What was written since, at most up to an offset of the file.

        Args:
            upto: The offset; what a killed script left torn before it is passed over.
            is_final: Whether the script has ended well: the last line then needs no end.
        """

    def state(self) -> dict[str, Any]:
        """The place in the file, to go on from."""
        return self.tail.state()

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a place."""
        self.tail.load(state)

    def begin_attempt(self) -> None:
        """What comes next is of another attempt, which has not said its step yet."""
        self._at = None

    def begins_again(self) -> bool:
        """Whether the file was written anew since the last call."""
        before, self._told_rewritten = self._told_rewritten, self.tail.times_rewritten
        return before != self._told_rewritten


class JsonLines(FileRecords):
    """An object a line; or one JSON document, read once the script has ended."""

    def __init__(self, path: Path, step: str | None) -> None:
        super().__init__(path, step)
        self._found_any = self._is_list = False

    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """See `FileRecords`; lines that are no objects are passed over."""
        while lines := lines_of(self.tail, upto, is_final):
            # The last item of a list, on a line of its own, looks like a line of JSON lines.
            self._is_list |= not self._found_any and "[" in map(str.strip, lines)
            for value in map(_parsed, () if self._is_list else lines):
                self._found_any |= isinstance(value, Mapping)
                yield from self._records(value)
        if is_final and not self._found_any:
            yield from self._document()

    def _records(self, value: Any) -> Iterator[Record]:
        if isinstance(value, Mapping):
            yield from self._record(value)

    def _record(self, value: Mapping[Any, Any]) -> Iterator[Record]:
        record = record_of(value, self._step)
        self.names.update(dict.fromkeys(map(str, value)))
        if record is not None:
            yield record

    def _document(self) -> Iterator[Record]:
        """A whole file that is one object, or a list of them."""
        try:
            value = json.loads(self.tail.path.read_text("utf-8", "replace"))
        except (OSError, ValueError):
            return
        for item in value if isinstance(value, list) else [value]:
            yield from self._records(item)


class LoggedCalls(FileRecords):
    """What `ablate.log` appended."""

    only_grows = True

    def __init__(self, path: Path) -> None:
        super().__init__(path, None)
        self.world_size: int | None = None

    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """See `FileRecords`."""
        while lines := lines_of(self.tail, upto, is_final):
            for value in map(_parsed, lines):
                if isinstance(value, dict) and isinstance(value.get("metrics"), dict):
                    self.names.update(dict.fromkeys(value["metrics"]))
                    self.world_size = value.get("world_size", self.world_size)
                    yield Record(value["metrics"], value.get("step"), value.get("time"))


class Table(FileRecords):
    """CSV: a header, then a row a record."""

    def __init__(self, path: Path, step: str | None) -> None:
        super().__init__(path, step)
        self._header: list[str] = []
        self._header_of = 0
        self._delimiter = ","

    def new(self, upto: int | None, is_final: bool) -> Iterator[Record]:
        """See `FileRecords`."""
        while lines := lines_of(self.tail, upto, is_final):
            if self._header_of != self.tail.times_rewritten:
                self._header_of, self._header = self.tail.times_rewritten, []
            for line in lines:
                yield from self._row(line)

    def _row(self, line: str) -> Iterator[Record]:
        line = line.strip("\r\ufeff")
        if not line.strip():
            return
        if not self._header:
            text = line.lstrip("# ")
            self._delimiter = max(_DELIMITERS, key=text.count)
        cells = next(csv.reader([line], delimiter=self._delimiter))
        if not self._header or self._is_header(cells):
            self._header = [cell.strip().lstrip("# ") for cell in cells]
            self.names.update(dict.fromkeys(self._header))
            return
        record = record_of(dict(zip(self._header, cells, strict=False)), self._step)
        if record is not None:
            yield record

    def _is_header(self, cells: list[str]) -> bool:
        """Whether a further row is a header: a script that resumes may write it again.

        The column of row numbers, the first one, may have no name.
        """
        return all(number_of(cell) is None and (cell.strip() or not at)
                   for at, cell in enumerate(cells)) and any(map(str.strip, cells))  # fmt: skip

    def state(self) -> dict[str, Any]:
        """The place in the file, and its header."""
        return {**super().state(), "header": self._header, "delimiter": self._delimiter}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a place."""
        super().load(state)
        self._header, self._delimiter = state["header"], state["delimiter"]
        self.names.update(dict.fromkeys(self._header))


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
