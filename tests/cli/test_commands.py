"""What the command `ablate` says of itself, and of words that it does not know."""

import pytest

from ablate.cli.main import main
from ablate.cli.run import main as run


def test_alone_it_shows_what_everybody_needs(capsys):
    assert main([]) == 2
    told = capsys.readouterr().err
    for command in ("new DIR", "plan STUDY.yaml", "run STUDY.yaml", "status", "report", "compare"):
        assert f"\n  ablate {command}" in told
    assert told.count("\n  ablate ") == 6
    assert "ablate run quickstart" in told
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        (main, ["reprot", "x"], "reprot is not a command (nearest: report): new, run, plan,"),
        (main, ["grid.yaml", "--plan"], "(a study is run by: ablate run grid.yaml --plan)"),
        (main, ["run", "grid.yaml", "--smok"], None),
        (main, ["run", "grid.yaml", "--plam"], "ablate run: error: unrecognized arguments: --plam "
         "(nearest: --plan)"),
        (main, ["report", "x", "--metrik=y"], "--metrik=y (nearest: --metric)"),
        (run, ["grid.yaml", "--retry-fialed"], "--retry-fialed (nearest: --retry-failed)"),
    ],
)  # fmt: skip
def test_what_it_does_not_know_is_told_with_what_was_meant(
    command, words, told, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if told is None:  # an option may be cut short
        assert command(words) == 2
        assert "No such file" in capsys.readouterr().err
        return
    with pytest.raises(SystemExit) as exit_:
        command(words)
    assert exit_.value.code == 2
    assert told in capsys.readouterr().err
