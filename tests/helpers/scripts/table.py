"""Writes a table row by row, each in two pieces; a second header where it goes on."""

import sys
import time
from pathlib import Path

path = Path(sys.argv[1], "metrics.csv")
delimiter = sys.argv[2] if len(sys.argv) > 2 else ","
with path.open("a") as file:
    file.write(delimiter.join(["epoch", "train/loss", "acc", "lr", "comment"]) + "\n")
    for epoch in range(1, 6):
        file.write(delimiter.join([str(epoch), f"{1 / epoch}", ""]))
        file.flush()
        time.sleep(0.05)
        acc = "nan" if epoch == 2 else f"0.{epoch}5"
        file.write(delimiter.join([acc, "1e-3", "fine"]) + "\n")
        file.flush()
    file.write(delimiter.join(["epoch", "train/loss", "acc", "lr", "comment"]) + "\n")
    file.write(delimiter.join(["6", "0.1", "0.65", "1e-4", ""]))  # no end of line
