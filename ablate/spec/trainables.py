"""The trainables of a study: its own, and those of blocks that have theirs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from ablate.commands.spec import Command
from ablate.errors import Problem
from ablate.spec.models import Study
from ablate.spec.study_metrics import with_study_metrics
from ablate.trainable.joint_model import JointModel
from ablate.trainable.registry import TrainableEntry, find_trainable


@dataclass(frozen=True)
class Trainables:
    """What the cells of a study train with.

    Attributes:
        own: The study's.
        of_blocks: Those of its `blocks`, in their order; by default the study's own.
        is_used: Whether the study has cells of its own, beside those of its blocks.
    """

    own: TrainableEntry
    of_blocks: tuple[TrainableEntry, ...] = ()
    is_used: bool = True

    @property
    def each(self) -> tuple[TrainableEntry, ...]:
        """Those that cells have, each once, in the order of the blocks."""
        used = ([self.own] if self.is_used else []) + list(self.of_blocks)
        return tuple({entry.name: entry for entry in used or [self.own]}.values())

    @cached_property
    def model(self) -> JointModel:
        """Their config models together."""
        return JointModel(tuple(dict.fromkeys(entry.config_model() for entry in self.each)))


def find_trainables(study: Study) -> Trainables | list[Problem]:
    """Looks up the trainables of a study; what is wrong with their names if they are not found."""
    folder = str(study.path(""))
    found = _placed(find_trainable(study.trainable), folder)
    if isinstance(found, TrainableEntry):
        found = with_study_metrics(study, found, study.base)
    of_blocks = [
        found if block.trainable is None else _of_block(study, index, block.trainable, folder)
        for index, block in enumerate(study.blocks)
    ]
    problems = list(_problems([("", found), *(
        (f"blocks[{index}].", entry)
        for index, (block, entry) in enumerate(zip(study.blocks, of_blocks, strict=True))
        if block.trainable is not None
    )]))  # fmt: skip
    if problems:
        return problems
    entries = tuple(entry for entry in of_blocks if isinstance(entry, TrainableEntry))
    assert isinstance(found, TrainableEntry)
    return Trainables(found, entries, bool(study.factors or not study.blocks))


def _of_block(
    study: Study, index: int, name: str | Command, folder: str
) -> TrainableEntry | Problem:
    """The trainable of a block that has its own, and a base of its own."""
    found = _placed(find_trainable(name), folder)
    if isinstance(found, Problem):
        return found
    return with_study_metrics(study, found, study.blocks[index].base)


def _placed(found: TrainableEntry | Problem, folder: str) -> TrainableEntry | Problem:
    """A command with the folder in which it is started."""
    if isinstance(found, Problem) or found.command is None:
        return found
    return replace(found, folder=folder)


def _problems(found: list[tuple[str, TrainableEntry | Problem]]) -> Iterator[Problem]:
    for place, entry in found:
        if isinstance(entry, Problem):
            yield replace(entry, key=f"{place}{entry.key}")
