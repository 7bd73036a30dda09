"""What the README shows works as it stands."""

import re
from pathlib import Path

import yaml

from ablate.loading import read_study
from ablate.plan import plan_study
from ablate.run import build_parser
from ablate.yaml12 import parse_yaml

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.S)


def test_the_study_plans_as_shown():
    raw = parse_yaml(blocks("yaml")[0], "README.md")
    names = [run.run_name for run in plan_study(read_study(raw, "README.md")).runs]
    assert names[:3] == ["icfm-small-s42", "icfm-large-s42", "vp-large-s42"]
    assert len(names) == 9


def test_every_command_line_is_understood():
    commands = [
        line.split("#")[0].split()
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("python -m ablate.run")
    ]
    assert len(commands) == 7
    for command in commands:
        build_parser().parse_args(command[3:])


def test_every_key_of_the_study_file_is_shown_or_internal():
    from ablate.study import Study

    shown = yaml.safe_load(blocks("yaml")[0])
    assert set(Study.model_fields) - set(shown) == {"design", "allow_incomparable", "folder"}
