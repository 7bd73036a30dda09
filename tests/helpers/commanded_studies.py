"""Studies of commands, in projects made by tests."""

import subprocess
from pathlib import Path

from ablate.spec.load import read_study

TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=1)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
for step in range(1, 5):
    print(f"step={step} acc={args.lr * step + args.seed / 1e6:.6f}", flush=True)
"""
READ = {"acc": "acc=([-+.0-9eE]+)", "step": "step=([0-9]+)"}


def project(folder, files=None, git=True):
    """A folder with a script, under git or not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"train.py": TRAIN, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if git:
        (folder / ".gitignore").write_text("data/\nstudies/\n")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
            who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
            subprocess.run(["git", "-C", str(folder), *who, *words], check=True)
    return folder


def raw_study(folder, command="{python} train.py --lr {lr} --seed {seed}", **changes):
    """A study of two rates as plain values."""
    more = changes.pop("trainable", {})
    return {
        "study": "rates", "metric": "acc", "mode": "max", "seeds": 2, "retries": 0,
        "trainable": {"command": command, "read": READ, **more} if command else more,
        "factors": {"lr": [0.1, 0.2]}, "folder": str(folder),
        "storage": str(Path(folder, "studies")), **changes,
    }  # fmt: skip


def command_study(folder, command="{python} train.py --lr {lr} --seed {seed}", **changes):
    """The same, checked."""
    return read_study(raw_study(folder, command, **changes), "grid.yaml")
