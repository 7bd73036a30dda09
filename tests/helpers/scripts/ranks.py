"""Distributed training on the CPU, as torchrun starts it."""

import argparse
import atexit
import json
import os

import torch
import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--fail", action="store_true")
parser.add_argument("--abort", action="store_true")
args = parser.parse_args()
dist.init_process_group("gloo")
rank = dist.get_rank()
total = torch.ones(1) * (rank + 1)
dist.all_reduce(total)
from ablate import log  # noqa: E402

for step in range(1, 4):
    log({"acc": total * step}, step=step)
if args.fail and rank == 1:
    if args.abort:
        atexit.register(os.abort)
    raise KeyError("no such layer")
dist.barrier()
if rank == 0:
    kept = {name: os.environ.get(name) for name in ("MASTER_PORT", "OMP_NUM_THREADS")}
    print(json.dumps(kept))
dist.destroy_process_group()
