"""A training script as people write them: argparse, JSON lines, checkpoints, `--resume`."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", required=True)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--save-every", type=int, default=3)
parser.add_argument("--step-s", type=float, default=0.0)
parser.add_argument("--resume")
parser.add_argument("--fail-at", type=int, default=-1)
parser.add_argument("--fail-with", default="error")
parser.add_argument("--fail-times", type=int, default=1)
args = parser.parse_args()


def fails(at):
    """Whether it is to fail here: `--fail-times` times."""
    if at != args.fail_at:
        return False
    count = out / "failures"
    num = len(count.read_text()) if count.exists() else 0
    count.write_text("x" * (num + 1))
    return num < args.fail_times


def fail():
    if args.fail_with.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, args.fail_with))
        time.sleep(60)
    raise RuntimeError(args.fail_with)


out = Path(args.out)
out.mkdir(parents=True, exist_ok=True)
start, total = 0, float(args.seed)
if args.resume:
    saved = json.loads(Path(args.resume).read_text())
    start, total = saved["step"], saved["total"]
    print(f"resumed at {start}", file=sys.stderr)
with (out / "log.jsonl").open("a") as log:
    for step in range(start + 1, args.steps + 1):
        if fails(step):
            fail()
        total += args.lr * step
        log.write(json.dumps({"step": step, "acc": total, "note": "words"}) + "\n")
        log.flush()
        print(f"step {step} acc={total}")
        time.sleep(args.step_s)
        if step % args.save_every == 0:
            (out / f"ckpt_{step}.pt").write_text(json.dumps({"step": step, "total": total}))
print("done")
