"""Two kinds of training in one study: a block may have a trainable of its own."""

import json

from commanded_studies import READ, command_study, project

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)
SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
for step in range(3):
    print(f"step={step} loss={args.lr + step / 10 + args.seed / 1e6}")
"""


def test_our_own_training_beside_a_script(tmp_path, console):
    folder = project(tmp_path / "p", {"train.py": SCRIPT}, git=False)
    study = command_study(
        folder, None, trainable="flow_matching", metric="val_loss", mode="min", value="last",
        allow_incomparable=True,
        base={"hidden_dim": 64, "num_layers": 1, "epochs": 2},
        factors={"flow": ["icfm", "vp"]},
        blocks=[{
            "name": "script",
            "trainable": {
                "command": "{python} train.py {overrides}",
                "read": {"val_loss": "loss=([0-9.]+)", "step": "step=([0-9]+)"},
            },
            "factors": {"lr": [0.1, 0.2]},
        }],
    )  # fmt: skip
    outcome = execute(study, LOCAL, console)
    assert outcome.exit_code == 0
    ledger = Ledger(StudyPaths(study.directory))
    results = {row.run_name: row.result("val_loss", "last") for row in ledger.rows.values()}
    assert len(results) == 8
    assert results["script-lr=0.2-s1000"] == 0.4 + 0.001
    [metric] = study_record(outcome.plan, ledger.rows).metrics
    # Each block has its own baseline: nobody compares a script with our own training.
    compared = {c.name for at, c in enumerate(metric.cells) if c.reference != at}
    assert compared == {"flow=vp", "script: lr=0.2"}


def test_two_scripts_have_runs_and_code_of_their_own(tmp_path, console):
    folder = project(tmp_path / "p", {"other/train.py": SCRIPT.replace("loss=", "acc=")})
    commands = {
        "plain": "{python} train.py --lr {lr} --seed {seed}",
        "other": "{python} other/train.py {overrides}",
    }
    blocks = [
        {"name": name, "trainable": {"command": line, "read": READ}, "factors": {"lr": [0.1, 0.2]}}
        for name, line in commands.items()
    ]
    study = command_study(folder, None, trainable="flow_matching", factors={}, blocks=blocks)
    assert len({run.run_id for run in plan_study(study).runs}) == 8
    assert execute(study, LOCAL, console).exit_code == 0
    rows = {row.run_name: row for row in Ledger(StudyPaths(study.directory)).rows.values()}
    assert rows["plain-lr=0.1-s0"].result("acc", "last") == 0.4
    assert rows["other-lr=0.1-s0"].result("acc", "last") == 0.1 + 0.2
    code = {name: set(json.loads(row.code_files or "")["."]) for name, row in rows.items()}
    assert code["other-lr=0.1-s0"] == {"other/train.py"}
    assert code["plain-lr=0.1-s0"] == {"train.py", "other/train.py"}  # what is below counts
