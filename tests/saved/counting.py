"""The trainable of a study directory that is kept here. Its hash is in there: leave it as it is."""

import os
import time

from ray.tune import Trainable


class Counting(Trainable):
    """Counts to `length`, as slowly as the environment says."""

    def setup(self, config):
        self.total = 0.0

    def step(self):
        time.sleep(float(os.environ.get("STEP_S", "0")))
        self.total += self.config["gain"] * (self.iteration + 1) + self.config["seed"]
        print(f"step {self.iteration + 1} total {self.total}")
        return {"score": self.total, "done": self.iteration + 1 >= self.config["length"]}

    def save_checkpoint(self, checkpoint_dir):
        return {"total": self.total}

    def load_checkpoint(self, checkpoint):
        self.total = checkpoint["total"]
