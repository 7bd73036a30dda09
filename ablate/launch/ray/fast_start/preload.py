"""Importing this module preloads a trial's modules in an idle worker of a study's own Ray."""

import importlib
import os

from ablate.process.gc_pause import gc_paused
from ablate.trainable.loaded_code import note_loaded

MODULES = "ABLATE_PRELOAD"
"""The environment variable that names the modules, separated by commas."""

with gc_paused():
    for name in os.environ.get(MODULES, "").split(","):
        if name:
            importlib.import_module(name)
            note_loaded(name)
