"""What ends the runs of a study, for people; and which may never end."""

import inspect
import sys

from ablate.functions.endless import loops_for_ever
from ablate.functions.kinds import is_class
from ablate.numbers import clock
from ablate.plan.stop_rule import StopRule
from ablate.spec.models import Study
from ablate.trainable.registry import TrainableEntry


def endings(study: Study, rule: StopRule) -> list[str]:
    """How runs end beside what their trainables say, a line each."""
    told = [f"a run stops at {rule.told}"] if rule.told else []
    if study.time_limit_s is not None:
        told.append(f"a run may take {clock(study.time_limit_s)}, then it fails for good")
    if study.max_concurrent is not None:
        told.append(f"at most {study.max_concurrent} at once of its trials")
    return told


def never_ending_note(study: Study, entry: TrainableEntry) -> str:
    """That runs may never end, as far as its source tells; `` if nothing says so."""
    if study.stop:
        return ""
    if entry.is_function:
        why = "loops without an end" if loops_for_ever(entry.load_function()) else ""
    else:
        is_silent = not ends_by_itself(entry) and _mentions_done(entry) is False
        why = "never mentions done" if is_silent else ""
    if not why:
        return ""
    how = "never end" if study.time_limit_s is None else "end only by failing at time_limit_s"
    return (
        f"{entry.name} {why}, and the study has no stop: as it looks, its runs {how} "
        "(stop: {training_iteration: 100}, say)"
    )


def ends_by_itself(entry: TrainableEntry) -> bool:
    """Whether a run ends when its code does, or says by its config how long it trains."""
    return entry.is_function or entry.hooks.packs


def _mentions_done(entry: TrainableEntry) -> bool | None:
    """Whether a class says `done` anywhere in its source; None if that cannot be read."""
    module, _, name = entry.target.partition(":")
    # Looked up and not imported: a plan needs no Ray.
    loaded = getattr(sys.modules.get(module), name, None)
    if not is_class(loaded):
        return None
    own = [one for one in loaded.__mro__ if one.__module__.partition(".")[0] not in _NOT_OWN]
    try:
        return any("done" in inspect.getsource(one) for one in own)
    except (OSError, TypeError):
        return None


_NOT_OWN = ("ray", "builtins")
