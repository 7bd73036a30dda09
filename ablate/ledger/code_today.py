"""Compares today's training code with the code that runs were made with."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ablate.ledger.provenance import code_hash
from ablate.run_row import RunRows
from ablate.trainable.code_files import IMPORTED, CodeFile, OwnCode, hash_of, parse_hashes, shown
from ablate.trainable.registry import TrainableEntry


class CodeToday:
    """The training code as it is now.

    Args:
        entry: The trainable.
    """

    def __init__(self, entry: TrainableEntry) -> None:
        self._entry = entry
        self._changed: dict[str, frozenset[str]] = {}

    def outdated(self, rows: RunRows) -> dict[str, frozenset[str]]:
        """Runs that were made or begun with other code, and the files that differ.

        Rows of earlier versions list no files, but have a hash of the trainable's package.

        Args:
            rows: The ledger's rows by run id.
        """
        outdated: dict[str, frozenset[str]] = {}
        for run_id, row in rows.items():
            files = self.changed(row.code_files or "")
            is_same = row.code_files or row.code_hash in (None, self._hash)
            if row.started_at and (files or not is_same):
                outdated[run_id] = files
        return outdated

    def changed(self, code_files: str) -> frozenset[str]:
        """The files that differ from those of a row."""
        if code_files not in self._changed:
            hashes = parse_hashes(code_files)
            self._changed[code_files] = frozenset(
                shown(file) for file, was in hashes.items() if was and was != self._now(file)
            )
        return self._changed[code_files]

    @cached_property
    def _hash(self) -> str:
        return code_hash(self._entry)

    @cached_property
    def _own(self) -> OwnCode:
        return self._entry.own_code()

    def _now(self, file: CodeFile) -> str:
        return next(filter(None, map(hash_of, self._places(file))), "")

    def _places(self, file: CodeFile) -> Iterator[Path]:
        """Where a file may be, most likely first."""
        if file.place != IMPORTED:
            yield Path(os.path.normpath(self._own.root / file.place), file.path)
        if not self._own.is_imported:
            return
        for root in _roots(file.path.partition("/")[0].partition(".")[0]):
            yield root / file.path


def _roots(top: str) -> Iterator[Path]:
    """The folders from which a top-level name is imported today."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        yield from map(Path, sys.path)  # an archive, or gone
        return
    folders = spec.submodule_search_locations or [spec.origin or ""]
    yield from (Path(os.path.abspath(folder)).parent for folder in folders)
