"""What ends runs beside their trainables: `stop`, `max_concurrent` and its kin."""

import pytest
from studies import by_name, toy_study

from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.driver.smoke import try_cells
from ablate.errors import InputError
from ablate.launch.base import Options


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def study_of(folder, **changes):
    given = {"trainable": "trained:counts_forever", "base": {}, "seeds": [1], "retries": 0}
    return toy_study(folder, **{**given, **changes})


@pytest.mark.parametrize(
    ("mode", "stop", "steps", "reason"),
    [
        ("max", {"training_iteration": 3}, {1: 3, 2: 3}, "stop: training_iteration"),
        ("min", {"score": 6}, {1: 4, 2: 2}, "stop: score"),
        ("max", {"eval/acc": 0.25}, {1: 3, 2: 3}, "stop: eval/acc"),
        ("min", {"score": 6.5, "training_iteration": 3}, {1: 3, 2: 2}, None),
    ],
)
def test_any_bound_ends_a_run_well(tmp_path, console, mode, stop, steps, reason):
    outcome = run(study_of(tmp_path, mode=mode, stop=stop), console)
    rows = by_name(outcome.ledger)
    assert {gain: rows[f"gain={gain}-s1"]["step"] for gain in (1, 2)} == steps
    assert {row.status for row in rows.values()} == {"ok"}
    if reason:
        assert {row.stop_reason for row in rows.values()} == {reason}


def test_another_stop_is_another_run(tmp_path, console):
    run(study_of(tmp_path, stop={"training_iteration": 2}), console)
    longer = run(study_of(tmp_path, stop={"training_iteration": 4}), console)
    assert {row["step"] for row in longer.ledger.rows.values() if row["launch"] == 2} == {4}


def test_what_stops_a_run_from_above_stops_it_elsewhere_from_below(tmp_path, console):
    """Whether a further metric is one of the study's says which way its bound is meant."""
    stop = {"eval/acc": 0.15, "training_iteration": 4}
    run(study_of(tmp_path, stop=stop), console)
    again = run(study_of(tmp_path, stop=stop, mode="min", report_metrics=["eval/acc"]), console,
                same_study=True)  # fmt: skip
    assert sorted(row["step"] for row in again.ledger.rows.values()) == [1, 1, 2, 2]


def test_a_bound_that_no_result_has_is_told_at_the_first(tmp_path, console):
    stop = {"training_iteration": 2, "eval/accuracy": 0.9}
    run(study_of(tmp_path, stop=stop), console)
    shown = console.export_text()
    assert "stop waits for eval/accuracy, which the first result does not have" in shown
    assert "eval/acc" in shown.replace("eval/accuracy", "")


def test_what_packs_ends_by_its_own_keys(tmp_path):
    from studies import flow_study

    with pytest.raises(InputError) as error:
        flow_study(tmp_path, stop={"training_iteration": 3})
    [problem] = error.value.problems
    assert (problem.key, "base.epochs" in problem.fix) == ("stop", True)
    with pytest.raises(InputError, match="stop"):
        study_of(tmp_path, stop={"eval": {"acc": 1}})


GRID = """
study: endless
trainable: {trainable}
metric: score
mode: min
factors: {{gain: [1, 2]}}
seeds: [1]
{more}
"""


def plan(folder, capsys, trainable, more=""):
    grid = folder / "grid.yaml"
    grid.write_text(GRID.format(trainable=trainable, more=more))
    code = main(["plan", str(grid), "--local", "--storage", str(folder)])
    captured = capsys.readouterr()
    return code, " ".join((captured.out + captured.err).split())


def test_a_plan_says_how_stop_is_read_and_what_may_never_end(tmp_path, capsys):
    _, text = plan(tmp_path, capsys, "trained:counts_forever", "stop: {score: 0.5, x: 2}")
    assert "a run stops at score at most 0.5, or x at least 2" in text
    _, text = plan(tmp_path, capsys, "trained:Endless")
    assert "trained:Endless never mentions done, and the study has no stop" in text
    stop = "stop: {training_iteration: 5}"
    assert "never mentions" not in plan(tmp_path, capsys, "trained:Endless", stop)[1]
    assert "never mentions" not in plan(tmp_path, capsys, "toy:Counter")[1]
    _, text = plan(tmp_path, capsys, "trained:counts_forever")
    assert "trained:counts_forever loops without an end, and the study has no stop" in text
    assert "without an end" not in plan(tmp_path, capsys, "trained:yields")[1]
    _, text = plan(tmp_path, capsys, "toy:Counter", "time_limit_s: 90\nmax_concurrent: 1")
    assert "at most 1 at once of its trials" in text
    assert "a run may take 1 min 30 s" in text


def test_smoke_says_what_has_not_ended_by_itself(tmp_path, console):
    try_cells(study_of(tmp_path, trainable="trained:Endless"), Options(local=True), console)
    told = "smoke: 2 of 2 cells had not said done within two results, and the study has no stop"
    assert told in console.export_text()
    try_cells(
        study_of(tmp_path, trainable="toy:Counter", base={"length": 1}),
        Options(local=True),
        console,
    )
    assert "had not said done" not in console.export_text()


def test_paths_take_names_of_the_environment(tmp_path, console, monkeypatch):
    monkeypatch.setenv("ABLATE_TEST_PLACE", str(tmp_path))
    stop = {"training_iteration": 1}
    outcome = run(study_of("${ABLATE_TEST_PLACE}/studies", stop=stop), console)
    assert outcome.exit_code == 0
    assert (tmp_path / "studies" / "toys" / "ledger" / "runs.parquet").exists()
    monkeypatch.delenv("ABLATE_TEST_PLACE")
    with pytest.raises(InputError) as error:
        study_of("${ABLATE_TEST_PLACE}/studies", stop=stop)
    [problem] = error.value.problems
    assert (problem.key, "ABLATE_TEST_PLACE is not set" in problem.message) == ("storage", True)


def test_paths_of_configs_take_them_too_and_are_the_same_run_everywhere(
    tmp_path, console, monkeypatch
):
    from ablate.plan.plan import plan_study

    base = {"path": "${ABLATE_TEST_PLACE}/x.txt", "scores": "${HOME}"}
    monkeypatch.setenv("ABLATE_TEST_PLACE", str(tmp_path))
    first = plan_study(study_of(tmp_path, trainable="trained:Reads", base=base, factors={}))
    [run] = first.runs
    assert first.launch_config(run)["path"] == f"{tmp_path}/x.txt"
    assert first.launch_config(run)["scores"] == "${HOME}"
    monkeypatch.setenv("ABLATE_TEST_PLACE", "/elsewhere")
    again = plan_study(study_of(tmp_path, trainable="trained:Reads", base=base, factors={}))
    assert again.runs[0].run_id == run.run_id
    monkeypatch.delenv("ABLATE_TEST_PLACE")
    with pytest.raises(InputError) as error:
        study_of(tmp_path, trainable="trained:Reads", base=base, factors={})
    assert [problem.key for problem in error.value.problems] == ["base.path"]
