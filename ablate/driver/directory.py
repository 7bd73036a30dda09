"""The study directory before a command works in it."""

import re
import uuid
from datetime import UTC, datetime

from rich.console import Console

from ablate.errors import Problem, file_of, reason_of
from ablate.ledger.lock import driver_lock
from ablate.process.screen import Text
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths, as_seen_from_here, free, write_atomically


def make_directory(study: Study, paths: StudyPaths) -> None:
    """Makes a study directory that can be written to.

    Raises:
        InputError: Where it cannot.
    """
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
        (paths.root / ".writable").touch()
        (paths.root / ".writable").unlink()
    except OSError as error:
        fix = "choose a path that you can write to, or --storage DIR"
        message = f"{file_of(error) or paths.root} cannot be written: {reason_of(error)}"
        problem = Problem("storage", message, study.storage, fix=fix)
        raise study.refusal([problem]) from error


def make_uid(paths: StudyPaths, has_runs: bool, console: Console) -> None:
    """Gives the directory an identity, unless it has a valid one."""
    written = paths.uid.read_bytes().strip() if paths.uid.exists() else b""
    if re.fullmatch(rb"[0-9a-f]{32}", written):
        return
    if has_runs:
        note = f"note: {paths.uid} was lost and is recreated: W&B will take the runs for new ones"
        console.print(Text(note), soft_wrap=True)
    write_atomically(paths.uid, uuid.uuid4().hex)


def set_aside(paths: StudyPaths, wait_for_lock_s: float, console: Console) -> None:
    """Renames the old directory for a fresh start, and says what it is called now."""
    if not paths.root.exists():
        return
    with driver_lock(paths.lock, wait_for_lock_s):
        place = free(paths.put_aside(datetime.now(UTC)))
        paths.root.rename(place)
    told = f"note: {as_seen_from_here(paths.root)} was there: it is now {as_seen_from_here(place)}"
    console.print(Text(told), soft_wrap=True)
