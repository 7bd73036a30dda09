"""Runs that share a trial: the same results as alone, whatever happens to the others."""

import pytest
import torch
from outcomes import best_weights, histories, kept_files, numbers
from studies import by_name, flow_study, stop_at_result, toy_study

from ablate.cli.run import show_plan
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.launch.trials import trial_name
from ablate.plan.packing import auto_size, packs_of
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)
MIXED = {
    "base": {"hidden_dim": 64, "num_layers": 2, "epochs": 5, "sigma": 0.05},
    "factors": {
        "kind": {
            "plain": {"flow": "icfm"},
            "short": {"flow": "vp", "epochs": 2},
            "wild": {"flow": "icfm", "lr": 1e38, "clip": None},
            "deep": {"num_layers": 3},
        }
    },
}


def names(packs):
    return [trial_name(pack) for pack in packs]


def test_runs_of_one_shape_share_a_trial(tmp_path):
    plan = plan_study(flow_study(tmp_path, pack=3, **MIXED))
    assert names(packs_of(plan, plan.runs, {}, 1)) == ["plain-s1+2", "deep-s1+1", "plain-s2+2"]
    alone = plan_study(flow_study(tmp_path, **MIXED))
    assert len(packs_of(alone, alone.runs, {}, 1)) == 8
    crashed = {plan.runs[1].run_id}
    assert names(packs_of(plan, plan.runs, {}, 1, crashed))[:2] == ["plain-s1+2", "short-s1"]
    foreign = plan_study(toy_study(tmp_path, pack=4))
    assert len(packs_of(foreign, foreign.runs, {}, 1)) == 4


@pytest.mark.parametrize(
    ("num_runs", "at_once", "parameters", "batch", "gpu", "size"),
    [
        (324, 4, 1_050_000, 256, 0.25, 27),  # saturates before the memory is full
        (36, 4, 1_050_000, 256, 1, 9),  # one trial for every place
        (324, 1, 600_000_000, 256, 1, 1),  # hardly one fits
        (36, 2, 20_000, 128, 0, 6),  # small steps on a CPU: both places are busy to the end
        (12, 2, 20_000, 128, 0, 6),
        (100, 2, 20_000, 128, 0, 8),
        (36, 2, 1_050_000, 256, 0, 1),  # a core is busy with one
        (36, 2, 0, 128, 0, 1),  # nobody knows its size
    ],
)
def test_auto(num_runs, at_once, parameters, batch, gpu, size):
    assert auto_size(num_runs, at_once, parameters, batch, gpu) == size


def test_the_plan_shows_the_packs(tmp_path, console):
    show_plan(flow_study(tmp_path, pack="auto", **MIXED), Options(local=True), console)
    assert "pack: auto: 8 runs in " in console.export_text()
    show_plan(flow_study(tmp_path, pack=3, **MIXED), Options(local=True), console)
    assert "pack: 3: 8 runs in 3 trials (2 of 3, 1 of 2)" in console.export_text()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The mixed study, one run a trial."""
    from rich.console import Console

    study = flow_study(tmp_path_factory.mktemp("alone"), **MIXED)
    with open("/dev/null", "w") as nowhere:
        return study, execute(study, LOCAL, Console(file=nowhere)).ledger


def assert_equal_to(study, ledger, expected_study, expected):
    assert numbers(ledger) == numbers(expected)
    assert histories(ledger) == histories(expected)
    for name in ("plain-s1", "short-s2", "deep-s1"):
        a, b = best_weights(study, name), best_weights(expected_study, name)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert kept_files(study) == kept_files(expected_study)


def test_packed_runs_equal_runs_alone_also_beside_one_that_diverged(tmp_path, console, alone):
    study = flow_study(tmp_path, pack=4, **MIXED)
    outcome = execute(study, LOCAL, console)
    assert outcome.exit_code == 1
    rows = by_name(outcome.ledger)
    assert {name: row["status"] for name, row in rows.items() if row["status"] != "ok"} == {
        "wild-s1": "diverged", "wild-s2": "diverged",
    }  # fmt: skip
    assert "loss is" in rows["wild-s1"]["error"]
    assert {row["trial"] for row in rows.values()} == {"plain-s1+3", "short-s2+1", "deep-s1+1"}
    assert_equal_to(study, outcome.ledger, *alone)


@pytest.mark.parametrize("later", [1, 2, 4])
def test_a_pack_interrupted_goes_on_in_packs_of_another_size(
    tmp_path, console, monkeypatch, alone, later
):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        stopped = execute(
            flow_study(tmp_path, pack=4, checkpoint_every_s=0, **MIXED), LOCAL, console
        )
    assert stopped.exit_code == 130
    rows = by_name(stopped.ledger)
    assert (rows["short-s1"]["status"], rows["plain-s1"]["status"]) == ("ok", "interrupted")
    study = flow_study(tmp_path, pack=later, checkpoint_every_s=0, **MIXED)
    ended = {name: row["ended_at"] for name, row in rows.items() if row.get("ended_at")}
    outcome = execute(study, LOCAL, console)
    assert_equal_to(study, outcome.ledger, *alone)
    after = by_name(outcome.ledger)
    assert {name: after[name]["ended_at"] for name in ended} == ended
    assert not list(StudyPaths(study.directory).launches.glob("*/*/checkpoint_*"))


def test_a_restarted_run_forgets_a_checkpoint_that_others_of_its_pack_still_need(
    tmp_path, console, monkeypatch, alone
):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, pack=4, checkpoint_every_s=0, **MIXED)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        stopped = execute(study, LOCAL, console)
    assert by_name(stopped.ledger)["wild-s1"]["status"] == "diverged"
    outcome = execute(study, Options(local=True, retry_failed=True), console)
    rows = by_name(outcome.ledger)
    assert (rows["wild-s1"]["launch"], rows["wild-s1"]["status"]) == (2, "diverged")
    assert_equal_to(study, outcome.ledger, *alone)


def test_a_run_that_crashes_its_pack_does_so_once(tmp_path, console, monkeypatch):
    from trainables.flow.engine.batches import Draw

    targets = Draw.targets

    def crash(draw, config):
        if config.flow == "vp":
            raise RuntimeError("no such path")
        return targets(draw, config)

    monkeypatch.setattr(Draw, "targets", crash)
    study = flow_study(tmp_path, pack=4, retries=0)
    first = execute(study, LOCAL, console)
    assert {row["status"] for row in first.ledger.rows.values()} == {"failed"}
    again = execute(study, Options(local=True, retry_failed=True), console)
    statuses = {name: row["status"] for name, row in by_name(again.ledger).items()}
    assert statuses == {"icfm-s1": "ok", "icfm-s2": "ok", "vp-s1": "failed", "vp-s2": "failed"}


def test_a_failed_run_of_a_pack_is_retried_alone(tmp_path, console, alone):
    study = flow_study(tmp_path, pack=4, **MIXED)
    execute(study, LOCAL, console)
    again = execute(study, Options(local=True, retry_failed=True, only="kind=wild"), console)
    rows = by_name(again.ledger)
    assert rows["wild-s1"]["trial"] == "wild-s1+1"
    assert_equal_to(study, again.ledger, *alone)
