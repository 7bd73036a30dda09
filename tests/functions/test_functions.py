"""Functions as trainables, in this process."""

import json
import os

import pytest
from studies import by_name, stop_at_result, toy_study

from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options

METRIC = {"objective": "accuracy"}


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def study_of(folder, name, **changes):
    given = {"base": {}, "seeds": [1], "retries": 0, "metric": METRIC.get(name, "score")}
    return toy_study(folder, trainable=f"trained:{name}", **{**given, **changes})


def curve(outcome, name, metric="score"):
    row = by_name(outcome.ledger)[name]
    return [point.get(metric) for point in outcome.ledger.history(row["run_id"])]


@pytest.mark.parametrize(
    ("name", "base", "scores"),
    [
        ("by_name", {"width": 500, "depth": 2}, [21.0 + 0.5 + 1]),
        ("by_name", {}, [21.0 + 0.064]),
        ("yields", {"length": 2}, [1.0, 3.0]),
        ("of_train", {}, [2.0, 1.0]),
    ],
)
def test_each_report_is_a_point_and_the_end_is_none(tmp_path, console, name, base, scores):
    outcome = run(study_of(tmp_path, name, base=base), console)
    assert outcome.exit_code == 0, [row.error for row in outcome.ledger.rows.values()]
    assert curve(outcome, "gain=2-s1") == scores
    row = by_name(outcome.ledger)["gain=2-s1"]
    assert (row.status, row["step"], row.stop_reason) == ("ok", len(scores), "done")
    assert "trained.py" in row["code_files"]


def test_names_imported_before_reach_the_trial(tmp_path, console):
    base = {"folder": str(tmp_path)}
    outcome = run(study_of(tmp_path, "imported_report", base=base, resources={"cpu": 2}), console)
    assert curve(outcome, "gain=2-s1") == [0.0, 2.0, 4.0]
    name, trial_id, place, cpus = json.loads((tmp_path / "2.json").read_text())
    assert (name, trial_id, cpus) == ("gain=2-s1", "gain=2-s1", 2)
    assert os.path.isdir(place)
    assert "gain=2-s1" in place


def test_an_interrupted_study_resumes_by_the_functions_own_checkpoints(
    tmp_path, console, monkeypatch
):
    base = {"length": 6}
    whole = run(study_of(tmp_path / "whole", "tuned", base=base), console)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 5)
        study = study_of(tmp_path / "cut", "tuned", base=base)
        assert run(study, console).exit_code == 130
    left = [
        json.loads(path.read_text())
        for path in study.directory.glob("launches/*/*/checkpoint_*/manifest.json")
    ]
    assert [manifest["iteration"] for manifest in left] == [4]
    resumed = run(study, console)
    assert resumed.exit_code == 0
    for name in ("gain=1-s1", "gain=2-s1"):
        assert curve(resumed, name) == curve(whole, name)
        assert len(curve(whole, name)) == 6
        assert curve(resumed, name, "eval/acc") == curve(whole, name, "eval/acc")


def test_checkpoints_are_the_functions_alone_whatever_the_clock_says(tmp_path, console):
    """At every step hosting would ask for a checkpoint that the function never made."""
    study = study_of(tmp_path, "yields", checkpoint_every_s=0)
    assert run(study, console).exit_code == 0


def test_the_public_names_alone_do_where_private_ones_are_switched_off(
    tmp_path, console, monkeypatch
):
    from ray import tune

    monkeypatch.setenv("ABLATE_PLAIN_TUNE", "1")
    before = tune.report
    outcome = run(study_of(tmp_path, "tuned", base={"length": 3}), console)
    assert outcome.exit_code == 0, [row.error for row in outcome.ledger.rows.values()]
    assert len(curve(outcome, "gain=1-s1")) == 3
    assert tune.report is before


def test_what_reports_forever_ends_where_the_study_stops_it(tmp_path, console):
    """The shape of Tune's first examples: a loop, or a class, and `stop`."""
    study = study_of(
        tmp_path, "objective", base={"folder": str(tmp_path)}, stop={"training_iteration": 4}
    )
    outcome = run(study, console)
    assert curve(outcome, "gain=2-s1", "accuracy") == [2.0, 4.0, 6.0, 8.0]
    assert {path.name for path in tmp_path.glob("ended-*")} == {"ended-1", "ended-2"}
    classes = toy_study(
        tmp_path, study="classes", trainable="trained:Descent", base={"length": 9}, seeds=[1],
        stop={"training_iteration": 3},
    )  # fmt: skip
    assert [row["step"] for row in run(classes, console).ledger.rows.values()] == [3, 3]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("raises", "ZeroDivisionError", "division by zero"),
        ("returns_number", "TypeError", "returns_number returned a float, not a dict of metrics"),
        ("says_nothing", "TypeError", "says_nothing has ended without a result"),
    ],
)
def test_what_goes_wrong_in_a_function_is_its_run_s_failure(tmp_path, console, name, kind, message):
    outcome = run(study_of(tmp_path, name, retries=1), console)
    assert outcome.exit_code == 1
    row = by_name(outcome.ledger)["gain=1-s1"]
    assert (row["error_type"], message in row["error"]) == (kind, True)
    # A mistake of code makes itself again.
    assert row.get("retries", 0) == (kind != "TypeError")
    if name == "raises":
        assert "return number / by" in row["traceback"]


@pytest.mark.parametrize(
    ("name", "base", "told"),
    [
        ("later", {}, "is an async function"),
        ("NotTrainable", {}, "is a class, but no ray.tune.Trainable"),
        ("json", {}, "is neither a class nor a function, but of type module"),
        ("no_seed", {}, "no_seed(gain): it does not take seed, so that all seeds would be one run"),
        ("needs_more", {"lrr": 1}, "needs_more(gain, seed, depth, lr=0.1): no key of base or "
         "factors gives depth (in cell gain=1); it does not take lrr (lr?) (of cell gain=1)"),
        ("forgets_first", {}, "no key of base or factors gives model (in cell gain=1)"),
        ("by_nam", {}, "cannot be imported"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_before_anything_starts(tmp_path, name, base, told):
    with pytest.raises(InputError) as error:
        study_of(tmp_path, name, base=base)
    [problem] = error.value.problems
    assert problem.key == "trainable"
    assert told in str(problem)


def test_what_a_run_leaves_behind_reports_into_no_other(tmp_path, console):
    outcome = run(study_of(tmp_path, "lingers"), console)
    assert curve(outcome, "gain=2-s1") == [2.0, 2.0, 2.0]


def test_what_a_generator_returns_is_its_last_result(tmp_path, console):
    outcome = run(study_of(tmp_path, "yields_and_returns"), console)
    assert curve(outcome, "gain=2-s1") == [1.0, 2.0]
