"""YAML -> study: reads, overrides, validates, and reports every mistake at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate.dotted import MAX_DEPTH, blocking_key, is_too_deep, with_key
from ablate.errors import InputError, Problem, reason_of
from ablate.spec.checks import path_problems, storage_problems, study_problems
from ablate.spec.command_checks import missing_files
from ablate.spec.models import Study
from ablate.spec.no_file import no_file, studies_in
from ablate.spec.pydantic_problems import Path as KeyPath
from ablate.spec.pydantic_problems import problems_of
from ablate.spec.ready import SUFFIXES, study_file
from ablate.spec.source import Source
from ablate.spec.study_metrics import read_kept_metrics
from ablate.spec.yaml12 import MAX_LENGTH, dump_yaml, parse_yaml
from ablate.spec.yaml_words import spacing_fix
from ablate.study_dir import StudyPaths, kept_mapping, write_atomically
from ablate.study_format import check_format
from ablate.text import storable
from ablate.trainable.contract import MetricSpec

DOTTED = ("factors", "baseline")
"""Top-level mappings whose keys are themselves dotted names."""


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Reads and checks a study file.

    Args:
        path: The YAML file, or the name of a study that comes with Ablate, see `ablate.spec.ready`.
        overrides: `key=value` each, as if written in the YAML; values are parsed as YAML.

    Returns:
        The study, frozen, with defaults filled in.

    Raises:
        InputError: With all mistakes of the file and the overrides at once.
    """
    file = study_file(Path(path))
    try:
        text = _text_of(file)
    except OSError as error:
        raise InputError(str(path), [no_file(file, error, overrides)]) from error
    return read_study(parse_yaml(text, str(file)), str(file), overrides, text=text)


def read_study(
    raw: Any,
    source: str,
    overrides: Sequence[str] = (),
    has_place: bool = False,
    text: str = "",
    metrics: Mapping[str, Any] | None = None,
) -> Study:
    """Checks a study given as plain values.

    Args:
        raw: A mapping, as in the YAML.
        source: What errors call it.
        overrides: As in `load_study`.
        has_place: Whether it already has a directory, which may be read-only.
        text: The YAML that it was read from, where there is one: errors then name lines.
        metrics: Its further metrics, where it has been run: their code is then not asked.

    Raises:
        InputError: With all mistakes at once.
    """
    if not isinstance(raw, Mapping):
        what = "is empty" if raw is None else f"holds a {type(raw).__name__}, not a mapping"
        fix = spacing_fix(raw) or "see the README for a study"
        raise InputError(source, [Problem("the file", what, fix=fix)])
    origin = Source(source, text, tuple(overrides))
    odd = [key for key in raw if not isinstance(key, str) or storable(key) != key]
    words = {key: value for key, value in raw.items() if key not in odd}
    values, problems = _overridden(words, overrides)
    values = {key: value for key, value in values.items() if value is not None}
    problems += [Problem(str(key), "is not a key of a study: keys are strings", key)
                 for key in odd]  # fmt: skip
    deep = [key for key, value in values.items() if is_too_deep(value)]
    problems += [Problem(key, f"is nested more than {MAX_DEPTH} deep") for key in deep]
    values = {key: value for key, value in values.items() if key not in deep}
    study, wrong = _validate(values)
    problems += wrong
    if study is not None:
        study = study.with_metrics(metrics or {})
        reported_keys = {problem.key for problem in problems}
        here = [] if has_place else [*storage_problems(study), *missing_files(study)]
        more = [*here, *study_problems(study, is_kept=has_place)]
        problems += [problem for problem in more if problem.key not in reported_keys]
    if problems:
        raise origin.refusal(problems)
    assert study is not None
    placed = {"folder": study.folder or str(Path.cwd()), **_mode(study)}
    return study.model_copy(update=placed).read_from(origin)


def save_study(study: Study, paths: StudyPaths) -> None:
    """Writes the study, resolved, to its directory."""
    paths.root.mkdir(parents=True, exist_ok=True)
    # Not given for another metric.
    is_its_own = _is_its_own(study)
    write_atomically(
        paths.study_yaml, dump_yaml(study.model_dump(exclude={"mode"} if is_its_own else None))
    )


def load_saved_study(directory: Path, overrides: Sequence[str] = ()) -> Study:
    """The study of a study directory, which may have been moved.

    Raises:
        InputError: If the directory holds no study.
    """
    root = directory.resolve()
    unusable = path_problems("STUDY_DIR", root)
    if unusable:
        raise InputError("command line", unusable)
    paths = StudyPaths(root)
    if not paths.study_yaml.is_file():
        raise InputError("command line", [_no_study(directory)])
    check_format(paths)
    raw, text = read_saved(paths.study_yaml)
    # Its place and name are those of the directory.
    raw = {**raw, "storage": str(root.parent), "study": "study"}
    metrics = read_kept_metrics(paths)
    study = read_study(
        raw, str(paths.study_yaml), overrides, has_place=True, text=text, metrics=metrics
    )
    study = study.model_copy(update={"storage": str(root.parent), "study": root.name})
    return study.resolved_as(_resolved(paths))


def last_study(paths: StudyPaths) -> Study | None:
    """The study that a directory was last run as, unchecked: it may no longer be valid.

    Returns:
        The study; None where there is none, or none that can be read.
    """
    try:
        raw, _ = read_saved(paths.study_yaml)
        study = Study.model_validate({**raw, "study": "study"})
    except (InputError, ValidationError):
        return None
    study = study.with_metrics(read_kept_metrics(paths))
    return study.model_copy(update={"study": paths.root.name, **_mode(study)})


def _resolved(paths: StudyPaths) -> dict[str, Any]:
    """What `config_command` said when the study was last run."""
    return kept_mapping(paths.resolved_configs)


def _no_study(directory: Path) -> Problem:
    """What is wrong with the path of a study directory."""
    fix = "give the directory under 'storage' that has the study's name"
    if directory.suffix in SUFFIXES:
        fix = f"give a YAML file without --resume; {fix}"
    there = [str(study) for storage in dict.fromkeys((directory.parent, directory))
             for study in studies_in(storage)]  # fmt: skip
    message = "is not a study directory (no study.yaml)"
    return Problem("STUDY_DIR", message, str(directory), tuple(there), fix)


def read_saved(path: Path) -> tuple[Any, str]:
    """A study that was written here, and its YAML; if damaged, the error says how to restore it."""
    fix = "run the study's own YAML again: that rewrites this file, and finished runs are kept"
    try:
        text = _text_of(path)
        raw = parse_yaml(text, str(path))
    except InputError as error:
        problems = [replace(problem, fix=fix) for problem in error.problems]
        raise InputError(str(path), problems) from error
    except OSError as error:
        problem = Problem("the file", f"cannot be read: {reason_of(error)}", fix=fix)
        raise InputError(str(path), [problem]) from error
    if not isinstance(raw, Mapping):
        raise InputError(str(path), [Problem("the file", "holds no study: it is damaged", fix=fix)])
    return raw, text


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            read = file.read(4 * MAX_LENGTH + 1)  # it may never end
        return read.decode("utf-8", "ignore" if len(read) > 4 * MAX_LENGTH else "strict")
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), [Problem("the file", "is not UTF-8 text", fix="save it as UTF-8")]
        ) from error


def _validate(values: dict[str, Any]) -> tuple[Study | None, list[Problem]]:
    """The study and its problems; wrong fields are left out, so that the rest can be checked."""
    try:
        return Study.model_validate(values), []
    except ValidationError as error:
        problems = problems_of(error, Study, _place)
        wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    rest = {key: value for key, value in values.items() if key not in wrong}
    fill: dict[str, Any] = {"study": "study", "metric": "?", "seeds": [0]}
    if "trainable" in wrong:  # a command takes any key and metric
        fill["trainable"] = {"command": ["{python}", "{overrides}"]}
    study = Study.model_validate({**{k: v for k, v in fill.items() if k not in rest}, **rest})
    if "metric" in wrong:
        study = study.model_copy(update={"metric": _any_metric(study)})
    return study, problems


def _any_metric(study: Study) -> str:
    """A stand-in for a missing metric, so that it is not reported twice."""
    return next(iter(_metrics_of(study)), "?")


def _mode(study: Study) -> dict[str, str]:
    """The metric's own direction, if the study does not give one."""
    metrics = _metrics_of(study)
    if "mode" in study.model_fields_set or study.metric not in metrics:
        return {}
    if not metrics[study.metric].ranks:
        return {}
    return {"mode": metrics[study.metric].mode}


def _metrics_of(study: Study) -> Mapping[str, MetricSpec]:
    from ablate.spec.trainables import find_trainables

    trainables = find_trainables(study)
    return {} if isinstance(trainables, list) else trainables.model.metrics


def _is_its_own(study: Study) -> bool:
    """Whether the direction is that which the study's trainables declare of its metric."""
    from ablate.spec.trainables import find_trainables

    undirected = study.model_copy()
    undirected.model_fields_set.discard("mode")
    trainables = find_trainables(undirected)
    if isinstance(trainables, list) or trainables.model.modes(study.metric) != frozenset(
        {study.mode}
    ):
        return False
    return trainables.model.metric(study.metric).ranks or "mode" not in study.model_fields_set


def _place(path: KeyPath) -> str:
    first, *rest = path or ("the file",)
    return str(first) + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in rest)


def _overridden(
    values: dict[str, Any], overrides: Sequence[str]
) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    for override in overrides:
        key, equals, written = override.partition("=")
        if not equals or not key:
            fix = "write --set key=value, for example --set base.epochs=5"
            problems.append(Problem("--set", "is not key=value", override, fix=fix))
            continue
        try:
            value = parse_yaml(written, f"--set {key}")
        except InputError as error:
            problems += [Problem(f"--set {key}", p.message, written) for p in error.problems]
            continue
        top, _, rest = key.partition(".")
        if rest and not isinstance(values.get(top), Mapping | None):
            problems.append(Problem(f"--set {key}", f"{top} is not a mapping", values[top],
                                    fix=f"write --set {top}=value"))  # fmt: skip
        elif not all(key.split(".")) or key.count(".") > MAX_DEPTH:
            problems.append(Problem("--set", "is not the dotted name of a key", key,
                                    fix="write --set base.epochs=5, say"))  # fmt: skip
        elif rest and top in DOTTED:
            values[top] = {**(values.get(top) or {}), rest: value}
        elif above := blocking_key(values, key):
            problems.append(Problem(f"--set {key}", f"{above} is not a mapping",
                                    fix=f"write --set {above}=value"))  # fmt: skip
        else:
            values = with_key(values, key, value)
    return values, problems
