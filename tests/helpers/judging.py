"""Results from elsewhere, and what is said of them."""

import csv
from dataclasses import replace

from ablate.analysis.build import study_record
from ablate.cli.judge import asked_by, build_parser
from ablate.sources.plan import foreign_study
from ablate.sources.read import name_of, read_source

FID = {"icfm": [10.2, 11.1, 9.8, 10.6], "vp": [8.1, 9.3, 7.7, 8.8], "si": [10.3, 11.0, 9.9, 10.5]}
"""By cell, a value a seed."""


def rows_of(values, factor="flow", metric="fid"):
    """A row a cell and seed; seeds count from 1."""
    return [
        {factor: label, "seed": seed, metric: value}
        for label, found in values.items()
        for seed, value in enumerate(found, 1)
    ]


def write_csv(path, rows):
    """A table as somebody keeps it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def judged(source, *options):
    """The record of `ablate judge SOURCE OPTIONS`."""
    arguments = build_parser().parse_args([str(source), *map(str, options)])
    asked = asked_by(arguments)
    found = read_source(str(source), asked)
    study = foreign_study(name_of(str(source)), str(source), found, asked)
    record = study_record(study.plan, study.rows, notes=study.notes, evaluations=study.evaluations)
    return replace(record, seeds=study.seeds)


def verdicts(record):
    """By cell, the verdict in words."""
    return {cell.name: cell.comparison.verdict.text for cell in record.metric.cells}
