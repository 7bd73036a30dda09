"""The account and the place that a command runs in: no home, no name, no folder, long paths."""

import os
import subprocess
import sys

import pytest
from studies import toy_study

from ablate.errors import AblateError
from ablate.launch.ray.prerequisites import check_temporary_folder, token_without_home
from ablate.study_dir import user_cache

STRANGER = """
import os, pwd, sys

def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
pwd.getpwuid = unknown
from ablate.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
GONE = """
import os, sys

here = os.getcwd()
os.mkdir("gone")
os.chdir("gone")
os.rmdir(os.path.join(here, "gone"))
from ablate.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
GRID = "study: t\ntrainable: toy:Counter\nmetric: score\nmode: max\nbase: {length: 3}\nseeds: [1]\n"


def command(code, folder, *arguments, **environment):
    (folder / "grid.yaml").write_text(GRID)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=folder, capture_output=True,
        text=True, env={**os.environ, **environment}, timeout=100,
    )  # fmt: skip


def test_a_user_whom_the_system_does_not_know(tmp_path):
    done = command(STRANGER, tmp_path, "run", "grid.yaml", "--local")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "studies" / "t" / "report" / "index.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.yaml", "studies"]


@pytest.mark.parametrize("arguments", [["run", "../grid.yaml", "--local"], ["status", "/tmp"]])
def test_a_current_directory_that_is_gone(tmp_path, arguments):
    done = command(GONE, tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr == (
        "error: the current directory is gone\n  fix: change to one that exists\n"
    )


def test_a_temporary_folder_too_long_for_a_socket(tmp_path):
    folder = tmp_path / ("x" * 60)
    folder.mkdir()
    code = "from ablate.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    arguments = ["run", "grid.yaml", "--address", "local"]
    done = command(code, tmp_path, *arguments, TMPDIR=str(folder), RAY_TMPDIR="")
    assert done.returncode == 2
    assert f"error: TMPDIR = {folder}: too long for Ray's sockets" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_ray_would_take_for_its_temporary_folder(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/tmp/" + "y" * 90)
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    check_temporary_folder()
    monkeypatch.delenv("RAY_TMPDIR")
    with pytest.raises(AblateError, match="another path of at most 39 bytes"):
        check_temporary_folder()
    monkeypatch.delenv("TMPDIR")
    check_temporary_folder()


def test_a_token_where_no_home_can_keep_one(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert token_without_home() == {}
    (tmp_path / "file").touch()
    for home in (tmp_path / "file" / "home", "/proc/nothing", "~"):
        monkeypatch.setenv("HOME", str(home))
        assert len(token_without_home()["RAY_AUTH_TOKEN"]) == 64
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    assert token_without_home() == {}


def test_nothing_is_kept_in_a_folder_of_that_name(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")
    assert user_cache().is_relative_to(os.devnull)


def test_a_home_that_nobody_knows(tmp_path):
    with pytest.raises(AblateError, match=r"~nobody-here/x: this home folder is unknown"):
        _ = toy_study("~nobody-here/x").directory
