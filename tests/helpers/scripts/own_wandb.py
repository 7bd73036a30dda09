"""A script that logs to W&B by itself, and fails where it is told to."""

import argparse
import os

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--project")
args = parser.parse_args()
run = wandb.init(config=vars(args), **({"project": args.project} if args.project else {}))
for step in range(1, 4):
    run.log({"acc": args.lr * step}, step=step)
    print(f"step={step} acc={args.lr * step}")
if args.lr > 0.15:
    raise ValueError("the learning rate is too high")
if os.environ.get("ABLATE_TEST_FAILS"):
    raise ValueError("not yet")
run.finish()
