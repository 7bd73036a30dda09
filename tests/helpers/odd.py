"""Trainables as people write them: with an `__init__`, closures as state, nested results."""

import os
from pathlib import Path

import numpy as np
from pydantic import model_validator
from ray.tune import Trainable

from ablate.trainable.contract import REPORT_KEY, TrainableConfig, TrainableHooks

AT_IMPORT = os.getcwd()


class Loose(Trainable):
    """Takes what Tune gives by keyword; its state holds a closure; its results are nested."""

    def __init__(self, config=None, **kwargs):
        self.before = "made"
        super().__init__(config, **kwargs)

    def setup(self, config):
        self.offset = float(Path("data.txt").read_text())
        self.add = lambda value, by=0.0: value + by
        self.folders = {AT_IMPORT, os.getcwd()}

    def step(self):
        if self.iteration == 1 and not Path(self.logdir, "stumbled").exists():
            Path(self.logdir, "stumbled").touch()
            raise RuntimeError("once")
        done = self.add(1.0)
        self.add = lambda value, by=done: value + by
        value = self.add(self.config["gain"]) + self.offset
        found = {"acc": np.float32(value), "huge": -(10**400), "by_class": {"cat": 1, 3: 2.0}}
        return {"eval": found, "folders": len(self.folders), "done": self.iteration == 2}

    def save_checkpoint(self, checkpoint_dir):
        return {"add": self.add}

    def load_checkpoint(self, checkpoint):
        self.add = checkpoint["add"]


class KeywordOnly(Loose):
    """Names both arguments, and lets neither be given by its place."""

    def __init__(self, *, config, storage):
        super().__init__(config, storage=storage)


class OldFashioned(Loose):
    """As Ray's documentation had it for years."""

    def __init__(self, config=None, logger_creator=None, storage=None):
        super().__init__(config, storage=storage)


class Broken(Loose):
    """Fails in its own `__init__`, after what Tune does in it."""

    def __init__(self, config=None, **kwargs):
        super().__init__(config, **kwargs)
        self.model = self.made_in_setup


class Scored(Trainable):
    """Reports the scores of its config, one a result; null is no score at all."""

    def step(self):
        scores = self.config["scores"]
        score = scores[self.iteration]
        result = {"loss": 1.0, "done": self.iteration + 1 == len(scores)}
        if score == "list":
            return {**result, "score": [0.5, 0.7]}
        return result if score is None else {**result, "score": float(score)}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


class Packed(Trainable):
    """Trains its runs together; measures late, with another library's numbers."""

    ablate = TrainableHooks(packs=True)

    def step(self):
        is_over = self.iteration == 2
        reports = [
            {
                "run_id": run["run_id"],
                "status": "ok" if is_over else "running",
                "points": [(np.int64(self.iteration + 1), {"score": None, "loss": np.float32(1)})],
                **({"metrics": {"score": np.float32(run["seed"])}} if is_over else {}),
            }
            for run in self.config["runs"]
        ]
        return {"done": is_over, REPORT_KEY: reports}

    def save_checkpoint(self, checkpoint_dir):
        pass

    def load_checkpoint(self, checkpoint):
        pass

    def load_runs(self, folders):
        pass


class Meddling(TrainableConfig):
    """Changes what it is given, as validators of old configs do."""

    gain: float = 1.0
    inner: dict[str, float]

    @model_validator(mode="before")
    @classmethod
    def _doubled(cls, values):
        values["inner"]["rate"] *= 2
        return values


class Configured(Scored):
    """Its config says nothing of metrics, and its data are counted."""

    Config = Meddling
    ablate = TrainableHooks(preflight=lambda config: {"data_fingerprint": 12})

    def step(self):
        return {"score": self.config["inner"]["rate"], "done": True}


class Checked(Scored):
    """Its preflight only checks."""

    ablate = TrainableHooks(preflight=lambda config: None)
