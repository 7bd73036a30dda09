"""Writes TensorBoard's event files, as tensorboardX does; `--resume` makes one more."""

import sys
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

folder = Path(sys.argv[1], "tb")
first = 5 if "--resume" in sys.argv else 1
with SummaryWriter(str(folder)) as writer:
    for step in range(first, first + 8):
        writer.add_scalar("train/loss", 1 / step, step)
        writer.add_scalar("acc", step * 10 + (first > 1), step)
        writer.add_histogram("weights", np.arange(10.0), step)
    writer.add_text("note", "done", step)
if "--resume" not in sys.argv:
    Path(sys.argv[1], "at_4.pt").write_text("x")
    if "--break" in sys.argv:
        raise ConnectionResetError("Connection reset by peer")
