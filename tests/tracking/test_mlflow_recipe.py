"""The tracker that CONTRIBUTING shows, carried out as it stands there."""

import importlib.util
import re
import sys
from pathlib import Path

import mlflow_stand_in
import pytest
from studies import stop_at_result, toy_study

from ablate.driver.finish import complete_study
from ablate.launch.base import Options

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture(params=["a stand-in that records", "the real one"])
def mlflow(request, tmp_path, monkeypatch):
    """A client of MLflow, or of what takes its place where it is not installed."""
    if request.param != "the real one":
        mlflow_stand_in.install(monkeypatch)
    elif importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    [block] = re.findall(r"```python\n(# mlflow_tracker\.py\n.*?)```", PAGE.read_text(), re.S)
    (tmp_path / "mlflow_tracker.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mlflow_tracker", raising=False)
    from mlflow import MlflowClient

    return MlflowClient()


def runs_of(client):
    experiment = client.get_experiment_by_name("toys")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_the_recipe_for_mlflow_works_with(mlflow, tmp_path, console, monkeypatch):
    study = toy_study(
        tmp_path, factors={"gain": [1, 2], "fail": ["none", "step"]}, seeds=[1], retries=0,
        trackers=["mlflow_tracker:MlflowTracker"], checkpoint_every_s=0,
    )  # fmt: skip
    with monkeypatch.context() as patch:
        stop_at_result(patch, 3)
        assert complete_study(study, Options(local=True), console).interrupted
    assert list(runs_of(mlflow)) == ["gain=1-none-s1"]
    for _ in range(2):
        assert complete_study(study, Options(local=True), console).exit_code == 1
    assert "failed, and hears of nothing" not in console.export_text()
    runs = runs_of(mlflow)
    assert {name: run.info.status for name, run in runs.items()} == {
        f"gain={gain}-{end}-s1": status
        for gain in (1, 2) for end, status in (("none", "FINISHED"), ("step", "FAILED"))
    }  # fmt: skip
    good, failed = runs["gain=1-none-s1"], runs["gain=2-step-s1"]
    curve = mlflow.get_metric_history(good.info.run_id, "score")
    assert [(m.step, m.value) for m in curve] == [(1, 2.0), (2, 5.0), (3, 9.0), (4, 14.0)]
    assert curve[0].timestamp > 1_600_000_000_000, "milliseconds since 1970"
    [result] = mlflow.get_metric_history(good.info.run_id, "result.score")
    assert (result.step, result.value) == (4, 14.0)
    assert (failed.data.params["gain"], failed.data.params["fail"]) == ("2", "step")
    assert failed.data.tags["cause"].startswith("RuntimeError: the third step is broken (")
    answer = mlflow.get_experiment_by_name("toys").tags["mlflow.note.content"]
    assert "gain" in answer
