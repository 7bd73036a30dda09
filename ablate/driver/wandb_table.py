"""The ablation table in W&B: one run of `job_type: ablation-table` beside the study's runs."""

from ablate.analysis.records import StudyRecord
from ablate.identity import content_id
from ablate.report.tables import tables_of
from ablate.report.text_table import TextTable
from ablate.report.words import answers
from ablate.spec.models import Study
from ablate.spec.tracking import MAX_WANDB_NAME
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.messages import TABLE_JOB_TYPE, named
from ablate.tracking.wandb.protocol import Complete, End, Start, Table
from ablate.tracking.wandb.settings import command_line


def table_message(record: StudyRecord, study: Study, paths: StudyPaths) -> Complete:
    """A report's tables and page for W&B; a study that goes on logs them again in the same run.

    Args:
        record: The report.
        study: The study, for its name and tags.
        paths: The study directory.
    """
    tables = {_key(n, table): _content(table) for n, table in enumerate(tables_of(record))}
    summary = {"answer": "\n".join(answers(record)), "missing runs": len(record.missing)}
    page = paths.report / "index.html"
    start = _beginning(record, study, paths)
    end = End(
        wandb_id=start.wandb_id,
        summary=summary,
        failed=False,
        exit_code=0,
        content=content_id([{name: vars(table) for name, table in tables.items()}, summary]),
        tables=tables,
        page=str(page) if page.exists() else None,
    )
    return Complete(start=start, end=end, num_rows=1)


def table_id(paths: StudyPaths) -> str:
    """W&B's id of the table's run."""
    return content_id([paths.uid.read_text("utf-8"), TABLE_JOB_TYPE])


def table_name(study: Study) -> str:
    """What the table's run is called."""
    return named(f"{study.study}-{TABLE_JOB_TYPE}", MAX_WANDB_NAME)


def _beginning(record: StudyRecord, study: Study, paths: StudyPaths) -> Start:
    command = command_line()
    return Start(
        wandb_id=table_id(paths),
        run_id=TABLE_JOB_TYPE,
        name=table_name(study),
        group=named(study.study, MAX_WANDB_NAME),
        job_type=TABLE_JOB_TYPE,
        notes=record.question or None,
        config={"question": record.question, "design": record.design, "command": command},
        tags=list(dict.fromkeys([TABLE_JOB_TYPE, *study.tracking.tags])),
        program=command,
        commit=None,
    )


def _key(number: int, table: TextTable) -> str:
    return "ablation" if number == 0 else f"ablation {number}: {table.title.split(' (')[0]}"


def _content(table: TextTable) -> Table:
    return Table(columns=table.columns, rows=[row.texts for row in table.rows])
