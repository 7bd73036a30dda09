"""`ablate judge`: what it prints and writes."""

import re

import pytest
from judging import FID, rows_of, write_csv

from ablate.cli.main import main

ASKED = ["--factors", "flow", "--metric", "fid"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Results in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_csv(tmp_path / "runs.csv", rows_of(FID))


def test_the_whole_report_is_written_and_says_whose_results_they_are(table, tmp_path, capsys):
    command = ["judge", "runs.csv", *ASKED, "--margin", "0.5", "--question", "Which flow?"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^vp +\S+ +4/4 +8.47 ± 0.71 +-1.95 .* better *$", shown, re.M)
    origin = "judged from results made elsewhere (runs.csv: CSV file, 12 rows); Ablate did not run"
    report = tmp_path / "judged" / "runs" / "report"
    files = [report / name for name in ("table.md", "table.tex", "index.html")]
    for text in (shown, *(file.read_text(encoding="utf-8") for file in files)):
        assert origin in text
        assert "ok/planned" not in text
        assert "margin ±0.5, given when the results were there" in text
        assert not any(claim in text for claim in ("training time", "fixed beforehand"))
    page = files[-1].read_text(encoding="utf-8")
    assert "ablate judge runs.csv --factors flow --metric fid --margin 0.5" in page
    assert "<dt>code</dt>" not in page
    assert "12 of 12 runs have a result" in page
    assert (report / "figures" / "forest.svg").exists()
    assert main(command) == 0  # over its own


@pytest.mark.parametrize("there", ["study.yaml", "report/figures/mine.svg"])
def test_a_study_s_or_somebody_s_report_is_never_overwritten(table, tmp_path, capsys, there):
    mine = tmp_path / "mine" / there
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert main(["judge", "runs.csv", *ASKED, "--margin", "0", "--out", "mine"]) == 2
    told = capsys.readouterr().err
    assert "runs.csv: 2 mistakes" in told
    assert "--out = 'mine'" in told
    assert [p for p in (tmp_path / "mine").rglob("*") if p.is_file()] == [mine]


def test_help_lists_it(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "judge" in capsys.readouterr().out
