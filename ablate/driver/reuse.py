"""`--reuse`: takes runs from other studies of the storage that have finished them.

Ids are hashes of what is trained, so on the CPU equal ids are equal results, to the bit, as long as
code, data and packages are the same: runs of others are taken only where all of these are known to
be those of today, and their files are what their rows say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ablate.driver.code_changes import outdated_runs
from ablate.errors import AblateError, reason_of
from ablate.images.logged import copy_images
from ablate.ledger.elsewhere import OtherStudy, finished_in, studies_beside
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger, summary
from ablate.ledger.provenance import version_in, versions
from ablate.ledger.seals import UnsealedFileError, copied_files
from ablate.plan.plan import Plan, Run
from ablate.plan.reconcile import Remaining
from ablate.run_row import COLUMNS, RunRow, RunRows
from ablate.samples.files import copy_samples
from ablate.spec.load import last_study
from ablate.spec.models import Study
from ablate.spec.question import Question
from ablate.study_dir import StudyPaths
from ablate.text import num_runs, printable, some

Facts = Mapping[str, Mapping[str, Any]]
"""What the trainable's data check returned, by run id."""
_PACKAGES = ("numpy", "scikit-learn", "torch")
"""Those whose version decides the bits of results."""


class _Misfit(StrEnum):
    """Why a finished run of the same id may have another result than today's would."""

    CODE = "made with other training code"
    DATA = "made with other data"
    PACKAGES = "made with other versions of packages"
    WARNED = "trained under a warning"
    METRIC = "without the study's metric"


@dataclass(frozen=True)
class Offers:
    """What other studies have of the runs that are to do."""

    studies: Sequence[OtherStudy]
    """With the runs that may be taken from them, each from one alone."""
    refused: Mapping[_Misfit, Sequence[str]]
    """Names of runs that none of them can give, with the reason."""
    num_todo: int

    @property
    def num_runs(self) -> int:
        """How many runs may be taken."""
        return sum(len(study.rows) for study in self.studies)

    def note(self, is_asked: bool = False) -> str:
        """`4 of 12 runs to do are finished in study flows: --reuse takes them`.

        Args:
            is_asked: Whether the command has `--reuse` already: `they are taken`.
        """
        if not self.num_runs:
            return ""
        names = [printable(study.name) for study in self.studies]
        counted = [f"{name} ({len(s.rows)})" for name, s in zip(names, self.studies, strict=True)]
        where = f"study {names[0]}" if len(names) == 1 else f"studies {some(counted)}"
        is_one = self.num_runs == 1
        verb, taken = ("is", "it is taken") if is_one else ("are", "they are taken")
        offer = f"--reuse takes {'it' if is_one else 'them'}"
        what = f"{self.num_runs} of {num_runs(self.num_todo)} to do {verb} finished in {where}"
        return f"{what}: {taken if is_asked else offer}"


def offers_of(plan: Plan, todo: Sequence[Run], facts: Facts) -> Offers:
    """What other studies of the storage have of the runs that are to do.

    Args:
        plan: The plan.
        todo: The runs.
        facts: Fingerprints of today's data.
    """
    left = {} if plan.is_smoke else {run.run_id: run for run in todo}
    fitting: list[OtherStudy] = []
    why: dict[str, _Misfit] = {}
    for paths in studies_beside(StudyPaths(plan.study.directory)) if left else ():
        other = finished_in(paths, left.keys())
        if not other.rows:
            continue
        misfits = _misfits(plan, other, facts)
        why.update(misfits)
        rows = RunRows({i: row for i, row in other.rows.items() if i not in misfits})
        left = {run_id: run for run_id, run in left.items() if run_id not in rows}
        if rows:
            fitting.append(OtherStudy(paths, rows))
    refused: dict[_Misfit, list[str]] = {}
    for run_id, misfit in why.items():
        if run_id in left:
            refused.setdefault(misfit, []).append(left[run_id].run_name)
    return Offers(fitting, refused, len(todo))


def take_finished(
    plan: Plan, remaining: Remaining, facts: Facts, ledger: Ledger
) -> tuple[Remaining, list[str]]:
    """Takes what other studies have finished into the ledger.

    Args:
        plan: The plan.
        remaining: What is left of it to do.
        facts: Fingerprints of today's data.
        ledger: The study's record, open for writing.

    Returns:
        What then remains, and notes on what was taken and what was not.
    """
    offers = offers_of(plan, remaining.todo, facts)
    taken: list[str] = []
    notes: list[str] = []
    for other in offers.studies:
        lost = dict(_take_all(plan, other, ledger))
        here = [run_id for run_id in other.rows if run_id not in lost]
        taken += here
        name = printable(other.name)
        if here:
            notes.append(f"{num_runs(len(here))} taken from study {name}")
        if lost:
            why = [f"{plan.by_id[run_id].run_name}: {loss}" for run_id, loss in lost.items()]
            told = some(why, between="; ")
            notes.append(f"{num_runs(len(lost))} of study {name} not taken: {told}")
    notes += [
        f"{num_runs(len(names))} of other studies not taken: {misfit} ({some(names)})"
        for misfit, names in offers.refused.items()
    ]
    return remaining.without(taken), notes


def _misfits(plan: Plan, other: OtherStudy, facts: Facts) -> dict[str, _Misfit]:
    """Runs of another study that may not be taken."""
    outdated, today = outdated_runs(plan, other.rows), versions()
    found = {
        run_id: _misfit(plan, row, facts.get(run_id, {}), run_id in outdated, today)
        for run_id, row in other.rows.items()
    }
    return {run_id: misfit for run_id, misfit in found.items() if misfit is not None}


def _misfit(
    plan: Plan, row: RunRow, facts: Mapping[str, Any], is_outdated: bool, today: str
) -> _Misfit | None:
    was = row.versions or ""
    is_so = {
        _Misfit.CODE: is_outdated or not (row.code_files or row.code_hash),
        _Misfit.DATA: facts.get("data_fingerprint") != row.data_fingerprint
        or bool(row.stats_mismatch),
        _Misfit.PACKAGES: any(version_in(was, n) != version_in(today, n) for n in _PACKAGES),
        _Misfit.WARNED: bool(row.warnings),
        _Misfit.METRIC: row.measured(plan.study.metric) is None,
    }
    return next((misfit for misfit, holds in is_so.items() if holds), None)


def _take_all(plan: Plan, other: OtherStudy, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Takes runs of another study; gives those that cannot be taken, and why."""
    was = last_study(other.paths)
    for run_id, row in other.rows.items():
        if was is None:
            yield run_id, f"{other.paths.study_yaml.name} cannot be read"
            continue
        try:
            _take(plan, plan.by_id[run_id], other, was, row, ledger)
        except (AblateError, UnsealedFileError) as error:
            yield run_id, str(error)
        except OSError as error:
            yield run_id, reason_of(error)


def _take(plan: Plan, run: Run, other: OtherStudy, was: Study, row: RunRow, ledger: Ledger) -> None:
    paths = StudyPaths(plan.study.directory)
    metrics = _metrics(plan, other, was, row)
    own: dict[str, Any] = {}
    if row.checkpoint:
        own["checkpoint"] = str(paths.best(run.run_name))
    with copied_files(other.paths, row, paths, run.run_name):
        if run.run_id in ledger.rows:
            ledger.reset(run.run_id)  # what was begun here no longer counts
            own["restarted_in"] = paths.next_launch
        else:
            own["planned_in"] = paths.next_launch
        ledger.add(run.run_id, run_name=run.run_name, seed=run.seed, **own)
    copy_samples(other.paths, row.run_name, paths, run.run_name)
    copy_images(other.paths.run(row.run_name), paths.run(run.run_name))
    ledger.patch(
        run.run_id,
        **metrics,
        **{
            **row.elsewhere(),
            "reused_from": row.reused_from or other.name,
            "reused_at": datetime.now(UTC),
        },
    )


def _metrics(plan: Plan, other: OtherStudy, was: Study, row: RunRow) -> dict[str, float]:
    """Its results as this study's own runs have them.

    What Ablate summarised for the other study's metric is summarised for this one's; what the
    trainable measured itself stays as it is.
    """
    factors = {name for block in Question.of(was).blocks for name in block}
    points = History(other.paths).read(row.run_id)
    theirs = row.metrics(factors)
    choice = replace(plan, study=was).choice
    made = RunRow(summary(points, was.metric, was.mode, choice)).metrics(factors)
    if made.items() <= theirs.items():
        rest = {name: value for name, value in theirs.items() if name not in made}
        theirs = {**rest, **summary(points, plan.study.metric, plan.study.mode, plan.choice)}
    return {n: v for n, v in theirs.items() if n not in COLUMNS and n not in plan.factors}
