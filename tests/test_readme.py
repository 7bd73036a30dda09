"""What the README shows works as it stands."""

import importlib
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import yaml

from ablate.cli.main import main
from ablate.plan.plan import plan_study
from ablate.spec.config_keys import keys_of
from ablate.spec.load import read_study
from ablate.spec.yaml12 import parse_yaml
from trainables.flow.config.run import FlowConfig

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.S)


def test_the_study_plans_as_shown():
    raw = parse_yaml(blocks("yaml")[0], "README.md")
    names = [run.run_name for run in plan_study(read_study(raw, "README.md")).runs]
    assert names[:3] == ["icfm-small-s42", "icfm-large-s42", "vp-large-s42"]
    assert len(names) == 12


def test_every_command_line_is_understood():
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith(("python -m ablate.", "ablate "))
    ]
    assert len(commands) >= 18
    for words in commands:
        if words[0] == "ablate":
            name, *arguments = words[1:]
        else:
            name, arguments = words[2].removeprefix("ablate."), words[3:]
        if name != "report":
            module = importlib.import_module(f"ablate.cli.{name}")
            module.build_parser(ArgumentParser()).parse_args(arguments)


def test_every_config_key_and_value_is_told():
    prose = re.sub(r"```.*?```", "", README.read_text(), flags=re.S)
    told = set(re.findall(r"`([^`]+)`", prose))
    assert set(keys_of(FlowConfig)) <= told | {"nll"}
    assert {path.stem for path in README.parent.glob("search_spaces/*.yaml")} <= told | {
        "quickstart"
    }


def test_every_key_of_the_study_file_is_shown_or_internal():
    from ablate.spec.models import Study

    shown = {key for block in blocks("yaml") for key in yaml.safe_load(block)}
    assert set(Study.model_fields) - shown == {"allow_incomparable", "folder", "cells"}


def test_the_designs_plan_as_shown():
    raw = {**parse_yaml(blocks("yaml")[1], "README.md"), "study": "s", "metric": "sliced_w2"}
    plan = plan_study(read_study(raw, "README.md"))
    assert [len(block.members) for block in plan.blocks] == [8, 3]
    assert sum(plan.compared) == 2


def test_what_is_shown_from_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text(
        "study: s\nmetric: val_loss\nbase: {hidden_dim: 64, num_layers: 2}\nseeds: [1, 2]\n"
        "factors: {lr: [1e-3, 1e-2]}\n"
    )
    [*_, code] = blocks("python")
    exec(compile(code, "README.md", "exec"), {"__name__": "shown"})
    shown = capsys.readouterr().out
    assert "lr=0.001-s1 ok" in shown
    assert "wide better" in shown


def test_the_results_from_elsewhere_are_judged_as_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{flow},{arch},{seed},{value + seed / 10 + (seed * len(flow) % 3) / 50}"
        for flow, value in (("icfm", 5), ("vp", 4))
        for arch in ("mlp", "dit")
        for seed in (1, 2, 3)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(["flow,arch,seed,fid", *rows]))
    [command] = [
        line for block in blocks("sh") for line in block.splitlines() if "runs.csv" in line
    ]
    assert main(shlex.split(command, comments=True)[1:]) == 0
    assert "better" in capsys.readouterr().out
    assert (tmp_path / "judged" / "runs" / "report" / "index.html").exists()
