"""Trainables of one's own that log pictures: a function and a class."""

import numpy as np
from ray.tune import Trainable

import ablate


def paints(gain, seed):
    """Logs three pictures under two names, the later of `grid` being all white."""
    for level in (0.0, 1.0):
        ablate.log_image("grid", np.full((4, 6), level), step=int(10 * level))
    ablate.log_image("<b>odd</b>/name\n", np.zeros((2, 2, 3), np.uint8))
    return {"score": gain + seed}


class Painter(Trainable):
    """Logs as it is set up, and at its one step."""

    def setup(self, config):
        ablate.log_image("start", np.zeros((2, 2)))

    def step(self):
        ablate.log_image("end", np.ones((2, 2)), step=1)
        return {"score": float(self.config["gain"]), "done": True}
