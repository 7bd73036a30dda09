"""A network that others publish, as it is: the one of torchcfm's two-dimensional tutorials."""

import subprocess
import sys

import pytest

from ablate.cli.main import main
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

GRID = """
study: tutorial
metric: sliced_w2
base:
  arch: torchcfm.models.models:MLP
  arch_args: {time_varying: true}
  call: cat                          # it takes points and times as one tensor
  epochs: 2
  data: {source: moons, rows: 300}
factors: {arch_args.w: [16, 64]}
seeds: [1]
"""


@pytest.fixture(scope="module")
def torchcfm(tmp_path_factory):
    """The folder that it is installed in, without what it would bring, but for what it imports."""
    folder = tmp_path_factory.mktemp("torchcfm")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
               str(folder), "torchcfm", "POT"]  # fmt: skip
    done = subprocess.run(install, capture_output=True, text=True, timeout=200)
    if done.returncode:
        pytest.skip(f"torchcfm cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")
def test_trains_without_a_line_of_code(tmp_path, monkeypatch, torchcfm, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(torchcfm)
    (tmp_path / "grid.yaml").write_text(GRID)
    assert main(["run", "grid.yaml", "--local"]) == 0
    rows = Ledger(StudyPaths(tmp_path / "studies" / "tutorial")).rows.values()
    assert {row["num_parameters"] for row in rows} == {642, 8706}
    assert all(0 < row["sliced_w2_final"] < 2 for row in rows)
