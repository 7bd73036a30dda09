"""Metrics of one's own: what a study says of them, and what it does where they are wrong."""

import json
import math
import sys

import pytest
from studies import by_name, flow_study

from ablate.cli.main import main
from ablate.driver.run_study import study_record
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.spec.yaml12 import dump_yaml
from ablate.study_dir import StudyPaths
from ablate.trainable.code_files import dump_hashes, parse_hashes
from trainables.flow.config.own_metrics import own_specs

CODE = '''
import math, random
import ablate, numpy as np, torch

@ablate.metric(mode="max")
def closeness(samples, test):
    """Draws from every generator there is, and changes what it was given."""
    assert samples.dtype == test.dtype == torch.float32 and samples.shape == test.shape
    drawn = random.random() + np.random.rand() + torch.rand(()).item()
    value = -(samples.mean(0) - test.mean(0)).abs().mean() - 1e-3 * drawn
    samples.zero_(), test.zero_()
    return value

@ablate.metric(mode={"precision": "max", "width": "min"})
def quality(samples, train, generator):
    noise = torch.rand((), generator=generator).item()
    return {"precision": 1 / (1 + samples.var().item() + noise), "width": samples.std()}

@ablate.metric(mode="max")
def scores(samples):
    return {"low": samples.min().item(), "high": samples.max().item()}

@ablate.metric(mode="max")
def seen(samples, train): return len(train) + samples.std()

def plain(samples, test): return float(samples.std() - test.std())
def array(samples): return samples.mean(0)
def nan(samples): return {"a": 1.0, "b": math.nan}
def broken(samples): raise RuntimeError("too few rows")
def labelled(samples, labels): return 0.0

def late(samples, test):
    if late.calls < 1:
        late.calls += 1
        return 1.0
    raise RuntimeError("no GPU left")
late.calls = 0
'''


SHORT = {"hidden_dim": 64, "num_layers": 2, "epochs": 3}


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """People's module, beside their `grid.yaml`."""
    path = tmp_path / "my_metrics.py"
    path.write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_metrics", None)
    yield path
    sys.modules.pop("my_metrics", None)


def study_of(folder, *metrics, **changes):
    names = [name if ":" in name else f"my_metrics:{name}" for name in metrics]
    base = {**SHORT, "metrics": names, **changes.pop("base", {})}
    return flow_study(folder / "studies", base=base, **changes)


def run(study, console):
    return execute(study, Options(local=True), console)


def about(study):
    """What a report says of each metric."""
    return {metric.name: metric for metric in study_record(study.directory).metrics}


def test_a_study_is_about_them_in_their_directions(tmp_path, console, module):
    reported = ["quality_precision", "quality_width", "plain"]
    study = study_of(
        tmp_path, "closeness", "quality", "plain", metric="closeness", report_metrics=reported
    )
    rows = by_name(run(study, console).ledger)
    for name in ("closeness", *reported):
        for row in rows.values():
            assert all(math.isfinite(row[f"{name}_{end}"]) for end in ("best", "final", "floor"))
    assert rows["icfm-s1"]["closeness_floor"] == rows["vp-s2"]["closeness_floor"]
    module.unlink()
    sys.modules.pop("my_metrics")
    told = about(study)  # also where the module is gone
    assert [metric.mode for metric in told.values()] == ["max", "max", "min", "min"]
    assert [metric.ranked for metric in told.values()] == [True, True, True, False]
    assert rows["vp-s1"]["closeness_best"] != rows["vp-s2"]["closeness_best"]


def test_a_higher_value_is_better_where_it_says_so(tmp_path, console):
    factors = {"data.size": [200, 400]}
    study = study_of(tmp_path, "seen", metric="seen", factors=factors, seeds=[1, 2, 3])
    run(study, console)
    assert about(study)["seen"].cells[1].comparison.verdict.kind == "better"


def test_they_change_no_other_number_and_add_later_what_a_fresh_run_gets(tmp_path, console):
    fresh = by_name(
        run(study_of(tmp_path / "fresh", "closeness", "scores", "plain"), console).ledger
    )
    study = study_of(tmp_path)
    first = run(study, console).ledger
    for run_id, row in first.rows.items():  # another process would not have loaded it
        files = parse_hashes(row.code_files)
        bare = {file: content for file, content in files.items() if file.path != "my_metrics.py"}
        with first.writing():
            first.patch(run_id, code_files=dump_hashes(bare))
    before = by_name(first)
    later = study_of(tmp_path, "closeness", "scores", "plain", report_metrics=["scores_low"])
    after = by_name(run(later, console).ledger)
    text = " ".join(console.export_text().split())
    added = "closeness, scores_low, scores_high, plain: added to 4 finished runs"
    assert f"note: {added}, from their best weights" in text
    for name, row in after.items():
        assert row["ended_at"] == before[name]["ended_at"]
        numbers = {key: row[key] for key in row.metrics([]) if key != "seconds"}
        assert numbers == {key: fresh[name][key] for key in numbers}
        assert {"closeness_best", "scores_low_best", "scores_high_floor"} <= numbers.keys()
        for key in ("sliced_w2_best", "mmd_final", "val_loss_best"):
            assert row[key] == before[name][key]
        assert "my_metrics.py" in row["code_files"], "its edits are noticed later"
        assert json.loads(row["measured_with"]) == ["my_metrics.py"], "no weight depends on it"
    run(later, console)
    assert "added to" not in console.export_text()


def test_without_best_weights_a_run_is_told_and_the_others_get_it(tmp_path, console):
    study = study_of(tmp_path)
    run(study, console)
    StudyPaths(study.directory).best("vp-s1").unlink()
    later = study_of(tmp_path, "plain", report_metrics=["plain"])
    outcome = run(later, console)
    assert outcome.exit_code == 0
    assert [name for name, row in by_name(outcome.ledger).items() if "plain_best" not in row] == [
        "vp-s1"
    ]
    text = " ".join(console.export_text().split())
    assert "plain: added to 3 finished runs, from their best weights; 1 could not be" in text
    missing = [each.run_name for each in study_record(study.directory, "plain").missing]
    assert missing == ["vp-s1"]


BARE = """
import ablate
@ablate.metric
def it(samples): return 1.0
"""


@pytest.mark.parametrize(("mode", "ranked"), [({}, False), ({"mode": "max"}, True)])
def test_a_direction_of_the_study_is_that_of_an_undecorated_metric(tmp_path, console, mode, ranked):
    study = study_of(tmp_path, "plain", metric="plain", **mode)
    run(study, console)
    for _ in range(2):  # by what is kept, then by what was written
        told = about(study)["plain"]
        assert (told.ranked, told.mode) == (ranked, mode.get("mode", "min"))
        StudyPaths(study.directory).study_metrics.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("array", "my_metrics:array returned a Tensor of shape (64,): return a number, or a dict"),
        ("nan", "my_metrics:nan returned nan as nan_b: it has to be finite"),
        ("broken", "my_metrics:broken raised RuntimeError: too few rows"),
        ("labelled", "my_metrics:labelled requires labels: it is called with samples, test,"),
        ("bare:it", "@ablate.metric stands without brackets: write @ablate.metric(mode='min')"),
        ("absent", "my_metrics:absent cannot be imported: "),
        ("nowhere:fid", "nowhere:fid cannot be imported: No module named 'nowhere'"),
        ("other:mmd", "other:mmd has the name of the built-in metric mmd: rename it"),
    ],
)
def test_a_metric_that_cannot_be_used_is_told_once_and_nothing_is_trained(
    tmp_path, capsys, monkeypatch, metric, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.py").write_text(BARE)
    monkeypatch.syspath_prepend(tmp_path)
    name = metric if ":" in metric else f"my_metrics:{metric}"
    raw = {"study": "own", "metric": "sliced_w2", "base": {"epochs": 1, "metrics": [name]},
           "factors": {"flow": ["icfm", "vp"]}, "seeds": [1]}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(dump_yaml(raw))
    assert main(["run", "grid.yaml", "--local"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert told.count(message) == 1
    assert "base.metrics" in told
    assert "Traceback" not in told
    assert not list(tmp_path.glob("studies/own/ledger/*.parquet"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "quality"}, "metric = 'quality': the trainable reports no such metric"),
        ({"metric": "scores_top"}, "metric = 'scores_top': the trainable reports no such metric"),
        ({"factors": {"metrics": [[], ["my_metrics:plain"]]}}, "metrics is the same in all cells"),
        (
            {"blocks": [{"factors": {"lr": [1.0]}, "base": {"metrics": ["my_metrics:plain"]}}]},
            "blocks[0].base.metrics: metrics is the same in all cells",
        ),
    ],
)
def test_what_a_study_says_of_them_has_to_be_so(tmp_path, console, changes, message):
    with pytest.raises(InputError) as told:
        run(study_of(tmp_path, "quality", "scores", **changes), console)
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("metric", "changes", "note"),
    [
        (
            "quality_precision",
            {"mode": "min"},
            "itself is declared with mode max",
        ),
        ("sliced_w2", {"mode": "max"}, "although sliced_w2 itself is declared with mode min"),
        ("plain", {}, "plain has no direction, so no cell is better by it: where one is, write"),
        ("mmd", {"base": {"arch_args": {"a": 1}, "gamma": 0.5}}, "base.arch_args = {'a': 1} does"),
        (
            "mmd",
            {"base": {"schedule_args": {"a": 1}}},
            "base.schedule_args = {'a': 1} does",
        ),
    ],
)
def test_a_plan_says_what_may_be_meant_otherwise(tmp_path, module, metric, changes, note):
    study = study_of(tmp_path, "quality", "plain", metric=metric, **changes)
    told = plan_study(study).notes
    assert sum(note in line for line in told) == 1, told


def test_keys_that_some_cell_uses_are_not_told(tmp_path):
    study = study_of(tmp_path, base={"gamma": 0.5}, metric="mmd", factors={"flow": ["icfm", "si"]})
    assert not [line for line in plan_study(study).notes if "does nothing" in line]


def test_the_keys_of_a_dict_need_not_be_declared(tmp_path, console):
    study = study_of(tmp_path, "scores", metric="scores_high", factors={"flow": ["icfm"]})
    run(study, console)
    assert about(study)["scores_high"].mode == "max"
    kept = json.loads(StudyPaths(study.directory).study_metrics.read_text())["flow_matching"]
    assert json.loads(kept["keys"]).keys() == {"metrics"}, "as before other keys were the study's"
    assert study_record(study.directory, "scores_low").metrics[0].mode == "max"


def test_what_fails_at_a_runs_end_costs_no_other_result(tmp_path, console):
    study = study_of(tmp_path, "late", "plain", factors={"flow": ["icfm"]}, seeds=[1])
    outcome = run(study, console)
    row = by_name(outcome.ledger)["icfm-s1"]
    assert outcome.exit_code == 0
    assert "metric my_metrics:late raised RuntimeError: no GPU left" in row["warnings"]
    assert "late_best" not in row
    assert {"plain_best", "sliced_w2_best"} <= row.keys()
    assert main(["evaluate", str(study.directory), "--metric", "late"]) == 1
    sys.modules["my_metrics"].late.calls = -9
    assert main(["evaluate", str(study.directory), "--metric", "late"]) == 0
    assert Ledger(StudyPaths(study.directory)).rows[row["run_id"]]["late_best"] == 1.0


def test_a_loss_that_is_asked_for_later_is_added_too(tmp_path, console):
    fresh = flow_study(tmp_path / "fresh", base={**SHORT, "nll": True}, seeds=[1])
    expected = by_name(run(fresh, console).ledger)
    run(flow_study(tmp_path, base=SHORT, seeds=[1]), console)
    later = flow_study(tmp_path, base={**SHORT, "nll": True}, seeds=[1], report_metrics=["nll"])
    rows = by_name(run(later, console).ledger)
    assert {name: row["nll_best"] for name, row in rows.items()} == {
        name: row["nll_best"] for name, row in expected.items()
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_that_begins_like_anothers_keeps_its_own_direction(tmp_path, monkeypatch, order):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "alike.py").write_text(
        "import ablate\n\n@ablate.metric(mode='max')\ndef mean_abs(samples): return 0.0\n\n"
        "@ablate.metric(mode='min')\ndef mean(samples): return 0.0\n"
    )
    specs = own_specs(["alike:mean_abs", "alike:mean"][::order], {"mean_abs": None, "mean": None})
    assert {name: spec.mode for name, spec in specs.items()} == {"mean_abs": "max", "mean": "min"}
