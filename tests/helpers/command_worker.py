"""A worker with one run of a command, to be killed: says each point that it has heard of."""

import json
import sys
from pathlib import Path

from commanded import Told, a_run

told = Told()
folder, arguments = sys.argv[1], json.loads(sys.argv[2])
run = a_run(Path(folder), arguments.pop("line"), **arguments)
while True:
    news = run.step(0.2)
    told.hear(news)
    sys.stderr.write(f"{max(told.points, default=0)}\n")
    sys.stderr.flush()
    if news.has_ended:
        break
