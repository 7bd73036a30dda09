"""A package that plugs in a trainable, a tracker and a backend, as CONTRIBUTING says."""

import json
import sys

import numpy as np
import pytest
from studies import by_name

from ablate.cli.main import main
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

PLUGIN = '''
from typing import ClassVar
from ray.tune import Trainable
from ablate.launch.local_backend import LocalBackend
from ablate.trainable.contract import MetricSpec, TrainableConfig, TrainableHooks
import json, pathlib
import numpy as np


class Config(TrainableConfig):
    metrics: ClassVar = {
        "recall": MetricSpec(mode="max", is_measurable=True),
        "loss": MetricSpec(),
        "entropy": MetricSpec(ranks=False),
    }
    unhashed: ClassVar = frozenset({"device"})
    smoke: ClassVar = {"length": 1}

    gain: float = 1.0
    length: int = 3
    device: str = "cpu"

    def comparison(self, metric):
        return {"length": self.length} if metric == "loss" else {}


def preflight(config):
    if config["gain"] > 100:
        raise ValueError("gain is beyond the data")
    return {"data_fingerprint": "1x1-abc", "num_parameters": 7}


def sample(best, num, seed, solver, num_steps):
    return np.full((num, 2), json.loads(best.read_text())["gain"], dtype=np.float32)


def evaluate(best, config, metric):
    return {f"{metric}_best": json.loads(best.read_text())["gain"] * 10}


class Mine(Trainable):
    Config = Config
    ablate = TrainableHooks(preflight=preflight, sample=sample, evaluate=evaluate)

    def step(self):
        c = self.config
        return {"recall": c["gain"] + c["seed"] / 10, "loss": 1 / c["gain"], "entropy": 1.0,
                "done": self.iteration + 1 >= c["length"]}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


class Here(LocalBackend):
    """This process, and it says so."""

    def open(self, context, num_runs, options):
        context.say(f"{num_runs} runs go to the plug-in")
        return super().open(context, num_runs, options)


class Names:
    def __init__(self, tracked):
        self.tracked = tracked

    def on_event(self, event):
        pass

    def tick(self):
        pass

    def complete(self, run_ids):
        names = [self.tracked.row(run_id).run_name for run_id in run_ids]
        pathlib.Path(self.tracked.directory, "names.json").write_text(json.dumps(names))

    def tables(self, tables, answer):
        pass

    def close(self):
        pass
'''
ENTRY_POINTS = """
[ablate.trainables]
mine = my_plugin:Mine
[ablate.trackers]
names = my_plugin:Names
[ablate.backends]
here = my_plugin:Here
"""
GRID = (
    "study: s\ntrainable: mine\nmetric: recall\nreport_metrics: [loss, entropy]\n"
    "factors: {gain: [1, 2]}\nseeds: [1, 2, 3]\ntrackers: [names]\n"
)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A folder with an installed package, in which commands are run."""
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    info = tmp_path / "my_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)
    return tmp_path


def test_a_package_plugs_in_a_trainable_a_tracker_and_a_backend(plugin, capsys):
    assert main(["run", "grid.yaml", "--backend", "here"]) == 0
    shown = capsys.readouterr().out
    assert "6 runs go to the plug-in" in shown
    assert "recall (higher is better), last value, 3 seeds" in shown
    assert "loss (lower is better), last value, 3 seeds" in shown, "directions stand side by side"
    root = plugin / "studies" / "s"
    assert len(json.loads((root / "names.json").read_text())) == 6
    row = by_name(Ledger(StudyPaths(root)))["gain=2-s1"]
    assert (row["num_parameters"], row["data_fingerprint"]) == (7, "1x1-abc")
    best = StudyPaths(root).best("gain=2-s1")
    best.parent.mkdir(parents=True)
    best.write_text('{"gain": 2}')
    assert main(["sample", str(root), "gain=2-s1", "-n", "5", "-o", "x.npy"]) == 0
    assert np.load("x.npy").tolist() == [[2.0, 2.0]] * 5
    main(["evaluate", str(root), "--metric", "recall"])
    assert "has no best weights" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def comparison(self", "def compairson(self", "Config.compairson is not a hook"),
        ('MetricSpec(ranks=False)', '"unranked"', "Config.metrics should map names to MetricSpec"),
        ("TrainableHooks(preflight=preflight", "TrainableHooks(preflite=preflight", "preflite"),
        ("    ablate = TrainableHooks(", "    ablate = dict(", "is not TrainableHooks"),
        ("config[\"gain\"] > 100", "config[\"gain\"] > 1", "gain is beyond the data"),
    ],
)  # fmt: skip
def test_mistakes_of_its_author_are_told_at_plan_time(plugin, capsys, old, new, told):
    assert old in PLUGIN
    (plugin / "my_plugin.py").write_text(PLUGIN.replace(old, new))
    assert main(["plan", "grid.yaml"]) == 2
    assert told in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_what_is(plugin, capsys):
    (plugin / "grid.yaml").write_text(GRID.replace("mine", "mime"))
    assert main(["plan", "grid.yaml"]) == 2
    assert "flow_matching, mine" in capsys.readouterr().err
    (plugin / "grid.yaml").write_text(GRID)
    assert main(["run", "grid.yaml", "--backend", "hear"]) == 2
    assert "local, ray, here" in capsys.readouterr().err


def test_changed_data_of_a_trainable_of_ones_own_are_noticed(plugin, capsys, monkeypatch):
    assert main(["run", "grid.yaml", "--local"]) == 0
    (plugin / "my_plugin.py").write_text(PLUGIN.replace("1x1-abc", "2x1-def"))
    monkeypatch.delitem(sys.modules, "my_plugin")
    assert main(["run", "grid.yaml", "--local"]) == 2
    assert "changed since earlier runs started (6: gain=1-s1" in capsys.readouterr().err


def test_a_directory_keeps_no_direction_that_is_its_metrics_own(plugin, capsys):
    assert main(["run", "grid.yaml", "--local"]) == 0
    capsys.readouterr()
    for metric, better in (("recall", "higher"), ("loss", "lower"), ("recall", "higher")):
        place = ["run", "--resume", "studies/s", "--local", "--set", f"metric={metric}"]
        assert main(place) == 0
        assert f"{metric} ({better} is better)" in capsys.readouterr().out
