"""A study that asks something else than the results in its directory answer does not start."""

import itertools
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ablate.analysis.kept_analysis import num_results
from ablate.analysis.records import direction
from ablate.errors import AnotherQuestionError
from ablate.launch.base import Options
from ablate.run_row import RunRows
from ablate.spec.load import last_study
from ablate.spec.models import Study
from ablate.spec.question import Question, QuestionPart
from ablate.study_dir import StudyPaths, as_seen_from_here, file_name, free
from ablate.text import printable

_WIDTHS = (10, 32, 32)
"""Columns of the two questions side by side, which fit into 80 characters."""


def check_question(study: Study, rows: RunRows, options: Options) -> None:
    """Stops where a study asks another question than its directory has results of.

    Args:
        study: As it is to be run.
        rows: The rows of its directory's ledger.
        options: Whether it starts over, or goes on in any case.

    Raises:
        AnotherQuestionError: With both questions, and the ways to go on.
    """
    found = num_results(rows)
    if options.fresh or options.same_study or not found:
        return
    before = last_study(StudyPaths(study.directory))
    if before is None:
        return
    was, now = Question.of(before), Question.of(study)
    differing = was.differences(now)
    if differing:
        raise AnotherQuestionError(_refusal(study, was, now, differing, found))


def keep_earlier_report(study: Study, paths: StudyPaths) -> Path | None:
    """Moves a report that answers another question than the study's out of the way.

    What stands in `report` is of the question in `study.yaml`, which is about to be replaced.

    Args:
        study: As it is to be run.
        paths: Its directory.

    Returns:
        Where the earlier report is now; None where it stays.
    """
    index = paths.report / "index.html"
    before = last_study(paths) if index.is_file() else None
    if before is None:
        return None
    was = Question.of(before)
    if not was.differences(Question.of(study)):
        return None
    made = datetime.fromtimestamp(index.stat().st_mtime, UTC)
    place = free(paths.earlier_reports / f"{made:%Y-%m-%dT%H-%M-%SZ}-{file_name(was.metric)}")
    place.mkdir(parents=True)
    for path in list(paths.report.iterdir()):
        if path != paths.earlier_reports:
            path.rename(place / path.name)
    return place


def _refusal(
    study: Study, was: Question, now: Question, differing: Sequence[QuestionPart], found: int
) -> str:
    others = f"other {', '.join(differing)}"
    place = as_seen_from_here(study.directory)
    return "\n".join([
        f"{study.study}: this is another question ({others}) than that of the results in {place}",
        "",
        *_side_by_side(was, now, found),
        "",
        "  ways on:",
        "    study: NAME    in the YAML, or --set study=NAME: a study beside it",
        "    --fresh        starts over here; the old directory is renamed and kept",
        "    --same-study   goes on here: verdicts that rest on what is changed are",
        "                   exploratory, the report so far is kept in report/earlier",
    ])  # fmt: skip


def _side_by_side(was: Question, now: Question, found: int) -> list[str]:
    rows = [
        ("", "there", "now"),
        *zip(("question", "metric", "factors"), _told(was), _told(now), strict=True),
        ("results", str(found), "-"),
    ]
    return [line for row in rows for line in _wrapped(row)]


def _told(question: Question) -> tuple[str, str, str]:
    """A question for people: its text, its metric, its factors."""
    factors = [
        f"{printable(name)}: {', '.join(levels)}"
        for levels_of in question.blocks
        for name, levels in levels_of.items()
    ]
    metric = f"{printable(question.metric)} ({direction(question.mode)})"
    return printable(question.text) or "-", metric, "\n".join(factors) or "-"


def _wrapped(row: Sequence[str]) -> list[str]:
    """A row of texts, each within its column."""
    columns = [
        [line for part in words.split("\n") for line in textwrap.wrap(part, width) or [""]]
        for words, width in zip(row, _WIDTHS, strict=True)
    ]
    lines = itertools.zip_longest(*columns, fillvalue="")
    return [
        "  "
        + "  ".join(f"{part:<{width}}" for part, width in zip(line, _WIDTHS, strict=True)).rstrip()
        for line in lines
    ]
