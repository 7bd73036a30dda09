"""What is wrong with a command by itself: its lines, its patterns, the files that it names."""

import glob
import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from ablate.commands.code import module_files, watched_files
from ablate.commands.render import OWN_NAMES, RESUME_NAMES
from ablate.commands.spec import Command, FileRead, Line, line_text
from ablate.commands.surroundings import search_path
from ablate.commands.template import (
    VARIABLE,
    Placeholder,
    TemplateError,
    Word,
    names_in,
    parts_of,
    plain_words,
    shell_script,
    words_of,
)
from ablate.errors import Problem
from ablate.text import some

RUN_NAMES = frozenset({"run_dir", "run_id", "run_name"})
"""Placeholders that differ between runs."""
_VARIABLE = re.compile(r"\$[A-Za-z_({]|`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ELSEWHERE = ("/", "~", "${")
"""How paths begin that are not relative to a run's directory."""
_NO_SHELL = "quotes make it part of a word; a shell reads a list: [bash, -c, '...']"


def command_problems(key: str, command: Command) -> list[Problem]:
    """The mistakes of a command that can be seen without a study, and without its files.

    Args:
        key: Where it is in the YAML: `trainable`.
        command: The command.
    """
    problems = [*_line_problems(f"{key}.command", command.command)]
    if command.config_command is not None:
        problems += _line_problems(f"{key}.config_command", command.config_command)
    problems += _resume_problems(key, command)
    problems += _path_problems(f"{key}.checkpoint", command.checkpoint)
    problems += _path_problems(f"{key}.samples", command.samples)
    problems += _seed_problems(key, command)
    problems += _shared_file_problems(key, command)
    if isinstance(command.read, FileRead):
        return [*problems, *_path_problems(f"{key}.read.file", command.read.file)]
    for name, pattern in (command.read or {}).items():
        problems += _pattern_problems(f"{key}.read.{name}", pattern)
    return problems


def file_problems(key: str, command: Command, folder: Path) -> list[Problem]:
    """The programs and files that a command names and that are not there.

    Args:
        key: Where it is in the YAML: `trainable`.
        command: The command.
        folder: Where it is started.
    """
    lines = {"command": command.command, "config_command": command.config_command}
    problems: list[Problem] = []
    for name, line in lines.items():
        words = lines_of(command).get(name)
        if line and words and words[0] and not (isinstance(line, str) and shell_syntax(line)):
            problems += _program_problems(f"{key}.{name}", words, plain_words(line), folder)
            problems += _glob_problems(f"{key}.{name}", line, folder)
    return [*problems, *_watch_problems(key, command, folder)]


def lines_of(command: Command) -> dict[str, list[Word]]:
    """The lines and paths of a command that have placeholders, by key; without torn ones."""
    lines: dict[str, Line | None] = {
        "command": command.command,
        "resume": command.resume,
        "config_command": command.config_command,
    }
    read = command.read.file if isinstance(command.read, FileRead) else None
    paths = {"samples": command.samples, "checkpoint": command.checkpoint, "read.file": read}
    words: dict[str, list[Word]] = {}
    for key, line in lines.items():
        try:
            words[key] = words_of(line or ())
        except TemplateError:
            continue
    for key, path in paths.items():
        try:
            words[key] = [parts_of(path or "")]
        except TemplateError:
            continue
    return words


def _line_problems(key: str, line: Line) -> Iterator[Problem]:
    if isinstance(line, str) and (told := shell_syntax(line)):
        yield Problem(key, f"{told}, but no shell reads it", line_text(line), fix=_NO_SHELL)
        return
    try:
        words = words_of(line)
    except TemplateError as error:
        yield Problem(key, str(error), line_text(line), fix=error.fix)
        return
    if not words or not words[0]:
        yield Problem(key, "is empty", fix="write the command that trains: python train.py ...")
        return
    if any(word == ("--multirun",) for word in words):
        yield Problem(key, "would start many runs as one", "--multirun",
                      fix="drop it: Ablate makes a run of each cell and seed")  # fmt: skip


def shell_syntax(text: str) -> str:
    """What of a text only a shell understands; empty if nothing."""
    quote, before = "", " "
    for position, char in enumerate(text):
        is_escaped = before == "\\" and quote != "'"
        if is_escaped:
            before = " "
            continue
        if quote != "'" and _VARIABLE.match(text, position):
            return f"has {text[position : position + 12].split()[0]!r}, which a shell would fill in"
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "|&;<>":
            return f"has the operator {char!r} of a shell"
        elif before.isspace() and text.startswith("~/", position):
            return "has '~/', which a shell would fill in"
        before = char
    return ""


def _program_problems(
    key: str, words: list[Word], plain: list[str], folder: Path
) -> Iterator[Problem]:
    """That the program, or the script that it is given, is not there."""
    first = plain[0]
    if _ASSIGNMENT.match(first):
        yield Problem(key, "sets a variable, as a shell does", first,
                      fix=f"write env in front: env {first} ...")  # fmt: skip
    elif not any(isinstance(part, Placeholder) for part in words[0]):
        is_path = os.sep in first
        found = shutil.which(str(folder / first) if is_path else first, path=search_path())
        if found is None:
            is_there = is_path and os.path.isfile(folder / first)
            told = "cannot be executed" if is_there else "is not there"
            fix = f"chmod +x {first}" if is_there else "install it, or activate its environment"
            if first.startswith("py"):
                fix = "write {python}, the interpreter that Ablate runs with"
            yield Problem(key, f"the program {told}", first, fix=fix)
    if shell_script(words) is not None:
        return
    if words[0] == (Placeholder("python"),) and plain[1:2] == ["-m"] and len(plain) > 2:
        yield from _module_problems(key, plain[2], folder)
    script = next((word for word in plain[1:] if word.endswith(".py") and word[0] != "-"), None)
    if script and "{" not in script and not os.path.isfile(folder / script):
        there = tuple(sorted(path.name for path in folder.glob("*.py")))
        yield Problem(key, f"there is no such file in {folder}", script, there)


def _module_problems(key: str, name: str, folder: Path) -> Iterator[Problem]:
    """That `{python} -m name` will find no such module, beside the study or installed."""
    if "{" in name or any(module_files(name, folder)):
        return
    try:
        found = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    places = [] if found is None else [*(found.submodule_search_locations or ()), found.origin]
    if all(place and Path(place).is_relative_to(folder) for place in places):
        yield Problem(key, f"there is no such module in {folder}, nor installed", name,
                      fix="correct it, or start in the folder that holds it")  # fmt: skip


def _glob_problems(key: str, line: Line, folder: Path) -> Iterator[Problem]:
    """Patterns of files that are there: a shell would write their names in the pattern's place."""
    words = shlex.split(line, posix=False) if isinstance(line, str) else []
    for word in words:
        if (
            not re.search(r"""['"\\{]""", word)
            and glob.has_magic(word)
            and glob.glob(word, root_dir=folder)
        ):
            yield Problem(key, "is a pattern of files, but no shell fills it in", word,
                          fix=_NO_SHELL)  # fmt: skip


def _seed_problems(key: str, command: Command) -> Iterator[Problem]:
    words = lines_of(command).get("command")
    if words and not {"seed", "config", "overrides"} & set(names_in(words)):
        yield Problem(f"{key}.command", "does not pass on the seed, so all seeds would train the "
                      "same thing", line_text(command.command),
                      fix="write {seed}, {overrides} or {config} in it")  # fmt: skip


def _resume_problems(key: str, command: Command) -> Iterator[Problem]:
    for name, words in lines_of(command).items():
        wrong = [n for n in names_in(words) if n in RESUME_NAMES and name != "resume"]
        for placeholder in wrong:
            yield Problem(f"{key}.{name}", f"{{{placeholder}}} is known where a run resumes, and "
                          "only there", placeholder, fix=f"move it to {key}.resume")  # fmt: skip
    if command.resume is None:
        return
    try:
        names = names_in(words_of(command.resume))
    except TemplateError as error:
        yield Problem(f"{key}.resume", str(error), line_text(command.resume), fix=error.fix)
        return
    if "latest" not in names:
        yield Problem(f"{key}.resume", "does not say from which file", line_text(command.resume),
                      fix="write {latest} in it: --resume {latest}")  # fmt: skip


def _shared_file_problems(key: str, command: Command) -> Iterator[Problem]:
    """Files of which the script is not told where a run's own are: all runs would write one."""
    lines = lines_of(command)
    told = set(names_in(lines.get("command", [])))
    if command.style == "hydra" or "command" not in lines or told & {*RUN_NAMES, "config"}:
        return
    for name in ("read.file", "samples", "checkpoint"):
        [word] = lines.get(name) or [()]
        is_relative = bool(word) and not str(word[0]).startswith(_ELSEWHERE)
        if is_relative and not set(names_in([word])) - RUN_NAMES:
            yield Problem(f"{key}.{name}", "would be the same file for all runs: the command does "
                          "not say where a run's are", _text_of(word),
                          fix="pass {run_dir} to the script: --out {run_dir}")  # fmt: skip


def _text_of(word: Word) -> str:
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in word)


def _path_problems(key: str, path: str | None) -> Iterator[Problem]:
    """That a pattern of paths names no file, or the same one for all runs."""
    if path is None:
        return
    try:
        parts = parts_of(path)
    except TemplateError as error:
        yield Problem(key, str(error), path, fix=error.fix)
        return
    if not path.strip() or path.endswith(("/", "**", "/..", "/.")):
        yield Problem(key, "names no file", path, fix="write a pattern of files: {run_dir}/*.pt")
    elif "\0" in path:
        yield Problem(key, "contains a NUL, which no path can", path, fix="drop it")
    elif unset := [name for name in VARIABLE.findall(path) if name not in os.environ]:
        yield Problem(key, f"{some(unset)} is not set in the environment", path,
                      fix="set it before the command, or write the path in full")  # fmt: skip
    elif path.startswith(_ELSEWHERE) and not RUN_NAMES & set(names_in([parts])):
        yield Problem(key, "is the same for all runs", path,
                      fix="write {run_dir} in front, and pass {run_dir} to the script")  # fmt: skip


def _pattern_problems(key: str, pattern: str) -> Iterator[Problem]:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        yield Problem(key, f"is not a regular expression: {error}", pattern)
        return
    if groups != 1:
        yield Problem(key, f"has {groups} groups, and the value is that of one", pattern,
                      fix="put ( ) around the number, and (?: ) around other parts")  # fmt: skip


def _watch_problems(key: str, command: Command, folder: Path) -> Iterator[Problem]:
    for index, pattern in enumerate(command.watch):
        if not pattern or os.path.isabs(pattern) or ".." in Path(pattern).parts or "\0" in pattern:
            yield Problem(f"{key}.watch[{index}]", "is no pattern below the script's folder",
                          pattern, fix="write it relative: conf/**")  # fmt: skip
        elif not watched_files(pattern, folder):
            yield Problem(f"{key}.watch[{index}]", f"matches no file in {folder}", pattern,
                          fix="correct or drop it")  # fmt: skip


def own_names(key: str) -> tuple[str, ...]:
    """The placeholders that a line may have beside keys of the config."""
    return (*OWN_NAMES, *(RESUME_NAMES if key == "resume" else ()))
