"""`ablate new DIR`: the files of a first study, which runs in seconds, to put one's own into."""

import argparse
import os
from pathlib import Path

from rich.console import Console

from ablate.errors import InputError, Problem
from ablate.process.screen import Text
from ablate.spec.models import NAME
from ablate.spec.yaml12 import parse_yaml
from ablate.study_dir import as_seen_from_here, file_name
from ablate.text import quoted

TEMPLATES = Path(__file__).parents[1] / "templates"
KINDS = {
    "flow": "the training that is built in, flow matching on your data",
    "function": "a Python function of yours, or a class",
    "script": "a training script of yours as it is, with argparse or Hydra and torchrun",
}
"""What may be trained; each has a folder of templates."""
DEFAULT = "function"
SUFFIX = ".template"
"""Ends the names of templates of Python files, which are no modules of Ablate's."""
NAMED = "my-study"
"""Stands in templates for the study's name."""
GRID = "grid.yaml"


def build_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `ablate new`."""
    parser.description = "Writes a commented grid.yaml and a training that runs in seconds."
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {kind:<9} {what}" for kind, what in KINDS.items())
    parser.add_argument("dir", metavar="DIR", help="a folder, made if it is missing")
    parser.add_argument("--kind", choices=tuple(KINDS), default=DEFAULT,
        help=f"what is trained ({DEFAULT})")  # fmt: skip
    return parser


def new_command(arguments: argparse.Namespace, console: Console) -> int:
    """Writes the files, and says how to go on.

    Raises:
        InputError: If any of them is there already; none is written then.
    """
    folder = Path(arguments.dir)
    files = new_files(arguments.kind, study_name(folder))
    _refuse_overwriting(folder, tuple(files))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    for line in _told(folder, tuple(files)):
        console.print(Text(line), soft_wrap=True)
    return 0


def new_files(kind: str, study: str) -> dict[str, str]:
    """The contents of a kind's files, by path below the new folder."""
    templates = sorted(path for path in (TEMPLATES / kind).rglob("*") if path.is_file())
    return {
        str(path.relative_to(TEMPLATES / kind)).removesuffix(SUFFIX): path.read_text(
            encoding="utf-8"
        ).replace(NAMED, study)
        for path in templates
    }


def study_name(folder: Path) -> str:
    """A name for the study of a folder: the folder's, as far as studies may be called so."""
    name = file_name(os.path.basename(os.path.abspath(folder))).translate(
        {ord(c): "-" for c in "=+"}
    )
    is_one = NAME.fullmatch(name) and isinstance(parse_yaml(name, "the name"), str)
    return name if is_one else f"study-{name.strip('-_')}".rstrip("-")


def _refuse_overwriting(folder: Path, names: tuple[str, ...]) -> None:
    inside = (folder, *folder.parents)
    files = [place for place in inside if place.exists() and not place.is_dir()]
    problems = [Problem("DIR", "is a file, not a folder", str(place)) for place in files[:1]]
    there = [] if problems else [folder / name for name in names if os.path.lexists(folder / name)]
    fix = "name another folder: nothing is overwritten"
    problems += [Problem("DIR", "has such a file already", str(path), fix=fix) for path in there]
    if problems:
        raise InputError("command line", problems)


def _told(folder: Path, names: tuple[str, ...]) -> list[str]:
    shown = as_seen_from_here(folder)
    wrote = ", ".join(str(shown / name) for name in names)
    place = f"./{shown}" if str(shown).startswith("-") else shown  # no option of `cd`
    enter = [] if folder.resolve() == Path.cwd().resolve() else [quoted(["cd", place])]
    plan, run = (quoted(["ablate", word, GRID]) for word in ("plan", "run"))
    return [f"wrote {wrote}", "", "next:", f"  {' && '.join([*enter, plan])}", f"  {run}"]
