"""Two studies side by side."""

from studies import toy_study

from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options


def test_runs_that_agree_in_config_are_compared(tmp_path, console, capsys):
    one = toy_study(tmp_path / "a", factors={"gain": [1, 2]}, seeds=[1, 2])
    other = toy_study(tmp_path / "b", factors={"gain": [2, 3]}, seeds=[1, 2, 3])
    for study in (one, other):
        execute(study, Options(local=True), console)
    assert main(["compare", str(one.directory), str(other.directory)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "gain=2 2 26.0 ± 2.8 26.0 ± 2.8 +0 2/2" in lines
    assert not any(line.startswith("gain=1") for line in lines)
    assert lines[-1] == "finished runs only in A: 2, only in B: 4"


def test_studies_that_share_no_run_are_refused(tmp_path, console, capsys):
    one = toy_study(tmp_path / "a", factors={"gain": [1]})
    other = toy_study(tmp_path / "b", factors={"gain": [3]})
    for study in (one, other):
        execute(study, Options(local=True), console)
    assert main(["compare", str(one.directory), str(other.directory)]) == 2
    assert "no run with score is in both" in capsys.readouterr().err
