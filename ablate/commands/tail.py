"""Files that are read while somebody else writes them."""

import os
import time
import zlib
from pathlib import Path
from typing import Any

REWRITE_S = 1.0
"""For a file that is shorter than it was to become what it was: it is being written again."""
MARK = 64
"""Bytes before the place of reading by which a file is known again."""
MOST = 2**22
"""Bytes that are read at a time."""
MOST_AGAIN = 2**26
"""Bytes that are read again to see whether they have changed."""


class Tail:
    """A place in a file that grows.

    Args:
        path: The file, which need not be there yet.
        only_grows: Whether nobody ever changes what it has: it is Ablate's own.
    """

    def __init__(self, path: Path, only_grows: bool = False) -> None:
        self.path = path
        self.offset = 0
        self.times_rewritten = 0
        """How often it turned out to be another file: reading began again."""
        self._mark = b""
        self._checksum = 0
        self._inode = 0
        self._is_checked = False
        self._starts_at = 0
        self._only_grows = only_grows
        self._short_since: float | None = None

    def state(self) -> dict[str, Any]:
        """The place, to go on from."""
        return {
            "starts_at": self._starts_at,
            "offset": self.offset,
            "mark": self._mark.hex(),
            "checksum": self._checksum,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a place."""
        self.offset, self._mark = state["offset"], bytes.fromhex(state["mark"])
        self._checksum, self._starts_at = state["checksum"], state["starts_at"]

    def skip_to(self, offset: int) -> None:
        """Passes over what lies before an offset."""
        self.offset = self._starts_at = offset
        self._mark, self._checksum = b"", 0

    def peek(self, upto: int | None = None, is_final: bool = False, most: int = MOST) -> bytes:
        """What is new, at most up to an offset; `advance` takes it.

        Args:
            upto: The offset.
            is_final: Whether nobody writes any more.
            most: Bytes to read at most.
        """
        try:
            with self.path.open("rb") as file:
                if not self._is_same(file, is_final):
                    return b""
                file.seek(self.offset)
                return file.read(most if upto is None else max(0, min(most, upto - self.offset)))
        except (FileNotFoundError, IsADirectoryError):
            return b""

    def advance(self, taken: bytes) -> None:
        """Moves beyond what was taken of what `peek` gave."""
        self.offset += len(taken)
        self._mark = (self._mark + taken)[-MARK:]
        self._checksum = zlib.crc32(taken, self._checksum)
        self._is_checked = False

    def _is_same(self, file: Any, is_final: bool) -> bool:
        """Whether what was read is still there; begins again where it stays away."""
        if self._only_grows:
            return True
        file.seek(self.offset - len(self._mark))
        is_same = file.read(len(self._mark)) == self._mark
        if is_same and self._is_as_before(file, is_final):
            self._short_since = None
            return True
        is_final = is_final or is_same
        now = time.monotonic()
        self._short_since = now if self._short_since is None else self._short_since
        if not is_final and now - self._short_since < REWRITE_S:
            return False
        self.offset, self._mark, self._checksum, self._starts_at = 0, b"", 0, 0
        self._short_since = None
        self.times_rewritten += 1
        return True

    def _is_as_before(self, file: Any, is_final: bool) -> bool:
        """Whether all that was read is still there: looked at where a file was replaced, and last.

        An offset without a mark was given, and not read up to.
        """
        inode, self._inode = self._inode, os.fstat(file.fileno()).st_ino
        is_due = inode not in (0, self._inode) or (is_final and not self._is_checked)
        if not is_due or not self._mark or self.offset > MOST_AGAIN or self._starts_at:
            return True
        self._is_checked = is_final
        file.seek(0)
        return zlib.crc32(file.read(self.offset)) == self._checksum


def lines_of(tail: Tail, upto: int | None, is_final: bool, ends: bytes = b"\n") -> list[str]:
    """The whole lines that are new; at the end of what is written the last one counts, too.

    Args:
        tail: Where to read.
        upto: The offset up to which to read; a line that it breaks off is torn and passed over.
        is_final: Whether nobody writes any more.
        ends: Characters that end a line.
    """
    data = tail.peek(upto, is_final)
    if not data:
        return []
    at_end = is_final or (upto is not None and tail.offset + len(data) >= upto)
    whole = data[: 1 + max(data.rfind(bytes([end])) for end in ends)]
    if len(data) == MOST:
        data = whole or data  # a line without an end is no record of anything
    elif not at_end:
        data = whole
    if not data:
        return []
    tail.advance(data)
    text = data.decode("utf-8", "replace")
    for end in ends.decode():
        text = text.replace(end, "\n")
    *lines, rest = text.split("\n")
    return [*lines, rest] if rest and is_final else lines or [""]
