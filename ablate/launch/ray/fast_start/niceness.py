"""The niceness of the workers of a study's own Ray, which the scripts of commands inherit."""

import os

from ablate.launch.ray.fast_start.start import PLAIN

_SETTING = "RAY_worker_niceness"
"""15 by default, from which nobody gets back without privilege."""


def keep_niceness() -> None:
    """Has a Ray that is started from now on leave its workers' niceness as it is."""
    if not os.environ.get(PLAIN):
        os.environ.setdefault(_SETTING, "0")
