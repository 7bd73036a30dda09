"""Hands the plan's trials to Tune one by one, in linear time: a grid search is quadratic."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher


class PlanSearcher(Searcher):
    """Suggests prepared trial configs in order; its only state is how many were issued.

    Args:
        configs: One config per trial.
    """

    def __init__(self, configs: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__()
        self._configs = list(configs)
        self._issued = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next config."""
        if self._issued >= len(self._configs):
            return Searcher.FINISHED  # pyright: ignore[reportReturnType]
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
