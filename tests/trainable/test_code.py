"""Training code that is edited, wherever it is and however it is imported."""

import json
import py_compile
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from ray.tune import Trainable
from studies import by_name, toy_study

from ablate.analysis.background import how_it_came
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

TRAINABLE = """
from ray.tune import Trainable
TOP

class Mine(Trainable):
    def step(self):
        STEP
        return {"score": 1.0, "done": True}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass
"""
PATH = "import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'lib'))"
BY_FILE = (
    "import importlib.util as u; s = u.spec_from_file_location('any', 'HERE/project/helper.py'); "
    "m = u.module_from_spec(s); __import__('sys').modules['any'] = m; s.loader.exec_module(m)"
)
EXTENSION = f"xxlimited{sysconfig.get_config_var('EXT_SUFFIX')}"


class Project:
    """A user's folder, and a command's process in as far as modules are concerned."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.patch = folder, monkeypatch
        self.base, self.known = str(folder), set(sys.modules)
        self.enter("project")

    def enter(self, *folders):
        """A command with folders on its path."""
        for name in set(sys.modules) - self.known:
            if self.base in str(getattr(sys.modules[name], "__spec__", "")):
                del sys.modules[name]
        sys.path[:] = [entry for entry in sys.path if self.base not in entry]
        for name in reversed(folders):
            self.patch.syspath_prepend(self.folder / name)

    def write(self, name, content=""):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def trainable(self, name, top="", step="pass"):
        text = TRAINABLE.replace("TOP", top).replace("STEP", step)
        return self.write(name, text.replace("HERE", str(self.folder)))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = Project(tmp_path, monkeypatch)
    yield found
    found.enter()


def run(project, console, trainable="train:Mine", **changes):
    study = toy_study(project.folder / "studies", trainable=trainable, base={},
                      factors={"gain": [1]}, seeds=[1], **changes)  # fmt: skip
    return execute(study, Options(local=True), console)


IMPORTS = {
    "at the top": ("project/helper.py", "import helper", "pass", []),
    "of a constant": ("project/helper.py", "from helper import x", "pass", []),
    "in a step": ("project/helper.py", "", "import helper", []),
    "through PYTHONPATH": ("elsewhere/helper.py", "from helper import x", "pass", ["elsewhere"]),
    "from a sibling": ("lib/helper/deep.py", PATH, "import helper.deep", []),
    "from a sibling in a step": ("lib/helper.py", "", f"{PATH}; import helper", []),
    "from a bare folder": ("project/parts/helper.py", "import parts.helper", "pass", []),
    "by its file": ("project/helper.py", "", BY_FILE, []),
}


@pytest.mark.parametrize("how", IMPORTS)
def test_a_helper_that_is_edited_is_noticed(project, console, how):
    name, top, step, path = IMPORTS[how]
    helper = project.write(name, "x = 1\n")
    project.write("project/unrelated.py")
    project.trainable("project/train.py", top, step)
    project.enter("project", *path)
    run(project, console)
    project.write("project/unrelated.py", "edited")
    project.enter("project", *path)
    run(project, console)
    assert "training code" not in console.export_text(clear=False)
    helper.write_text("x = 1000\n")
    project.enter("project", *path)
    again = run(project, console, on_code_change="rerun")
    told = console.export_text()
    assert "1 run was made with different training code: run again (on_code_change: rerun)" in told
    assert helper.name in told.split("; changed: ")[1]
    [row] = again.ledger.rows.values()
    assert row["launch"] == 2
    project.enter("project", *path)
    [row] = run(project, console, on_code_change="rerun").ledger.rows.values()
    assert row["launch"] == 2
    helper.unlink()
    project.enter("project", *path)
    project.trainable("project/train.py")
    run(project, console)
    assert helper.name in console.export_text().split("changed: ")[1]


def zipped(project):
    (project.folder / "project").mkdir(exist_ok=True)
    path = project.folder / "project" / "lib.zip"
    source = project.trainable("source.py").read_text()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside/__init__.py", "")
        archive.writestr("inside/train.py", source)
    project.patch.syspath_prepend(path)
    return "inside.train:Mine", path


def installed(project):
    project.trainable("site-packages/bought/train.py", "import bought.core")
    project.write("site-packages/bought/__init__.py")
    project.write("site-packages/unrelated.py")
    project.enter("site-packages")
    return "bought.train:Mine", project.write("site-packages/bought/core.py", "x = 1\n")


def compiled(project):
    source = project.trainable("project/train.py")
    path = source.with_suffix(".pyc")
    py_compile.compile(str(source), str(path))
    source.unlink()
    return "train:Mine", path


def extension(project):
    found = Path(sysconfig.get_path("stdlib"), "lib-dynload", EXTENSION)
    if not found.exists():
        pytest.skip("this Python is without its example of an extension")
    project.trainable("project/train.py", "import xxlimited")
    return "train:Mine", Path(shutil.copy(found, project.folder / "project"))


@pytest.mark.parametrize("kind", [zipped, installed, compiled, extension])
def test_code_that_is_no_source_of_the_project_is_noticed(project, console, kind):
    trainable, path = kind(project)
    run(project, console, trainable)
    run(project, console, trainable)
    assert "training code" not in console.export_text(clear=False)
    with path.open("ab") as file:
        file.write(b"\n" if path.suffix == ".py" else b"\0")
    run(project, console, trainable)
    told = console.export_text()
    assert "1 run was made with different training code: kept (on_code_change: keep)" in told
    assert path.name in told.split("changed: ")[1]


@pytest.mark.parametrize("place", [".cache", "temporary"])
def test_code_that_is_made_on_the_way_does_not_count(project, console, monkeypatch, place):
    """Compilers leave modules in caches, which are emptied some day."""
    monkeypatch.setattr("tempfile.tempdir", str(project.folder / "temporary"))
    made = project.write(f"{place}/made.py")
    by_file = BY_FILE.replace("project/helper.py", f"{place}/made.py")
    project.trainable("project/train.py", "", by_file)
    run(project, console)
    made.unlink()
    run(project, console)
    assert "training code" not in console.export_text()


def test_a_project_that_has_moved_is_the_same_code(project, console):
    project.write("lib/helper.py")
    project.trainable("project/train.py", PATH, "import helper")
    run(project, console)
    for name in ("project", "lib", "studies"):
        (project.folder / "moved").mkdir(exist_ok=True)
        (project.folder / name).rename(project.folder / "moved" / name)
    project.folder = project.folder / "moved"
    project.enter("project")
    outcome = run(project, console)
    assert [row["launch"] for row in outcome.ledger.rows.values()] == [1]
    assert "training code" not in console.export_text()


class Editing(Trainable):
    """Imports a helper, as late as can be; the first run edits it when it is done."""

    def step(self):
        folder = Path(self.config["folder"])
        sys.path.insert(0, str(folder))
        __import__("late_helper")
        if self.iteration == 1:
            (folder / "late_helper.py").write_text("x = 'edited'\n")
        return {"score": 1.0, "done": self.iteration == 1}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_code_that_is_edited_while_a_study_runs(tmp_path, console, monkeypatch):
    """Runs of both kinds stand in one table: that is said there, and of those that differ."""
    monkeypatch.syspath_prepend(tmp_path)  # else a temporary folder's modules are a compiler's
    (tmp_path / "late_helper.py").write_text("x = 1\n")
    study = toy_study(tmp_path / "studies", trainable="test_code:Editing", seeds=[1],
                      base={"folder": str(tmp_path)}, resources={"cpu": 4})  # fmt: skip
    outcome = execute(study, Options(), console)
    rows = by_name(outcome.ledger)
    told = "trained with other code than the launch began with: "
    assert [told in (row.get("warnings") or "") for row in rows.values()] == [False, True]
    assert "note: edited while the study runs: " in console.export_text(clear=False)
    assert "made with older code: 1 of 2 runs" in console.export_text()
    [note] = how_it_came(outcome.plan, outcome.ledger.rows)
    assert note.startswith("the runs were made with 2 versions of the training code (")
    assert note.endswith("late_helper.py)")
    files = {file for row in rows.values() for files in json.loads(row["code_files"]).values()
             for file in files}  # fmt: skip
    assert files == {"test_code.py", "studies.py", "late_helper.py"}
    rerun = toy_study(tmp_path / "studies", trainable="test_code:Editing", seeds=[1],
                      base={"folder": str(tmp_path)}, on_code_change="rerun")  # fmt: skip
    again = by_name(execute(rerun, Options(local=True), console).ledger)
    assert [row["launch"] for row in again.values()] == [2, 1]
    assert not how_it_came(outcome.plan, Ledger(StudyPaths(study.directory)).rows)
