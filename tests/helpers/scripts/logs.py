"""Tells its numbers by `ablate.log`."""

import os
import sys
import time

began = time.perf_counter()
from ablate import log  # noqa: E402

took_s = time.perf_counter() - began
heavy = {"ray", "torch", "pydantic", "numpy"} & set(sys.modules)

import numpy as np  # noqa: E402

log({"loss": 0.5, "val": {"acc": np.float32(0.25)}}, step=1)
log({"more": 7}, step=np.int64(1))
log({"loss": float("nan"), "one": np.ones(1)}, step=2)
os.environ.update(RANK="1", WORLD_SIZE="2")
log({"loss": 99.0}, step=3)
os.environ["RANK"] = "0"
log({"loss": 0.125}, step=3)
print(f"took {took_s:.4f} heavy {sorted(heavy)}")
