"""What a worker of a study's own Ray imports while it waits for a trial: importing this does it."""

import importlib
import os

from ablate.process.gc_pause import gc_paused
from ablate.trainable.loaded_code import note_loaded

MODULES = "ABLATE_PRELOAD"
"""The environment variable that names what is imported, with commas between."""

with gc_paused():
    for name in os.environ.get(MODULES, "").split(","):
        if name:
            importlib.import_module(name)
            note_loaded(name)
