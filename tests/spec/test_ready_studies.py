"""Studies that come with Ablate, by name, wherever a command is started."""

from pathlib import Path

import pytest

from ablate.cli.main import main
from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import load_study
from ablate.spec.ready import ready_studies
from ablate.spec.yaml12 import parse_yaml

MINE = "study: mine\nmetric: sliced_w2\nfactors: {flow: [icfm, vp]}\nseeds: [1]\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_is_the_same_study_by_name_and_by_its_file(elsewhere):
    assert "quickstart" in ready_studies()
    for name, path in ready_studies().items():
        by_name, by_file = (plan_study(load_study(given)) for given in (name, path))
        assert list(by_name.by_id) == list(by_file.by_id)
        assert by_name.study.directory == elsewhere / "studies" / by_file.study.study


def test_they_name_no_file_that_would_have_to_be_there():
    """A relative path means one thing in each folder that a command is started in."""
    for path in ready_studies().values():
        values = [parse_yaml(path.read_text(encoding="utf-8"), path.name)]
        while values:
            value = values.pop()
            inside = value.values() if isinstance(value, dict) else value
            values += inside if isinstance(value, dict | list) else []
            assert not (isinstance(value, dict) and "path" in value), path


def test_a_file_of_ones_own_comes_first(elsewhere):
    Path("quickstart").write_text(MINE)
    assert load_study("quickstart").study == "mine"


@pytest.mark.parametrize(
    ("given", "there", "told"),
    [
        ("quikstart", None, ["choices: arch,", "(nearest: quickstart)", "write quickstart, a st"]),
        ("search_spaces/quickstart.yaml", None, ["fix: write quickstart, a study that comes with"]),
        ("datasize.yaml", None, ["fix: write data_size, a study that comes with Ablate"]),
        ("scale", "scale.yml", ["fix: write scale.yml"]),
        ("quickstart", "quickstart/grid.yaml", ["is a folder", "give one of its files: grid.yaml"]),
        ("../quickstart", None, ["fix: write quickstart, a study"]),
        ("nowhere", None, ["data_size, flow, full,", "fix: check the path"]),
        ("x" * 300, None, ["cannot be read"]),
    ],
)
def test_what_is_not_there_is_told_with_what_is(given, there, told):
    if there:
        Path(there).parent.mkdir(exist_ok=True)
        Path(there).write_text(MINE)
    with pytest.raises(InputError) as error:
        load_study(given)
    for words in told:
        assert words in str(error.value)


def test_the_commands_take_a_name(capsys):
    assert main(["plan", "quickstart"]) == 0
    assert "18 runs" in capsys.readouterr().out
    assert main(["freeze", "quickstart"]) == 0
    assert main(["run", "--resume", "studies/quickstart", "--plan"]) == 0
