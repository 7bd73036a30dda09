"""Bad input: one message, every mistake, exit code 2, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from ablate.errors import InputError
from ablate.spec.load import load_saved_study, load_study, read_study, save_study
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths
from trainables.flow.config.data import DataConfig
from trainables.flow.config.metrics import METRICS as METRIC_ROWS
from trainables.flow.config.run import FlowConfig

GOOD = {
    "study": "s",
    "metric": "sliced_w2",
    "factors": {"flow": ["icfm", "vp"], "lr": [0.001, 0.01]},
    "seeds": [1, 2],
}
CONFIG_KEYS = ", ".join(name for name in FlowConfig.model_fields if name != "data")
KEYS = ", ".join([CONFIG_KEYS, *(f"data.{name}" for name in DataConfig.model_fields)])
YOURS = "module:name of your own"
METRICS = ", ".join(METRIC_ROWS)


def mistakes(changes=(), overrides=(), **more):
    raw = {**GOOD, **dict(changes), **more}
    with pytest.raises(InputError) as error:
        read_study({k: v for k, v in raw.items() if v != "drop"}, "grid.yaml", overrides)
    return str(error.value)


def test_all_mistakes_at_once():
    text = mistakes(
        studdy="x",
        study="../x",
        metric="sliced_w",
        base={"hiden_dim": 64, "data": {"source": "digts"}},
        factors={"flow": ["icfm", "vpp"], "epoks": [1, 2], "empty": [], "lr": [1, 1.0]},
        baseline={"flow": "vp"},
        exclude=[{"lr": 3}],
        seeds=[1, 2, 1],
        retries=True,
    )
    assert (
        text
        == f"""\
grid.yaml: 13 mistakes

  study = '../x': names the study's directory, so it starts with a letter or digit and holds only \
letters, digits, '.', '_' and '-'

  retries = True: should be a valid integer

  studdy: unknown key
      choices: {", ".join(Study.model_fields)} (nearest: study)
      fix: write study

  seeds[2] = 1: the seed is listed twice
      fix: drop one

  metric = 'sliced_w': the trainable reports no such metric
      choices: {METRICS} (nearest: sliced_w2)
      fix: write sliced_w2

  factors.empty: has no levels
      fix: add levels, or drop the factor

  factors.epoks: is not a config key
      choices: {KEYS} (nearest: epochs)
      fix: write epochs

  factors.lr[1] = 1.0: the level is listed twice
      fix: drop one

  baseline.flow = 'vp': is not a level of the factor
      choices: icfm, vpp (nearest: vpp)
      fix: write vpp

  exclude[0].lr = 3: is not a level of the factor
      choices: 1, 1

  base.data.source = 'digts': not a valid choice
      choices: digits, parquet, npy, moons, checkerboard, gaussians, {YOURS} (nearest: digits)
      fix: write digits

  base.hiden_dim: unknown key
      choices: {CONFIG_KEYS}, data (nearest: hidden_dim)
      fix: write hidden_dim

  factors.flow[1] = 'vpp': not a valid choice
      choices: icfm, otcfm, target, vp, si, reflow, {YOURS} (nearest: vp)
      fix: write vp"""
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"metric": "drop"}, "metric: missing\n      fix: add 'metric: ...'"),
        ({"seeds": []}, "seeds = []: tuple should have at least 1 item"),
        ({"seeds": "three"}, "seeds = 'three': should be a list"),
        ({"trainable": "flow_match"}, "trainable = 'flow_match': not a registered trainable\n"
         "      choices: flow_matching (nearest: flow_matching)"),
        ({"trainable": "no_such:Class"}, "cannot be imported: No module named 'no_such'"),
        ({"trainable": "./toys.py:T"}, "'./toys.py:T': cannot be imported: TypeError: "),
        ({"trainable": "__main__:T"}, "is in the running script, which workers cannot import"),
        ({"resources": {"cpu": 0}}, "resources: a trial needs a share of CPUs or GPUs: set cpu or"),
        ({"factors": {"data": [{"source": "digits"}, {"source": "moons", "row": 1000}]}},
         "factors.data[1] = 'row': unknown key\n      choices: source, args, path"),
        ({"factors": {"on": {"a": {"lr": 1}, "b": {"data": {"source": "moons", "row": 9}}}}},
         "factors.on.b.data.row: unknown key"),
        ({"factors": {"flow": "icfm"}}, "factors.flow = 'icfm': is neither a list of levels nor"),
        ({"factors": {"seed": [1]}}, "factors.seed: is a column of the ledger"),
        ({"factors": {"m": {"a/b": {"lr": 1}}}}, "factors.m.a/b: level names become parts of"),
        ({"factors": {"m": {"a": 3}}}, "factors.m.a = 3: does not say which config keys it sets"),
        ({"factors": {"m": {"a": {"lr": "x"}}}}, "factors.m.a.lr = 'x': should be a valid number"),
        ({"factors": {"lr": [1], "m": {"a": {"lr": 2}}}}, "sets a key that factors.lr also sets"),
        ({"factors": {"hidden_dim": [65]}}, "factors.hidden_dim[0] = 65: should be a multiple of"),
        ({"factors": {"data.size": [1, "x"]}}, "factors.data.size[1] = 'x': should be a valid int"),
        ({"factors": {"m": {"a": {"epochs": 5}, "b": {"epochs": 5.0}}}},
         "factors.m.b.epochs = 5.0: should be a valid integer"),
        ({"factors": {"m": {"a": {"lr": 1}, "b": {"lr": 1.0}}}},
         "factors.m: two cells are the same: m=a and m=b"),
        ({"baseline": {"flow": "vp", "lr": 0.5}}, "baseline.lr = 0.5: is not a level of the"),
        ({"baseline": {"arch": "mlp"}}, "baseline.arch: is not a factor\n      choices: flow, lr"),
        ({"exclude": [{"flow": "icfm", "lr": 0.001}]}, "baseline = {'flow': 'icfm', 'lr': 0.001}: "
         "matches no cell: it is excluded"),
        ({"exclude": [{"flow": "icfm"}, {"flow": "vp"}]}, "exclude: leaves no cell"),
        ({"storage": "s3://bucket"}, "storage = 's3://bucket': only local paths for now"),
        ({"resources": {"gpu": 1.5}}, "resources.gpu = 1.5: above 1, GPUs come whole"),
        ({"resources": {"cpus": 1}}, "resources.cpus: unknown key\n      choices: cpu, gpu"),
        ({"tracking": {"mode": "ofline"}}, "tracking.mode = 'ofline': not a valid choice\n"
         "      choices: auto, online, offline, disabled (nearest: offline)"),
        ({"base": {"data": {"source": "npy"}}}, "base.data.source: source npy needs a path"),
        ({"design": "random"}, "design = 'random'"),
        ({"metric": "val_loss"}, "metric = 'val_loss': measures different things in cells that "
         "differ in flow\n      choices: sliced_w2, energy_distance, mmd, straightness\n"
         "      fix: write metric: sliced_w2, or "
         "allow_incomparable: true"),
    ],
)  # fmt: skip
def test_each_mistake_says_where_what_and_the_fix(changes, told):
    text = mistakes(changes)
    assert text.startswith("grid.yaml: 1 mistake\n")
    assert told in text


def test_overrides_are_as_if_the_yaml_said_so():
    study = read_study(GOOD, "x", ["base.data.size=100", "seeds=[7]", "factors.data.size=[10, 20]",
                                   "factors.lr=[1e-2]", "mode=max"])  # fmt: skip
    assert study.base == {"data": {"size": 100}}
    assert study.seeds == (7,)
    assert study.mode == "max"
    assert study.factors == {"flow": ["icfm", "vp"], "lr": [0.01], "data.size": [10, 20]}
    assert "--set = 'oops': is not key=value" in mistakes(overrides=["oops"])
    assert "--set base: not YAML" in mistakes(overrides=["base={"]).replace(" = '{'", "")
    assert "base.lr = 'x': should be a valid number" in mistakes(
        factors={"flow": ["icfm"]}, overrides=["base.lr=x"]
    )


def test_storage_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "is a file, not a directory" in mistakes(storage=str(tmp_path / "file" / "deeper"))


def test_a_saved_study_reads_back_and_its_directory_may_move(tmp_path):
    study = read_study({**GOOD, "storage": str(tmp_path)}, "x")
    save_study(study, StudyPaths(study.directory))
    study.directory.rename(tmp_path / "moved")
    moved = load_saved_study(tmp_path / "moved")
    assert moved.directory == tmp_path / "moved"
    assert moved.factors == study.factors
    with pytest.raises(InputError, match="not a study directory"):
        load_saved_study(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "the file: cannot be read: No such file or directory"),
        ("a: [", "line 1, column 5: not YAML: the text ends where a value is missing"),
        ("", "the file: is empty"),
        ("- 1", "the file: holds a list, not a mapping"),
        (
            "study: a\nstudy: b\n",
            "line 2, column 1: study: the key appears twice in one mapping (first on line 1)",
        ),
        (b"\xff\xfe\x00", "the file: is not UTF-8 text"),
    ],
)
def test_unreadable_files(tmp_path, content, told):
    path = tmp_path / "grid.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        load_study(path)
    assert str(error.value).startswith(f"{path}: 1 mistake")
    assert told in str(error.value)


def test_the_command_exits_with_2_and_no_traceback(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("study: s\nmetrics: x\n")
    command = [sys.executable, "-m", "ablate.run", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}: 3 mistakes")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [path]
    both = subprocess.run([*command, "--resume", "x"], capture_output=True, text=True)
    assert (both.returncode, both.stderr.splitlines()) == (
        2, ["error: give either a GRID file or --resume DIR"],
    )  # fmt: skip


def test_every_search_space_loads():
    spaces = sorted(Path(__file__).parents[2].joinpath("search_spaces").glob("*.yaml"))
    assert spaces
    for path in spaces:
        assert load_study(path).question
