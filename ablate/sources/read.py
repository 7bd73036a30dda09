"""A source by its name: a file, a folder, or what W&B has."""

import re
from pathlib import Path

from ablate.errors import InputError, Problem
from ablate.sources.asked import Asked
from ablate.sources.found import Found
from ablate.sources.ray_results import PARAMS, is_ray_results, read_ray_results
from ablate.sources.table_files import SUFFIXES, read_table_file
from ablate.sources.wandb_project import SCHEME, read_wandb
from ablate.study_dir import StudyPaths, file_name

KINDS = "a .csv or .parquet file, a Ray results folder, or wandb:entity/project?group=NAME"


def read_source(source: str, asked: Asked) -> Found:
    """What is there, as far as a question needs it.

    Raises:
        InputError: Where it is no source, or holds nothing.
        AblateError: Where W&B cannot be asked.
    """
    found = read_wandb(source, asked) if source.startswith(SCHEME) else _read_path(Path(source))
    if not found.rows:
        raise InputError(source, [Problem("SOURCE", "holds no runs", source)])
    return found


def name_of(source: str) -> str:
    """What a report on a source is called: a name that can be one of a file."""
    bare = re.sub(r"\?\w+=|[?&/]", "-", source.removeprefix(SCHEME))
    name = file_name(bare if source.startswith(SCHEME) else Path(source).resolve().stem)
    return name if name[0].isalnum() else f"results{name}"


def _read_path(path: Path) -> Found:
    if path.is_dir():
        if is_ray_results(path):
            return read_ray_results(path)
        raise InputError("command line", [_no_results(path)])
    if not path.exists():
        problem = Problem("SOURCE", "is not there", str(path), fix=f"give {KINDS}")
        raise InputError("command line", [problem])
    if path.suffix.lower() not in SUFFIXES:
        problem = Problem("SOURCE", "is no table by its name", str(path), SUFFIXES,
                          f"give {KINDS}")  # fmt: skip
        raise InputError("command line", [problem])
    return read_table_file(path)


def _no_results(folder: Path) -> Problem:
    """Why a folder has no trials, and where they may be."""
    if StudyPaths(folder).study_yaml.exists():
        fix = f"use ablate report {folder}, or give {StudyPaths(folder).runs_parquet}"
        return Problem("SOURCE", "is a study directory of Ablate's own", str(folder), fix=fix)
    if (folder / PARAMS).exists():
        return Problem("SOURCE", "is one trial", str(folder), fix=f"give {folder.parent}")
    below = sorted({str(p.parents[1]) for p in folder.glob(f"*/*/{PARAMS}")})
    fix = "give one of the experiments" if below else f"give {KINDS}"
    told = f"holds no trials of Ray Tune (no */{PARAMS})"
    return Problem("SOURCE", told, str(folder), tuple(below), fix)
