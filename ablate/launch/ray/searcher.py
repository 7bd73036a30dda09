"""Hands the plan's trials to Tune one by one, in linear time: a grid search is quadratic."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher


class UnderWay:
    """The trials of this process's experiment that have begun and not ended."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new experiment, or a restored one."""
        self._num_seen = 0
        self._live: dict[str, Any] = {}

    def issued(self, trial_id: str) -> None:
        """A trial is about to begin."""
        self._live[trial_id] = None

    def look_at(self, trials: Sequence[Any]) -> None:
        """Learns which of Tune's trials have begun and ended since the last look."""
        self._live |= {trial.trial_id: trial for trial in trials[self._num_seen :]}
        self._num_seen = len(trials)
        ended = [i for i, trial in self._live.items() if trial is not None and trial.is_finished()]
        for trial_id in ended:
            del self._live[trial_id]

    def __len__(self) -> int:
        return len(self._live)


UNDER_WAY = UnderWay()
"""The callback tells it: searchers hear of no trials that were restored."""


class PlanSearcher(Searcher):
    """Suggests prepared trial configs in order; its state is how many were issued.

    Args:
        configs: One config per trial.
        at_once: The most trials that may be under way; None: as many as have room.
    """

    def __init__(self, configs: Sequence[dict[str, Any]] = (), at_once: int | None = None) -> None:
        super().__init__()
        self._configs = list(configs)
        self._issued = 0
        self._at_once = at_once

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next config; None while enough trials are under way."""
        if self._issued >= len(self._configs):
            return Searcher.FINISHED  # pyright: ignore[reportReturnType]
        if self._at_once is not None:
            if len(UNDER_WAY) >= self._at_once:
                return None
            UNDER_WAY.issued(trial_id)
        self._issued += 1
        return self._configs[self._issued - 1]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learnt from results: the plan is fixed."""

    def save(self, checkpoint_path: str) -> None:
        """Saves how many configs were issued; the configs themselves are in `tuner.pkl`."""
        Path(checkpoint_path).write_text(json.dumps({"issued": self._issued}), "utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Continues after the configs that were issued."""
        self._issued = json.loads(Path(checkpoint_path).read_text("utf-8"))["issued"]
