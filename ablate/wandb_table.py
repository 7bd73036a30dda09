"""The ablation table in W&B: one run of `job_type: ablation-table` beside the study's runs."""

from typing import Any

from ablate.identity import content_id
from ablate.paths import StudyPaths
from ablate.report.records import StudyRecord
from ablate.report.tables import TextTable, tables_of
from ablate.report.words import answers
from ablate.study import Study
from ablate.wandb_port import SinkPort, tracked_as

JOB_TYPE = "ablation-table"


def publish_tables(record: StudyRecord, study: Study, paths: StudyPaths, port: SinkPort) -> None:
    """Hands a report's tables to W&B; a study that goes on logs them again in the same run.

    Args:
        record: The report.
        study: Says where its runs are tracked.
        paths: The study directory.
        port: The way to W&B.
    """
    wandb_id = content_id([paths.uid.read_text("utf-8"), JOB_TYPE])
    port.put({"kind": "start", "id": wandb_id, **_beginning(record, study)})
    tables = {_key(n, table): _content(table) for n, table in enumerate(tables_of(record))}
    port.put({"kind": "tables", "id": wandb_id, "tables": tables})
    summary = {"answer": "\n".join(answers(record)), "missing runs": len(record.missing)}
    port.put({"kind": "end", "id": wandb_id, "summary": summary, "exit_code": 0})


def _beginning(record: StudyRecord, study: Study) -> dict[str, Any]:
    return {
        **tracked_as(study),
        "run_id": JOB_TYPE,
        "job_type": JOB_TYPE,
        "name": f"{study.study}-{JOB_TYPE}",
        "config": {"question": record.question, "design": record.design},
        "tags": [JOB_TYPE, *study.tracking.tags],
        "resumed": True,
    }


def _key(number: int, table: TextTable) -> str:
    return "ablation" if number == 0 else f"ablation {number}: {table.title.split(' (')[0]}"


def _content(table: TextTable) -> dict[str, Any]:
    rows = [[*row.labels, *row.numbers, row.verdict] for row in table.rows]
    return {"columns": table.columns, "rows": rows}
