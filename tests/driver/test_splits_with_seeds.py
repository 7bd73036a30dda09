"""A study whose splits vary with the seed, trained: from the YAML to the note."""

import math

import pytest
from judging import judged
from studies import by_name, flow_study

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.report.tables import metric_table
from ablate.study_dir import StudyPaths

BASE = {
    "hidden_dim": 64, "num_layers": 1, "steps": 2, "solver_steps": 2,
    "data": {"source": "moons", "rows": 300},
}  # fmt: skip


def test_seeds_split_and_cells_share_their_split(tmp_path, console):
    study = flow_study(tmp_path, base=BASE, seeds=[1, 2, 3], split_seed="with_seed", aa=True)
    outcome = execute(study, Options(local=True), console)
    rows = by_name(outcome.ledger)
    floors = {name: row["sliced_w2_floor"] for name, row in rows.items()}
    assert all(row["status"] == "ok" for row in rows.values())
    for seed in (1, 2, 3):
        assert floors[f"icfm-s{seed}"] == floors[f"vp-s{seed}"]
        assert f'"split_seed":{seed}' in rows[f"vp-s{seed}"]["config"]
    assert len(set(floors.values())) == 6, "the second baseline has splits of its own"
    assert len({row["data_fingerprint"] for row in rows.values()}) == 1
    record = study_record(outcome.plan, outcome.ledger.rows)
    metric = record.metric
    assert math.isclose(metric.widening, math.sqrt(1 + 3 * 0.2 / 0.7))
    notes = [note.text for note in metric_table(record, metric).notes]
    assert (
        "splits vary with the seed: intervals are over splits, which overlap (Nadeau & Bengio "
        "2003: x1.36)"
    ) in notes
    assert "; over random splits; " in record.scope
    assert "split_seed" not in record.scope
    assert not metric.cautions
    ledger = StudyPaths(study.directory).runs_parquet
    elsewhere = judged(ledger, "--factors", "flow", "--metric", "sliced_w2")
    assert elsewhere.metric.values == pytest.approx(metric.values)
    told = " ".join(elsewhere.notes)
    assert "3 runs of the ledger's second baseline" in told
    assert "data.split_seed is each run's seed" in told
    assert not execute(study, Options(local=True), console).interrupted
