"""Trainables of one's own: what they may be, and what is said of their results."""

import pytest
from studies import ONE_AT_A_TIME, by_name, toy_study

from ablate.driver.session import execute
from ablate.launch.base import Options

LOOSE = {
    "metric": "eval/acc", "base": {}, "seeds": [1], "retries": 1, "checkpoint_every_s": 0,
}  # fmt: skip


def run(study, console, **options):
    return execute(study, Options(**options), console)


@pytest.fixture
def folder_with_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("10")
    return tmp_path


def _is_right(outcome):
    """1.0 more with each of three steps, from the state of the checkpoint after a crash."""
    rows = by_name(outcome.ledger)
    assert {row["status"] for row in rows.values()} == {"ok"}, [r["error"] for r in rows.values()]
    assert {row["eval/acc_final"] - row["gain"] for row in rows.values()} == {13.0}
    assert {row["eval/by_class/3_final"] for row in rows.values()} == {2.0}
    assert {row["retries"] for row in rows.values()} == {1}


@pytest.mark.parametrize("name", ["Loose", "KeywordOnly", "OldFashioned"])
def test_any_init_any_state_and_nested_results(folder_with_data, console, name):
    study = toy_study(folder_with_data, trainable=f"odd:{name}", **LOOSE)
    _is_right(run(study, console, local=True))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_same_on_ray_in_the_directory_of_the_command(folder_with_data, console):
    study = toy_study(
        folder_with_data, trainable="odd:KeywordOnly", **LOOSE, resources=ONE_AT_A_TIME
    )
    _is_right(run(study, console))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_one_that_fails_in_its_init_ends(folder_with_data, console):
    study = toy_study(folder_with_data, trainable="odd:Broken", **LOOSE, resources=ONE_AT_A_TIME)
    rows = by_name(run(study, console).ledger)
    assert {row["error_type"] for row in rows.values()} == {"AttributeError"}
    assert not any(row.get("retries") for row in rows.values())  # it would end so again


@pytest.mark.parametrize(
    ("scores", "status", "best"),
    [
        ([1, 3, 2], "ok", 3),
        (["nan", 1, 2], "ok", 2),
        (["inf", None, 2], "ok", 2),
        ([None, None, 2], "ok", 2),
        ([2, None], "ok", 2),
        (["nan", 2, "nan", 4], "diverged", None),
        ([2, "-inf"], "diverged", None),
        ([None, None], "failed", None),
        (["nan", "nan"], "failed", None),
        (["list", "list"], "failed", None),
    ],
)
def test_only_a_metric_that_was_measured_diverges_and_without_one_a_run_fails(
    tmp_path, console, scores, status, best
):
    study = toy_study(
        tmp_path, trainable="odd:Scored", base={"scores": scores}, factors={"gain": [1]}, seeds=[1]
    )
    outcome = run(study, console, local=True)
    [row] = outcome.ledger.rows.values()
    assert (row["status"], row.get("score_best", row.get("score"))) == (status, best)
    assert outcome.exit_code == (status != "ok")
    if status == "failed":
        assert (row["error_type"], "loss" in row["error"]) == ("MetricMissing", True)


def test_a_result_without_the_metric_is_told_at_once_and_once(tmp_path, console):
    base = {"scores": ["list", None]}
    study = toy_study(tmp_path, trainable="odd:Scored", base=base)
    assert run(study, console, local=True).exit_code == 1
    shown = console.export_text()
    assert shown.count("the first result has no number `score`") == 1
    assert "it has loss, score (list)" in shown
    assert shown.index("the first result has") < shown.index("[1/4]")
    assert all(not row.get("warnings") for row in execute_rows(study))


def test_what_is_merely_tried_need_not_measure(tmp_path, console):
    from ablate.driver.smoke import try_cells

    base = {"scores": [None, "nan", 1, 2]}
    study = toy_study(tmp_path, trainable="odd:Scored", base=base)
    assert try_cells(study, Options(local=True), console).exit_code == 0


def execute_rows(study):
    from ablate.ledger.ledger import Ledger
    from ablate.study_dir import StudyPaths

    return Ledger(StudyPaths(study.directory)).rows.values()


def test_a_pack_may_measure_late_and_with_any_librarys_numbers(tmp_path, console):
    from ablate.driver.smoke import try_cells

    study = toy_study(tmp_path, trainable="odd:Packed", base={}, pack=2)
    assert try_cells(study, Options(local=True), console).exit_code == 0
    rows = by_name(run(study, console, local=True).ledger)
    assert {row.status for row in rows.values()} == {"ok"}, [row.error for row in rows.values()]
    assert [row["score"] for row in rows.values()] == [1.0, 1.0, 2.0, 2.0]


def test_a_config_that_changes_what_it_is_given_changes_no_other_cell(tmp_path, console):
    study = toy_study(tmp_path, trainable="odd:Configured", base={"inner": {"rate": 1.0}})
    outcome = run(study, console, local=True)
    assert {row["score"] for row in outcome.ledger.rows.values()} == {2.0}
    assert {row["data_fingerprint"] for row in outcome.ledger.rows.values()} == {"12"}
    assert study.base == {"inner": {"rate": 1.0}}
    checked = toy_study(tmp_path / "b", trainable="odd:Checked", base={"scores": [1]})
    assert run(checked, console, local=True).exit_code == 0


def test_a_study_that_somebody_changes_is_planned_anew(tmp_path):
    from ablate.plan.plan import plan_study

    study = toy_study(tmp_path, seeds=[1])
    assert len(plan_study(study).runs) == 2
    study.factors["gain"].append(3)
    study.base["length"] = 9
    assert [run.config["length"] for run in plan_study(study).runs] == [9, 9, 9]
