"""What may mislead whoever reads a report's first screen alone, the most serious first."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ablate.analysis.records import StudyRecord
from ablate.report.notes import NOTES
from ablate.run_row import Status
from ablate.text import printable

SHOWN = 3
"""Flags on the first screen; the others stand below it."""


def flags_of(record: StudyRecord) -> list[str]:
    """Changed after results, factors that do nothing, runs lost, unequal costs, hardware or ends.

    Args:
        record: What the report says; below it says all of this again, at length.
    """
    return list(dict.fromkeys(text for make in FLAGS for text in make(record)))


def _cautions(record: StudyRecord, names: Iterable[str]) -> Iterator[str]:
    """The cautions among the notes of some kinds."""
    for name in names:
        yield from (note.text for note in NOTES[name](record.metric, True) if note.is_caution)


def _of(*names: str) -> Callable[[StudyRecord], Iterable[str]]:
    return lambda record: _cautions(record, names)


def _lost(record: StudyRecord) -> Iterator[str]:
    """Runs lost by their own cells; then, if more are missing, how many of all."""
    lost = list(_cautions(record, ["lost"]))
    yield from lost[:1]
    if len(record.missing) > sum(record.metric.num_lost):
        counts = Counter(run.status for run in record.missing)
        told = ", ".join(
            f"{number} {'without it' if status is Status.OK else status}"
            for status, number in counts.items()
        )
        which = f"{len(record.missing)} of {len(record.runs)} runs"
        yield f"{which} have no {printable(record.metric.name)}: {told}"


def _hardware(record: StudyRecord) -> Iterator[str]:
    devices = record.environment.devices
    if len(devices) > 1:
        yield f"runs were made on {len(devices)} kinds of device: {'; '.join(devices)}"


def _others(record: StudyRecord) -> Iterator[str]:
    """What notes come to be added in `NOTES` and are cautions, too."""
    return _cautions(record, (name for name in NOTES if name not in _RANKED))


_RANKED = ("exploratory", "same", "certainty", "lost", "unmeasured", "cost")
FLAGS: Sequence[Callable[[StudyRecord], Iterable[str]]] = (
    _of("exploratory", "same", "certainty"),
    lambda record: record.cautions,
    _lost,
    _of("unmeasured", "cost"),
    _hardware,
    _others,
)
"""What makes flags, in the order of how badly a reader is misled."""
