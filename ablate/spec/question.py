"""What a study asks: two studies that ask something else do not share a directory unawares."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from ablate.spec.models import Block, Study, text
from ablate.trainable.contract import Mode


class QuestionPart(StrEnum):
    """What two questions may differ in."""

    METRIC = "metric"
    DIRECTION = "direction"
    FACTORS = "factors"


@dataclass(frozen=True)
class Question:
    """The metric of a study, its direction, and the factors whose effect on it is asked."""

    text: str
    """The question in the user's words, which may be none."""
    metric: str
    mode: Mode
    blocks: tuple[Mapping[str, tuple[str, ...]], ...]
    """Of the study, then of each further block: the factors with their levels, for people."""

    @classmethod
    def of(cls, study: Study) -> Self:
        """The question of a study, which may be an earlier one and need not be checked."""
        blocks = tuple(_levels_of(block) for block in (study, *study.blocks))
        return cls(study.question, study.metric, study.mode, blocks)

    def differences(self, later: "Question") -> list[QuestionPart]:
        """What a later question asks otherwise; nothing where it is the same one.

        Levels, seeds, margins and further metrics may differ, and a further block adds to a
        question: the tables that there were stay what they are.

        Args:
            later: The other one.
        """
        differs = {
            QuestionPart.METRIC: self.metric != later.metric,
            QuestionPart.DIRECTION: self.mode != later.mode,
            QuestionPart.FACTORS: not self._is_within(later),
        }
        return [part for part, is_other in differs.items() if is_other]

    def _is_within(self, later: "Question") -> bool:
        """Whether the factors of all its blocks are still those of a block."""
        own, others = ([blocks.keys() for blocks in each.blocks] for each in (self, later))
        return own[0] == others[0] and all(factors in others[1:] for factors in own[1:])


def _levels_of(block: Block) -> dict[str, tuple[str, ...]]:
    return {name: tuple(map(text, _labels(raw))) for name, raw in block.factors.items()}


def _labels(raw: Any) -> list[Any]:
    """The labels of a factor's levels."""
    return list(raw) if isinstance(raw, Mapping | list | tuple) else [raw]
