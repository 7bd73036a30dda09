"""The ablation table in W&B: one run of `job_type: ablation-table` beside the study's runs."""

from typing import Any

from ablate.analysis.records import StudyRecord
from ablate.identity import content_id
from ablate.report.tables import tables_of
from ablate.report.text_table import TextTable
from ablate.report.words import answers
from ablate.spec.models import MAX_WANDB_NAME, Study
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.messages import named
from ablate.tracking.wandb.settings import command_line

JOB_TYPE = "ablation-table"


def table_message(record: StudyRecord, study: Study, paths: StudyPaths) -> dict[str, Any]:
    """A report's tables and page for W&B; a study that goes on logs them again in the same run.

    Args:
        record: The report.
        study: Says what it is called.
        paths: The study directory.
    """
    tables = {_key(n, table): _content(table) for n, table in enumerate(tables_of(record))}
    summary = {"answer": "\n".join(answers(record)), "missing runs": len(record.missing)}
    page = paths.report / "index.html"
    start = _beginning(record, study, paths)
    return {
        "kind": "complete", "id": start["id"], "start": start, "tables": tables,
        "page": str(page) if page.exists() else None,
        "summary": summary, "failed": False, "exit_code": 0,
        "what": content_id([tables, summary]), "num_rows": 1,
    }  # fmt: skip


def table_id(paths: StudyPaths) -> str:
    """W&B's id of the table's run."""
    return content_id([paths.uid.read_text("utf-8"), JOB_TYPE])


def table_name(study: Study) -> str:
    """What the table's run is called."""
    return named(f"{study.study}-{JOB_TYPE}", MAX_WANDB_NAME)


def _beginning(record: StudyRecord, study: Study, paths: StudyPaths) -> dict[str, Any]:
    command = command_line()
    return {
        "id": table_id(paths),
        "group": named(study.study, MAX_WANDB_NAME),
        "job_type": JOB_TYPE,
        "run_id": JOB_TYPE,
        "name": table_name(study),
        "notes": record.question or None,
        "config": {"question": record.question, "design": record.design, "command": command},
        "tags": list(dict.fromkeys([JOB_TYPE, *study.tracking.tags])),
        "program": command,
        "commit": None,
    }


def _key(number: int, table: TextTable) -> str:
    return "ablation" if number == 0 else f"ablation {number}: {table.title.split(' (')[0]}"


def _content(table: TextTable) -> dict[str, Any]:
    return {"columns": table.columns, "rows": [row.texts for row in table.rows]}
