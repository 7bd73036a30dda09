"""What a plan says of the snapshots that commands run from."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ablate.commands.code import named_files
from ablate.commands.snapshot import LIMIT_MB, Tree, tree_of
from ablate.plan.plan import Plan
from ablate.text import some
from ablate.trainable.registry import TrainableEntry

EDITS = "an edit reaches runs that start later"
_NO_TRAINING = frozenset({"tests", "test", "docs", "examples", "notebooks", "benchmarks", "tools"})
"""Folders whose code no training imports, most likely."""


def code_notes(plan: Plan) -> Iterator[str]:
    """Which of the code of a plan's commands is not in a snapshot, so that edits reach it."""
    commands = [entry for entry in plan.entries if entry.command is not None]
    storage = plan.study.path(plan.study.storage)
    for folder in dict.fromkeys(entry.folder for entry in commands):
        tree = tree_of(Path(folder), storage)
        if tree is None:
            yield f"{folder} has too many files for a snapshot and no git: {EDITS}"
        elif tree.left_out:
            yield (
                f"not in the snapshot of the code, which takes files up to {LIMIT_MB} MB, "
                f"untracked ones together, and used in place: {some(tree.left_out)}"
            )
        if tree and (links := tree.links_out):
            yield f"not in the snapshot of the code, but links out of it: {some(links)}: {EDITS}"
        own = [entry for entry in commands if entry.folder == folder]
        if tree and (unwatched := _unwatched(own, tree)):
            told = ", ".join(f'"{name}/**"' for name in unwatched)
            yield (
                f"edits of the Python files in {some(unwatched)} are not noticed; with "
                f"watch: [{told}] they are"
            )
        outside = [path for entry in own for path in _outside(entry, tree)]
        if outside:
            yield f"not in the snapshot of the code: {some(outside)}: {EDITS}"


def _unwatched(entries: Sequence[TrainableEntry], tree: Tree) -> list[str]:
    """Folders with Python files that no command of a folder has as its code, as far as it can."""
    code = {path for entry in entries for path in entry.own_code().files}
    others = [tree.root / name for name in tree.files if name.endswith(".py")]
    beside = [path.relative_to(entries[0].folder).parts for path in others
              if path not in code and path.is_relative_to(entries[0].folder)]  # fmt: skip
    return sorted({top for top, *below in beside if below} - _NO_TRAINING)


def _outside(entry: TrainableEntry, tree: Tree | None) -> Iterator[str]:
    """The files that a command names and that are in another tree than its folder."""
    if entry.command is not None and tree is not None:
        for path in named_files(entry.command, Path(entry.folder)):
            if not path.resolve().is_relative_to(tree.root.resolve()) and path.suffix:
                yield str(path)
