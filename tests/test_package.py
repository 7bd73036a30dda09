"""What is installed is all there: a real wheel, outside of the source tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IN_A_WHEEL = ("pyproject.toml", "README.md", "ablate", "trainables", "search_spaces")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that a wheel was unpacked into, which was made of a copy of the source."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in IN_A_WHEEL:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, "."]
    made = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *build],
        cwd=folder / "source", capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "installed")
    return folder / "installed"


def files_of(folder):
    return {
        str(path.relative_to(folder)) for name in ("ablate", "trainables", "search_spaces")
        for path in (folder / name).rglob("*")
        if path.is_file() and path.suffix in (".py", ".yaml", ".html", ".js", ".template")
    }  # fmt: skip


def test_a_wheel_has_all_that_the_source_has(installed):
    assert files_of(installed) == files_of(ROOT)
    assert {"search_spaces/quickstart.yaml", "ablate/templates/script/conf/config.yaml"} <= (
        files_of(installed)
    )


def test_a_ready_study_is_found_where_ablate_is_installed(installed, tmp_path):
    """By a process that has no other Ablate: the source tree is not on its path before it."""
    code = (
        "import ablate.spec.ready as ready; from ablate.cli.main import main\n"
        "assert main(['plan', 'quickstart']) == 0; print(ready.FOLDER)"
    )
    for command in (["-m", "ablate.run", "quickstart", "--plan"], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(installed)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"study directory: {tmp_path}/studies/quickstart" in done.stdout
    assert Path(done.stdout.splitlines()[-1]) == installed / "search_spaces"
