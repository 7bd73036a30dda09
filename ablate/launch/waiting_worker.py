"""What a worker of a study's own Ray imports while it waits for a trial (`own_ray`)."""

import importlib
import os

from ablate.imports import uncollected

MODULES = "ABLATE_PRELOAD"
"""The environment variable that names them, with commas between."""

with uncollected():
    for name in os.environ.get(MODULES, "").split(","):
        if name:
            importlib.import_module(name)
