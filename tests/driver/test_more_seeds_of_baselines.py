"""Studies with more seeds of the baseline, from the first run to the report and on."""

import pytest
from studies import toy_study

import ablate
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.report.tables import metric_table

LOCAL = Options(local=True)


@pytest.mark.parametrize("pairing", ["seed", "none"])
def test_one_seed_of_each_other_cell_has_a_verdict(tmp_path, console, pairing):
    given = {"trainable": "toy:Noisy", "factors": {"gain": [1, 2, 3]}, "pairing": pairing}
    study = toy_study(tmp_path, seeds={"baseline": 5, "others": 1}, **given)
    outcome = execute(study, LOCAL, console)
    assert len(outcome.ledger.rows) == 7
    record = ablate.study_record(study.directory)
    assert [(c.value.num, c.num_planned) for c in record.metric.cells] == [(5, 5), (1, 1), (1, 1)]
    assert all(cell.comparison.low < cell.comparison.high for cell in record.metric.cells[1:])
    told = [note.text for note in metric_table(record, record.metric).notes]
    assert any("assumes that the other cells vary like the baseline" in note for note in told)
    assert any("unpaired" in note for note in told) == (pairing == "none")
    assert record.history.summary == "analysis fixed before the first result"
    more = toy_study(tmp_path, seeds={"baseline": 5, "others": 2}, **given)
    outcome = execute(more, LOCAL, console)
    assert len(outcome.ledger.rows) == 9
    record = ablate.study_record(study.directory)
    told = [note.text for note in metric_table(record, record.metric).notes]
    assert not any("assumes that" in note for note in told)


def test_a_study_that_was_not_paired_before_says_so(tmp_path, console):
    given = {"trainable": "toy:Noisy", "factors": {"gain": [1, 2]}, "seeds": 3}
    study = toy_study(tmp_path, **given)
    execute(study, LOCAL, console)
    execute(toy_study(tmp_path, **given, pairing="none"), LOCAL, console)
    [_, cell] = ablate.study_record(study.directory).metric.cells
    assert [deviation.change.topic.value for deviation in cell.exploratory] == ["pairing"]
