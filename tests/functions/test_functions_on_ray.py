"""Functions on a real Ray: each kind, killed in the middle, and limited in time."""

import pytest
from studies import by_name, toy_study

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(600)]


def run(study, console, **options):
    return execute(study, Options(**options), console)


def curves(ledger):
    return {
        row["run_name"]: [(p["step"], p.get("score")) for p in ledger.history(row["run_id"])]
        for row in ledger.rows.values()
    }


def study_of(folder, place, dies=None):
    kinds = {"tuned": {"length": 6}, "by_name": {}, "yields": {}, "imported_report": place}
    if dies:
        kinds["tuned"]["dies"] = str(dies)
    blocks = [
        {"name": name, "trainable": f"trained:{name}", "base": base, "factors": {"gain": [1, 2]}}
        for name, base in kinds.items()
    ]
    return toy_study(folder, factors={}, base={}, blocks=blocks, seeds=[1], retries=1)


def test_each_kind_in_one_study_with_killed_workers_comes_to_the_same_numbers(tmp_path, console):
    place = {"folder": str(tmp_path)}
    here = run(study_of(tmp_path / "local", place), console, local=True)
    dies = tmp_path / "dies"
    dies.mkdir()
    there = run(study_of(tmp_path / "ray", place, dies), console)
    assert here.exit_code == there.exit_code == 0
    assert curves(here.ledger) == curves(there.ledger)
    assert len(curves(there.ledger)) == 8
    rows = by_name(there.ledger)
    killed = {name: row.get("retries") for name, row in rows.items() if row.get("retries")}
    assert killed == {"tuned-gain=1-s1": 1, "tuned-gain=2-s1": 1}
    log = StudyPaths(there.plan.study.directory).root
    assert not list(log.glob("launches/*/*/checkpoint_*"))


def test_an_interrupted_launch_goes_on_from_the_functions_own_checkpoints(
    tmp_path, console, monkeypatch
):
    def study(folder):
        base = {"length": 30, "step_s": 0.1}
        return toy_study(folder, trainable="trained:tuned", base=base, seeds=[1])

    def stop(self):
        if len(list((tmp_path / "toys").glob("launches/1/*/checkpoint_*/manifest.json"))) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ablate.tracking.terminal.Progress.tick", stop)
        assert run(study(tmp_path), console).exit_code == 130
    steps = [len(curve) for curve in curves(Ledger(StudyPaths(tmp_path / "toys"))).values()]
    assert all(0 < num < 30 for num in steps)
    resumed = run(study(tmp_path), console)
    assert resumed.exit_code == 0
    whole = run(study(tmp_path / "whole"), console, local=True)
    assert curves(resumed.ledger) == curves(whole.ledger)


def test_a_worker_whose_run_hangs_is_ended_and_the_study_goes_on(tmp_path, console):
    study = toy_study(
        tmp_path, trainable="trained:hangs", base={"gain": 1}, factors={"how": ["c", "not"]},
        seeds=[1], time_limit_s=2.0, retries=2,
    )  # fmt: skip
    outcome = run(study, console)
    assert outcome.exit_code == 1
    rows = by_name(outcome.ledger)
    assert rows["not-s1"].status == "ok"
    row = rows["c-s1"]
    assert (row.status, row["error_type"], row.get("retries")) == ("failed", "TimeLimit", None)
    assert row["error"].startswith("exceeded time_limit_s: 2 of this run")
    assert "usleep" in row["traceback"]
    assert str(row.lost_to) == "cell"


def test_at_once_are_at_most_as_many_as_the_study_says(tmp_path, console):
    study = toy_study(
        tmp_path, trainable="toy:Recorder", seeds=[1, 2, 3], max_concurrent=2,
        base={"folder": str(tmp_path), "step_s": 1.5, "length": 1},
    )  # fmt: skip
    assert run(study, console).exit_code == 0
    spans = [tuple(map(float, p.read_text().split()[:2])) for p in tmp_path.glob("[12]-[1-3]")]
    assert len(spans) == 6
    most = max(sum(s <= begin < e for s, e in spans) for begin, _ in spans)
    assert most <= 2  # of 4 CPUs; two may never meet, where a worker starts slowly
