"""Runs of a project in Weights & Biases, by its public API, on a server of the tests' own."""

import json
import math

import pytest
from judging import FID, judged, verdicts
from wandb_server import ServedRun

from ablate.errors import AblateError, InputError

ASKED = ("--factors", "net.flow", "--metric", "val.fid")


def put_runs(server, group="g", project="flows"):
    """A run a cell and seed, as `wandb.init(config=...)` and `run.log` leave them."""
    runs = []
    for flow, values in FID.items():
        for seed, fid in enumerate(values, 1):
            config = {"seed": seed, "net": {"flow": flow, "width": 8}}
            run = ServedRun(
                fields={"displayName": f"{flow}-{seed}", "groupName": group},
                config={name: {"value": value} for name, value in config.items()}
                | {"_wandb": {"value": {"t": {}}}},
                summary={"val": {"fid": fid}, "_step": 9, "_timestamp": 1.0},
                state="finished",
            )
            server.runs[project, f"{group}{len(server.runs)}"] = run
            runs.append(run)
    return runs


def test_runs_of_a_group_are_judged_by_their_last_values(wandb_server):
    runs = put_runs(wandb_server)
    put_runs(wandb_server, group="another")
    runs[1].state, runs[2].state, runs[3].summary["val"]["fid"] = "crashed", "running", "NaN"
    table = ServedRun(fields={"groupName": "g", "jobType": "ablation-table"}, state="finished")
    wandb_server.runs["flows", "table"] = table
    record = judged("wandb:me/flows?group=g", *ASKED, "--baseline", "net.flow=vp")
    assert verdicts(record)["net.flow=vp"] == "baseline"
    assert [(run.run_name, run.status, run.cause) for run in record.missing] == [
        ("icfm-2 (g1)", "failed", "its state in W&B is crashed"),
        ("icfm-3 (g2)", "pending", "its state in W&B is running"),
        ("icfm-4 (g3)", "ok", "val.fid is nan"),
    ]
    assert record.metric.values[1].tolist() == FID["vp"]
    assert math.isnan(record.metric.values[0, 1])


def log(run, **curves):
    """Rows of a run's history, a key's values at the steps that are its keys."""
    steps = sorted({step for values in curves.values() for step in values})
    for number, step in enumerate(steps):
        row = {name: values[step] for name, values in curves.items() if step in values}
        run.lines[number] = json.dumps({"_step": step, **row})


def test_a_step_is_read_from_the_history(wandb_server):
    """By W&B's own count, and by a logged one, whose metric may stand in rows of its own."""
    runs = put_runs(wandb_server)
    for run in runs:
        last = run.summary["val"]["fid"]
        log(run, **{"val.fid": {2: last + 100, 9: last}, "other": {2: 0.5}})
    record = judged("wandb:me/flows", *ASKED, "--step", 2)
    assert record.metric.values[0].tolist() == [value + 100 for value in FID["icfm"]]
    for run in runs:
        last = run.summary["val"]["fid"]
        log(run, epoch={2: 1, 3: 1, 9: 7}, **{"val.fid": {2: last + 1, 9: last}, "b": {3: 4.0}})
        run.summary |= {"epoch": 7, "b": 4.0}
    runs[5].lines.clear()
    asked = (*ASKED, "--report-metrics", "b", "--step-column", "epoch", "--step", 1)
    record = judged("wandb:me/flows", *asked)
    assert record.metric.values[0].tolist() == [value + 1 for value in FID["icfm"]]
    assert record.further[0].values[0].tolist() == [4.0] * 4
    assert [(run.run_name, run.cause) for run in record.missing] == [
        ("vp-2 (g5)", "has no epoch 1"),
    ]
    with pytest.raises(InputError, match="no run has logged anything at epoch 5"):
        judged("wandb:me/flows", *ASKED, "--step-column", "epoch", "--step", 5)


def test_more_runs_than_a_page_holds(wandb_server, monkeypatch):
    monkeypatch.setattr("ablate.tracking.wandb.sink.finished.PAGE", 5)
    put_runs(wandb_server)
    record = judged("wandb:flows", *ASKED)  # of the account's own entity
    assert len(record.runs) == 12
    assert wandb_server.requests.count("Runs") == 3


def test_what_varies_is_proposed(wandb_server):
    put_runs(wandb_server)
    with pytest.raises(InputError) as error:
        judged("wandb:me/flows")
    factors, metric = error.value.problems
    assert factors.choices == ("net.flow",)
    assert "val.fid" in metric.choices


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("wandb:me/nothing", "W&B has no project me/nothing"),
        ("wandb:me/flows?group=h", "holds no runs"),
        ("wandb:me/flows?grup=g", r"SOURCE \?grup: is no filter\n.*nearest: group"),
        ("wandb:me/", "its project is empty"),
        ("wandb:m e/flows", "is not a W&B user or team name"),
    ],
)
def test_wrong_addresses_are_told(wandb_server, source, told):
    put_runs(wandb_server)
    with pytest.raises(AblateError, match=told):
        judged(source, *ASKED)


def test_a_server_that_refuses_is_told_in_one_line(wandb_server):
    wandb_server.fail("Runs", status=403)
    with pytest.raises(AblateError, match="W&B cannot be read: it answers 403"):
        judged("wandb:me/flows", *ASKED)


def test_without_a_login_nothing_is_asked(wandb_server, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(InputError, match="nobody is logged in"):
        judged("wandb:me/flows", *ASKED)
    assert not wandb_server.requests
