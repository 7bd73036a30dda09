"""All that a report shows of what cells generate, from the record and the files of runs alone."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from ablate.analysis.records import StudyRecord
from ablate.report.pictures.captions import (
    HOW_TO_MAKE,
    HOW_TO_SEE,
    left_out_text,
    samples_caption,
    seed_text,
    spread_text,
    weights_text,
)
from ablate.report.pictures.cloud_groups import cloud_group
from ablate.report.pictures.found import NONE_KEPT, Samples, samples_of
from ablate.report.pictures.image_groups import image_group
from ablate.report.pictures.median_runs import MedianRun, median_runs
from ablate.report.pictures.own_images import images_of, own_groups, own_title
from ablate.report.pictures.shown import Gallery, Group, Shown
from ablate.study_dir import StudyPaths

BUDGET = 1_000_000
"""Bytes of all pictures of a page; in base64 they are a third more."""


def gallery_of(record: StudyRecord, paths: StudyPaths) -> Gallery:
    """The pictures of the median run of each cell.

    Args:
        record: What the report says.
        paths: The study directory.
    """
    if record.origin:  # somebody else made the runs
        return Gallery()
    runs, num_left_out = median_runs(record)
    samples, lacking = samples_of([run for run in runs if run.run_name], paths)
    told = record.metric.told
    by_group: dict[Hashable, list[Samples]] = {}
    for each in samples:
        by_group.setdefault(each.group, []).append(each)
    own = images_of([run for run in runs if run.run_name], paths)
    lacking = {name: why for name, why in lacking.items()
               if name not in {image.run.run_name for image in own}}  # fmt: skip
    budget = BUDGET // max(1, len(by_group) + bool(own))
    groups = [_group(each, told, budget) for each in by_group.values()]
    groups = [
        replace(group, heading=heading, text=f"{group.text} {_weights(each, record)}".strip())
        for group, each, heading in zip(
            groups, by_group.values(), _headings([*by_group.values()]), strict=True
        )
    ]
    groups += own_groups(own, told, budget, paths)
    if not groups and {*lacking.values()} <= {NONE_KEPT}:  # other trainables never have any
        return Gallery(_none_kept() if lacking and record.can_sample else "")
    texts = left_out_text(len(runs), num_left_out), seed_text(runs)
    of_own = f"{own_title(own, told)}." if own else ""
    text = " ".join(filter(None, [*texts, of_own]))
    return Gallery(text, groups, _absent(record, runs, lacking))


def _headings(groups: Sequence[Sequence[Samples]]) -> list[str]:
    """Of several groups, what each has that the first has not."""
    if len(groups) < 2:
        return [""] * len(groups)
    first, *others = (samples[0] for samples in groups)
    is_same = all(each.kept.shape == first.kept.shape for each in others)
    of_first = (
        f"The data of {first.run.cell.name}" if is_same else f"Rows of shape {first.kept.shape}"
    )
    told = [of_first, *(_apart(each, first) for each in others)]
    return [
        f"{why}: {len(samples)} {'cell' if len(samples) == 1 else 'cells'}"
        for why, samples in zip(told, groups, strict=True)
    ]


def _apart(each: Samples, first: Samples) -> str:
    if each.kept.shape != first.kept.shape:
        return f"Rows of another shape, {each.kept.shape}"
    return "Other data" if each.data else "No rows of their data are there"


def _weights(samples: Sequence[Samples], record: StudyRecord) -> str:
    kept = [each.kept for each in samples if each.kind != "unseen"]
    return weights_text(kept, record.metric.value_text, record.chosen_by)


def _group(samples: Sequence[Samples], told: str, budget: int) -> Group:
    match samples[0].kind:
        case "images":
            return image_group(samples, told, budget)
        case "plane" | "projected" | "ranked":
            return cloud_group(samples, told)
        case "unseen":
            return Group(
                title="", text="",
                pictures=[_unseen(each, told) for each in samples],
            )  # fmt: skip


def _unseen(each: Samples, told: str) -> Shown:
    """What is said of rows that are no picture."""
    rows = each.kept.rows
    remarks = spread_text(rows), f"rows of shape {each.kept.shape} are no picture"
    return Shown(
        title=each.run.cell.name, is_baseline=each.run.cell.is_baseline,
        caption=samples_caption(each.run, each.kept, len(rows), told, *remarks),
    )  # fmt: skip


def _absent(record: StudyRecord, runs: Sequence[MedianRun], lacking: dict[str, str]) -> list[str]:
    """Cells without a picture, and why."""
    remedy = f"; {HOW_TO_MAKE} makes them" if record.can_sample else ""
    told: list[str] = []
    for run in runs:
        if not run.run_name:
            told.append(f"{run.cell.name}: no run has a result.")
        elif run.run_name in lacking:
            why = lacking[run.run_name]
            told.append(f"{run.cell.name}: no samples of run {run.run_name}, {why}{remedy}.")
    return told


def _none_kept() -> str:
    return (
        f"No samples of these runs are kept: {HOW_TO_MAKE} makes them, from the best weights, and "
        f"{HOW_TO_SEE} then shows them."
    )
