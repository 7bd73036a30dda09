"""The analysis of a study as it was fixed, and what became of it: `analysis.json`.

Whoever looks at results and then chooses a margin, a baseline or a metric explores; who chose
before, confirms. Which of the two a verdict does is only known where the choices are kept.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ablate.analysis.background import code_versions
from ablate.ledger.provenance import version_in
from ablate.plan.analysis_changes import Change, Deviation, changes_text, differences
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.plan.plan import Plan
from ablate.run_row import RunRows, Status
from ablate.study_dir import StudyPaths, write_atomically


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FixedBy(StrEnum):
    """What made an analysis the one that later ones are compared with."""

    COMMAND = "ablate freeze"
    REPLICATE = "the first whole replicate"
    """One seed of every cell, ended well and under one code."""
    RESULTS = "results that were there before it was kept"
    """What it was before those is not known."""


class Version(_Frozen):
    """An analysis, from when on it was that of the study."""

    analysis: AnalysisPlan
    num_results: Annotated[int, Field(ge=0)]
    """Runs that had ended well by then."""
    at: datetime


class KeptAnalysis(_Frozen):
    """The versions of a study's analysis, and which of them was fixed."""

    versions: Annotated[tuple[Version, ...], Field(min_length=1)]
    """In order; the last one is today's."""
    fixed: Annotated[int, Field(ge=0)] | None = None
    """The position of the one that was fixed; None as long as there is none."""
    fixed_by: FixedBy | None = None
    unknown: str = ""
    """Why it is not known what the analysis was before the results, where it is not."""

    @model_validator(mode="after")
    def _fixed_is_a_version(self) -> Self:
        if self.fixed is not None and self.fixed >= len(self.versions):
            raise ValueError("the fixed version is not there")
        return self

    @property
    def base(self) -> Version:
        """The version that was fixed; as long as there is none, today's."""
        return self.versions[-1 if self.fixed is None else self.fixed]

    @property
    def deviations(self) -> list[Deviation]:
        """How today's version differs from the fixed one; each since it last came to be so."""
        since: dict[Change, int] = {}
        for version in self.versions[self.fixed :] if self.fixed is not None else ():
            changes = differences(self.base.analysis, version.analysis)
            since = {change: since.get(change, version.num_results) for change in changes}
        return [Deviation(change, num_results) for change, num_results in since.items()]

    @property
    def log(self) -> list[str]:
        """Every change since the first version, also those that were taken back, for people."""
        told: list[str] = []
        for before, after in zip(self.versions, self.versions[1:], strict=False):
            changes = differences(before.analysis, after.analysis)
            lines = changes_text(changes, after.num_results)
            told += [f"{after.at:%Y-%m-%d %H:%M} UTC: {line}" for line in lines]
        return told

    def with_version(self, analysis: AnalysisPlan, num_results: int) -> Self:
        """With another analysis from now on; itself where that says the same."""
        last = self.versions[-1]
        if not differences(last.analysis, analysis):
            return self
        num_results = max(num_results, last.num_results)  # what was seen stays seen
        version = Version(analysis=analysis, num_results=num_results, at=datetime.now(UTC))
        is_draft = self.fixed is None and num_results == 0  # nobody has seen anything
        kept = self.versions[:-1] if is_draft else self.versions
        return self.model_copy(update={"versions": (*kept, version)})

    def fixed_now(self, by: FixedBy) -> Self:
        """With its last version as the fixed one, where none was before."""
        if self.fixed is not None:
            return self
        return self.model_copy(update={"fixed": len(self.versions) - 1, "fixed_by": by})


def analysis_today(plan: Plan, rows: RunRows) -> KeptAnalysis:
    """What is known of a study's analysis, with that of today; nothing is written.

    Args:
        plan: The study as it is to be analysed now.
        rows: The ledger's rows by run id.
    """
    kept, unknown = _read(StudyPaths(plan.study.directory))
    analysis, num = AnalysisPlan.of(plan), num_results(rows)
    if kept is None:
        first = Version(analysis=analysis, num_results=num, at=datetime.now(UTC))
        kept = KeptAnalysis(versions=(first,))
        made_here = [row for row in rows.values() if row.reused_from is None]
        if any(row.started_at or row.status is Status.OK for row in made_here):
            unknown = unknown or f"made by {_versions(rows)}"
            return kept.model_copy(update={"unknown": unknown}).fixed_now(FixedBy.RESULTS)
    if kept.fixed is None and has_whole_replicate(plan, rows):
        kept = kept.fixed_now(FixedBy.REPLICATE)  # before what is changed now
    return kept.with_version(analysis, num)


def keep_analysis(plan: Plan, rows: RunRows) -> KeptAnalysis:
    """As `analysis_today`, and keeps it."""
    paths = StudyPaths(plan.study.directory)
    kept = analysis_today(plan, rows)
    if kept != _read(paths)[0]:
        write_analysis(kept, paths)
    return kept


def write_analysis(kept: KeptAnalysis, paths: StudyPaths) -> None:
    """Keeps it; a file that cannot be read is put aside."""
    if _read(paths)[1]:
        paths.analysis.replace(paths.analysis.with_suffix(".damaged"))
    write_atomically(paths.analysis, kept.model_dump_json(indent=1))


def num_results(rows: RunRows) -> int:
    """Runs that have ended well, also those that are no longer planned."""
    return sum(row.status is Status.OK for row in rows.values())


def has_whole_replicate(plan: Plan, rows: RunRows) -> bool:
    """Whether some seed has ended well in every cell, all under one version of the code."""
    return any(is_whole(plan, rows, seed) for seed in plan.seeds)


def is_whole(plan: Plan, rows: RunRows, seed: int) -> bool:
    """Whether a seed has ended well in every cell, all under one version of the code."""
    runs = [plan.runs_of.get(cell.index, {}).get(seed) for cell in plan.cells]
    ids = [run.run_id for run in runs if run is not None]
    if len(ids) < len(runs):
        return False
    if not all(rows.status(run_id) is Status.OK for run_id in ids):
        return False
    return code_versions([rows[run_id] for run_id in ids])[0] < 2


def _read(paths: StudyPaths) -> tuple[KeptAnalysis | None, str]:
    """What is kept, None where nothing is; and what is wrong with the file."""
    if not paths.analysis.exists():
        return None, ""
    try:
        return KeptAnalysis.model_validate_json(paths.analysis.read_bytes()), ""
    except ValueError:
        return None, f"{paths.analysis.name} was damaged"


def _versions(rows: RunRows) -> str:
    """`ablate 0.1.0`: what the runs there are were made by."""
    made = {row.versions for row in rows.values() if row.started_at}
    known = sorted({version_in(versions, "ablate") for versions in made if versions} - {""})
    return " and ".join(f"ablate {version}" for version in known) or "an unknown version"
