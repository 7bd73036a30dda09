"""`ablate report --compare pairs`: all cells of a finished study with each other."""

import pytest
from studies import toy_study

from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.spec.load import load_saved_study


@pytest.fixture
def study_dir(tmp_path, console):
    """A study whose runs have ended, without its report."""
    study = toy_study(tmp_path, factors={"gain": [1, 2, 3]}, seeds=[1, 2, 3])
    execute(study, Options(local=True), console)
    return study.directory


def test_pairs_are_printed_beside_the_study_and_change_nothing(study_dir, capsys):
    assert main(["report", str(study_dir), "--compare", "pairs"]) == 0
    told = capsys.readouterr().out
    assert "all 3 pairs are one family" in told.replace("\n", " ")
    assert "note: compared as asked for here, not as the study says" in told
    assert not (study_dir / "report").exists()
    assert load_saved_study(study_dir).compare is None


def test_no_other_comparison_can_be_asked_for(study_dir, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(study_dir), "--compare", "best"])
    assert stopped.value.code == 2
    assert "choose from" in capsys.readouterr().err
