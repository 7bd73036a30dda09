"""Asks `config_command` for the configs that runs really get: once for each line and state of code.

What it printed is kept in the user's cache, by the command line and by what it may have read: the
tree that the command is in, files of configs that git ignores, those in folders that are linked
there, and what the line itself names, wherever that is.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from ablate.commands.code import MAX_ENTRIES, pruned
from ablate.commands.snapshot import tree_of
from ablate.commands.surroundings import search_path
from ablate.identity import content_id
from ablate.study_dir import user_cache, write_atomically

MOST_S = 300.0
"""How long one call may take."""
APART_S = 1.1
"""Between two calls that show what is not the same each time: the seconds of a clock."""
_READ = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".py", ".txt", ".env")


@dataclass(frozen=True)
class Answer:
    """What a call came to.

    Attributes:
        printed: Its standard output, if it went well.
        error: What it said if it did not.
        asked_at: When, in seconds since 1970.
    """

    printed: str = ""
    error: str = ""
    asked_at: float = 0.0


def ask(
    lines: Sequence[tuple[str, ...]], folder: Path, storage: Path
) -> dict[tuple[str, ...], Answer]:
    """Calls each line once, as many at once as there are CPUs.

    Args:
        lines: Command lines.
        folder: Where they are called.
        storage: Where study directories are, which they do not read.
    """
    state = _state(folder, storage)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = pool.map(lambda line: _kept_answer(line, folder, state, 0), lines)
        return dict(zip(lines, answers, strict=True))


def ask_again(line: tuple[str, ...], folder: Path, storage: Path) -> Answer:
    """Calls a line a second time, a little later."""
    return _kept_answer(line, folder, _state(folder, storage), APART_S)


def _kept_answer(
    line: tuple[str, ...], folder: Path, state: Callable[[Sequence[str]], str], later_s: float
) -> Answer:
    name = content_id([line, str(folder), state(line), later_s])
    kept = user_cache() / "configs" / f"{name}.json"
    try:
        return Answer(**json.loads(kept.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        time.sleep(later_s)
    answer = _answer(line, folder)
    if not answer.error:
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, json.dumps(asdict(answer)))
        except OSError:
            return answer  # a user without a home: it is asked each time
    return answer


def _answer(line: tuple[str, ...], folder: Path) -> Answer:
    try:
        done = subprocess.run(
            line, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=MOST_S,
            env={**os.environ, "PATH": search_path()},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return Answer(error=str(error))
    printed, said = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if done.returncode:
        return Answer(error=said.strip() or printed.strip() or f"exit code {done.returncode}")
    return Answer(printed, asked_at=time.time())


def _state(folder: Path, storage: Path) -> Callable[[Sequence[str]], str]:
    """What is equal for a line as long as no file was changed that a config may be made of."""
    tree = tree_of(folder, storage)
    names = {tree.root / name for name in (*tree.files, *tree.left_out)} if tree else set[Path]()
    of_tree = content_id(_stats({*names, *_configs_below(folder, storage)}))
    stats_below = cache(lambda path: _stats(_configs_below(path, storage)))
    return lambda line: content_id([of_tree, *map(stats_below, _named(line, folder))])


def _named(line: Sequence[str], folder: Path) -> list[Path]:
    """The files and folders that a line names, but for ours: `--config-dir=/data/conf`."""
    parts = dict.fromkeys(part for word in line for part in (word, *re.split("[=,:]", word)))
    named = [folder / part for part in parts if part and os.path.exists(folder / part)]
    own = user_cache().resolve()
    return [path for path in named if not path.resolve().is_relative_to(own)]


def _stats(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    stats: list[tuple[str, int, int]] = []
    for path in sorted(paths):
        try:
            found = path.stat()
        except OSError:
            continue
        stats.append((str(path), found.st_size, found.st_mtime_ns))
    return stats


def _configs_below(top: Path, storage: Path) -> Iterator[Path]:
    """A file; of a folder the files of configs in it, and in folders that are linked there."""
    if top.is_file():
        yield top
    tops, seen = [top], {top.resolve()}
    for each in tops:
        num = 0
        for place, folders, files in os.walk(each):
            folders[:] = [n for n in pruned(place, folders) if Path(place, n) != storage]
            num += len(folders) + len(files)
            if num > MAX_ENTRIES:
                break
            linked = [path for name in folders if (path := Path(place, name)).is_symlink()]
            tops += [path for path in linked if path.resolve() not in seen]
            seen.update(path.resolve() for path in linked)
            yield from (Path(place, name) for name in files if name.endswith(_READ))
