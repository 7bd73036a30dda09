"""A training script that logs a picture, and writes others as people do."""

import sys
from pathlib import Path

import ablate
from ablate.images.png import encode_png

out, seed = Path(sys.argv[1]), int(sys.argv[2])
(out / "samples").mkdir(parents=True)
for step in range(1, 12):
    ablate.log({"acc": step + seed}, step)
    picture = encode_png(bytes([step]), 1, 1, 1)
    ablate.log_image("grid", picture, step)
    (out / "samples" / f"step-{step}.png").write_bytes(picture)
