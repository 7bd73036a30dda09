"""`config_command`: the config that a script really gets is in run ids and in the ledger."""

import json

import pytest
from commanded_studies import READ, TRAIN, command_study, project

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.plan.resolved import VOLATILE
from ablate.report.settings import settings_listing, settings_text
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths

CONFIG = (
    TRAIN.partition("for step")[0]
    + """
import json, pathlib, time
base = json.loads(pathlib.Path("base.json").read_text())
calls = pathlib.Path("data/calls")
calls.parent.mkdir(exist_ok=True)
with calls.open("a") as file:
    file.write("x")
print(json.dumps({**base, **vars(args), "name": f"run-{args.seed}", "at": time.time(),
                  "out": str(pathlib.Path.cwd() / "out"), "hydra": {"job": 1}}))
"""
)
ASKS = {"config_command": "{python} config.py {overrides}"}
HYDRA = """
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    print(f"step=1 acc={config.optimizer.lr}")
main()
"""


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    return project(tmp_path / "p", {"config.py": CONFIG, "base.json": '{"width": 8}'})


def study(folder, **changes):
    return command_study(folder, trainable=ASKS, **changes)


def ids(folder, **changes):
    return [run.run_id for run in plan_study(study(folder, **changes)).runs]


def calls(folder):
    return len((folder / "data" / "calls").read_text())


def test_a_base_config_that_is_edited_makes_new_runs(folder):
    before = ids(folder)
    assert ids(folder) == before
    assert len(set(before)) == 4
    (folder / "base.json").write_text('{"width": 16}')
    assert not set(ids(folder)) & set(before)
    (folder / "base.json").write_text('{"width":   8}')
    assert ids(folder) == before  # by content, not by the file


def test_a_config_may_lie_beyond_the_tree(tmp_path, monkeypatch):
    """In a folder that is linked there, and in one that the line names."""
    monkeypatch.setattr("ablate.commands.resolve.APART_S", 0)
    prints = (
        "import sys\nfor f in ('conf/a.yaml', sys.argv[1][4:] + '/b.yaml'): print(open(f).read())"
    )
    folder = project(tmp_path / "p", {"config.py": prints})
    for name in ("linked/a.yaml", "named/b.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"{name[-6]}: 1")
    (folder / "conf").symlink_to(tmp_path / "linked")
    asks = {"config_command": f"{{python}} config.py dir={tmp_path / 'named'} {{seed}}"}
    changes = {"factors": {}, "base": {"lr": 0.1}, "seeds": 1, "trainable": asks}
    found = [plan_study(command_study(folder, **changes)).runs[0].run_id]
    for name in ("linked/a.yaml", "named/b.yaml"):
        (tmp_path / name).write_text(f"{name[-6]}: 20")
        found += [run.run_id for run in plan_study(command_study(folder, **changes)).runs]
    assert len(set(found)) == 3


def test_the_runs_directory_in_yaml_without_quotes(tmp_path, monkeypatch):
    """As Hydra prints it."""
    monkeypatch.setattr("ablate.commands.resolve.APART_S", 0)
    folder = project(tmp_path / "p", {"config.py": "import sys; print('out:', sys.argv[1])"})
    asks = {"config_command": "{python} config.py {run_dir}/x {seed}"}
    changes = {"factors": {}, "base": {"lr": 0.1}, "seeds": 1, "trainable": asks}
    [resolved] = [value for key, value in _resolved(folder, **changes).items() if key != VOLATILE]
    assert resolved == {"out": "{run_dir}/x"}
    (folder / "config.py").write_text("print('out: {run_dir}/x')")
    with pytest.raises(InputError, match=r"YAML or JSON \((?!it is no mapping).+\):\n +\| out:"):
        plan_study(command_study(folder, **changes))


def _resolved(folder, **changes):
    return plan_study(command_study(folder, **changes)).study.resolved


def test_each_cell_is_asked_once_for_each_state_of_the_code(folder):
    plan_study(study(folder))
    asked = calls(folder)
    assert asked == 3  # two cells, and one of them again
    plan_study(study(folder))
    assert calls(folder) == asked
    (folder / "base.json").write_text('{"width": 9}')
    plan_study(study(folder))
    assert calls(folder) == 2 * asked


def test_what_is_no_part_of_the_training_is_in_no_id(folder, tmp_path):
    plan = plan_study(study(folder))
    resolved = plan.runs[-1].full_config
    assert resolved == {"width": 8, "lr": 0.2, "depth": 1, "seed": 1000, "name": "run-1000",
                        "out": "out"}  # fmt: skip
    assert any("each time: at" in note for note in plan.notes)
    elsewhere = project(tmp_path / "q", {"config.py": CONFIG, "base.json": '{"width": 8}'})
    assert ids(elsewhere) == [run.run_id for run in plan.runs]


def test_the_ledger_has_it_and_a_report_does_not_ask_again(folder, console):
    made = study(folder)
    assert execute(made, Options(local=True), console).exit_code == 0
    ledger = Ledger(StudyPaths(made.directory))
    assert {json.loads(row.config)["width"] for row in ledger.rows.values()} == {8}
    assert {json.loads(row.config)["seed"] for row in ledger.rows.values()} == {0, 1000}
    (folder / "base.json").write_text('{"width": 16}')
    reported = plan_study(load_saved_study(made.directory))
    assert set(reported.by_id) == set(ledger.rows)


def test_a_factor_that_changes_nothing_is_noticed(folder):
    command = "{python} train.py {overrides}"
    changes = {"factors": {"note": ["a", "b"]}}
    asks = {"config_command": "{python} config.py --lr 0.1"}
    plan = plan_study(command_study(folder, command, trainable=asks, **changes))
    assert "note=a and note=b train the same thing under two names" in plan.notes


def test_a_call_that_fails_is_one_mistake_with_the_end_of_what_it_said(folder):
    (folder / "base.json").write_text("{")
    with pytest.raises(InputError) as caught:
        plan_study(study(folder))
    said = str(caught.value)
    assert "grid.yaml: 1 mistake" in said
    assert "trainable.config_command = " in said
    assert "in 2 cells (lr=0.1; lr=0.2) failed:" in said
    assert "| json.decoder.JSONDecodeError: Expecting property name" in said


def test_what_is_no_config_is_told_with_what_it_was(folder):
    (folder / "config.py").write_text("print('loading data ...')")
    with pytest.raises(InputError, match=r"did not print a config as YAML or JSON(.|\n)*loading"):
        plan_study(study(folder))


def test_the_config_of_a_real_hydra_script(tmp_path):
    pytest.importorskip("hydra")
    conf = {"conf/config.yaml": "defaults: [{optimizer: sgd}, _self_]\nseed: 0\n"
            "name: ${optimizer.lr}-${seed}\nday: ${now:%Y-%m-%d}\n",
            "conf/optimizer/sgd.yaml": "lr: 0.1\n", "conf/optimizer/adam.yaml": "lr: 1e-3\n",
            "train.py": HYDRA}  # fmt: skip
    folder = project(tmp_path / "p", conf)
    trainable = {"style": "hydra", "read": READ,
                 "config_command": "{python} train.py --cfg job --resolve {overrides}"}  # fmt: skip
    changes = {"trainable": trainable, "factors": {"optimizer": ["sgd", "adam"]}, "seeds": [1]}

    def planned():
        return plan_study(command_study(folder, "{python} train.py {overrides}", **changes))

    first = planned()
    assert [run.full_config for run in first.runs] == [
        {"optimizer": {"lr": 0.1}, "seed": 1, "name": "0.1-1"},
        {"optimizer": {"lr": 0.001}, "seed": 1, "name": "0.001-1"},
    ]
    (folder / "conf" / "optimizer" / "adam.yaml").write_text("lr: 2e-3\n")
    sgd, adam = planned().runs
    assert sgd.run_id == first.runs[0].run_id
    assert adam.run_id != first.runs[1].run_id


def test_settings_are_what_the_script_resolves_to(folder):
    (folder / "base.json").write_text('{"width": 8, "opt": {"name": "adam", "tag": "of seed"}}')
    record = study_record(
        plan_study(
            command_study(
                folder, "{python} train.py {overrides}", trainable=ASKS, base={"depth": 3}
            )
        ),
        {},
    )
    assert settings_listing(record).rows == [
        ["lr", "0.1 | 0.2", "varied by lr"],
        ["depth", "3", "set"],
        ["width", "8", "of the script"],
        ["opt.name", "adam", "of the script"],
        ["opt.tag", "of seed", "of the script"],
        ["out", "out", "of the script"],
    ], "neither the seed nor what has it in its name"
    assert "declares no Config" not in settings_text(record.settings)


def test_without_config_command_nobody_knows_the_defaults(folder):
    record = study_record(plan_study(command_study(folder)), {})
    assert "nobody knows" in settings_text(record.settings)
