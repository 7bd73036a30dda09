"""A ledger of several journals: more than one command writes a study's record."""

import pandas as pd
import pytest

from ablate.ledger.journal import read_journal
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths


@pytest.fixture
def paths(tmp_path):
    """A study of two runs, `a` and `b`, that are done."""
    ledger = Ledger(StudyPaths(tmp_path))
    with ledger.writing():
        for name in ("a", "b"):
            ledger.add(name, run_name=name, seed=1)
            ledger.patch(name, status="ok", score=1.0)
    return StudyPaths(tmp_path)


def values(paths, column):
    return [row.get(column) for row in Ledger(paths).rows.values()]


def evaluated(paths, name="evaluate", **columns):
    """Another command's columns, on both runs."""
    ledger = Ledger(paths, journal=name)
    with ledger.writing():
        for run_id in ("a", "b"):
            ledger.patch(run_id, **columns)
    return ledger


def test_two_writers_at_once_and_one_of_them_dies_within_a_line(paths):
    trains, evaluates = Ledger(paths), Ledger(paths, journal="evaluate")
    trains.open()
    evaluates.open()
    trains.patch("a", score=2.0)
    evaluates.patch("a", mmd_best=0.1)
    evaluates.patch("b", mmd_best=0.2)
    trains.patch("b", score=3.0)
    evaluates._journal.close()
    torn = paths.journal_of("evaluate")
    torn.write_bytes(torn.read_bytes()[:-9])
    assert (values(paths, "score"), values(paths, "mmd_best")) == ([2.0, 3.0], [0.1, None])
    assert not Ledger(paths).notes, "a dead driver's torn end is no damage"
    trains.close()
    frame = pd.read_parquet(paths.runs_parquet)
    assert frame["score"].tolist() == [2.0, 3.0]
    assert frame["mmd_best"].tolist()[0] == 0.1
    evaluated(paths, mmd_best=0.5)
    assert len(read_journal(torn).patches) == 3, "the torn end is gone"
    assert pd.read_parquet(paths.runs_parquet)["mmd_best"].tolist() == [0.5, 0.5]
    assert not Ledger(paths).notes


def test_what_is_merged_is_not_read_twice(paths):
    evaluated(paths, mmd_best=0.1)
    with (ledger := Ledger(paths)).writing():
        ledger.reset("a")
    assert values(paths, "mmd_best") == [None, 0.1], "it began again after that"
    paths.runs_parquet.unlink()
    assert values(paths, "mmd_best") == [None, 0.1]


@pytest.mark.parametrize("lost", ["table", "main", "own"])
def test_each_file_is_made_again_from_the_others(paths, lost):
    evaluated(paths, mmd_best=0.1)
    file = {"table": paths.runs_parquet, "main": paths.journal, "own": paths.journal_of("evaluate")}
    file[lost].write_bytes(b"\xff\xfe junk\n\n")
    assert (values(paths, "score"), values(paths, "mmd_best")) == ([1.0, 1.0], [0.1, 0.1])
    assert len(Ledger(paths).notes) == 1
    with Ledger(paths).writing():
        pass
    assert file[lost].with_suffix(".damaged").exists()
    assert (values(paths, "score"), values(paths, "mmd_best")) == ([1.0, 1.0], [0.1, 0.1])
    assert not Ledger(paths).notes
    evaluated(paths, mmd_best=0.2)
    assert values(paths, "mmd_best") == [0.2, 0.2]


def test_of_two_commands_that_set_one_column_the_later_journal_counts(paths):
    one, other, main = Ledger(paths, journal="x"), Ledger(paths, journal="y"), Ledger(paths)
    for ledger in (main, one, other):
        ledger.open()
    for number, ledger in enumerate((other, one, main)):
        ledger.patch("a", score=float(number), note=str(number))
    assert Ledger(paths).rows["a"]["note"] == "0"
    for ledger in (other, main, one):
        ledger.close()
        assert Ledger(paths).rows["a"]["note"] == "0"
    assert pd.read_parquet(paths.runs_parquet)["note"].tolist()[0] == "0"


def test_a_journal_of_its_own_mends_nothing_and_ends_nobodys_runs(paths):
    ledger = Ledger(paths)
    ledger.open()
    ledger.add("c", run_name="c", seed=1)
    ledger.patch("c", started_at=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime())
    main = paths.journal.read_bytes()
    evaluated(paths, mmd_best=0.1)
    assert paths.journal.read_bytes() == main
    assert Ledger(paths).rows["c"].status == "pending"
    ledger.close()
    assert Ledger(paths).rows["c"].status == "interrupted"


def test_names_of_journals_are_names_of_files(paths):
    with pytest.raises(Exception, match="not a file name"):
        Ledger(paths, journal="../elsewhere").open()


def test_files_of_somebody_else_are_no_journals(paths):
    for name in ("journal-.jsonl", "journal-a b.jsonl", "journal.jsonl.bak"):
        (paths.ledger / name).write_text('{"run_id": "a", "score": 9.0, "_n": 99}\n')
    assert values(paths, "score") == [1.0, 1.0]


@pytest.mark.parametrize("included", ["[]", '{"evaluate": "7"}', "3"])
def test_an_odd_header_is_no_header(paths, included):
    evaluated(paths, mmd_best=0.1)
    _, *lines = paths.journal.read_text("utf-8").splitlines(keepends=True)
    header = f'{{"num_rows": 2, "included": {included}}}\n'
    paths.journal.write_text("".join([header, *lines]), "utf-8")
    assert (values(paths, "score"), values(paths, "mmd_best")) == ([1.0, 1.0], [0.1, 0.1])
