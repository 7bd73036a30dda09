"""One run's record as a type, and as a mapping."""

import json
import math

import pyarrow.parquet as pq
import pytest

from ablate.events import RunEnded, RunStarted, events_of_report
from ablate.ledger.ledger import Ledger
from ablate.run_row import RunRow, RunRows, Status, columns_of, metric_in
from ablate.study_dir import StudyPaths


def test_a_status_is_kept_as_plain_text(tmp_path):
    """Whoever reads a row as a mapping, or its files, needs nothing of Ablate's."""
    ledger = Ledger(StudyPaths(tmp_path))
    with ledger.writing():
        for run_id in ("done", "left"):
            ledger.add(run_id, run_name=run_id)
            ledger.on_event(RunStarted(run_id, "t", 1))
        ledger.on_event(RunEnded("done", Status.OK, metrics={"score": 1.0}))
    texts = {"done": "ok", "left": "interrupted"}
    journal = (tmp_path / "ledger" / "journal.jsonl").read_text("utf-8").splitlines()
    patches = [json.loads(line) for line in journal]
    assert {p["run_id"]: p["status"] for p in patches if "run_id" in p} == texts
    table = pq.read_table(tmp_path / "ledger" / "runs.parquet").to_pylist()
    assert {row["run_id"]: row["status"] for row in table} == texts
    for rows in (ledger.rows, Ledger(StudyPaths(tmp_path)).rows):
        assert {run_id: row["status"] for run_id, row in rows.items()} == texts
        assert {type(row["status"]) for row in rows.values()} == {str}
        assert rows.status("done") is Status.OK


def test_what_no_row_says_is_of_a_run_to_come():
    rows = RunRows.of_plain({"odd": {"status": "on holiday"}, "bare": {}})
    assert {rows.status(run_id) for run_id in ("odd", "bare", "unknown")} == {Status.PENDING}
    assert rows.of("unknown").seconds is None
    with pytest.raises(KeyError):
        rows["unknown"]


def test_a_result_is_a_finite_number_of_a_run_that_ended_well():
    values = {"m_best": 2.0, "m": 3.0}
    assert RunRow(status="ok", **values).result("m", "best") == 2.0
    assert RunRow(status="ok", m_final=1.0, **values).result("m", "last") == 1.0
    assert RunRow(status="ok", m_best=2.0).result("m", "last") == 2.0  # all that there is
    for row in (RunRow(status="failed", **values), RunRow(status="ok", m=math.inf), RunRow(m=1.0)):
        assert math.isnan(row.result("m", "last"))


def test_a_trainable_with_words_of_its_own_has_failed():
    *_, end = events_of_report({"run_id": "r", "status": "exploded", "error": "boom"})
    assert (end.status, end.failure.kind, end.failure.message) == (
        Status.FAILED,
        "Exploded",
        "boom",
    )


@pytest.mark.parametrize("metric", ["score", "score_best"])
def test_a_column_is_of_the_metric_that_it_is_made_for(metric):
    assert {metric_in(column) for column in columns_of(metric)[1:]} == {metric}
