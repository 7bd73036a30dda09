"""Ablate: one YAML file in, every cell x seed trained on Ray Tune, an ablation table out.

from ablate import load_study, plan_study, run_study

A training script that Ablate starts tells its numbers by `from ablate import log`, and a metric of
one's own its direction by `@ablate.metric(mode="max")`. Scripts and trainables of one's own show
pictures by `ablate.log_image`.
"""

import os

if "ABLATE_LOG" not in os.environ:  # else this is a script's process: its imports are its own
    from ablate.process import needed_modules  # first: later imports may be shadowed

    needed_modules.install()

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.commands.log_call import log
    from ablate.driver.run_study import run_study, study_record
    from ablate.errors import AblateError, InputError
    from ablate.images.log_call import log_image
    from ablate.ledger.ledger import Ledger
    from ablate.notebook.opened import open as open
    from ablate.plan.plan import Plan, plan_study
    from ablate.spec.load import load_study
    from ablate.spec.models import Study
    from ablate.stats.judge_table import judge_table
    from ablate.trainable.contract import metric

__all__ = [
    "AblateError",
    "InputError",
    "Ledger",
    "Plan",
    "Study",
    "judge_table",
    "load_study",
    "log",
    "log_image",
    "metric",
    "plan_study",
    "run_study",
    "study_record",
]

_HOMES = {
    "AblateError": "errors",
    "InputError": "errors",
    "Ledger": "ledger.ledger",
    "Plan": "plan.plan",
    "Study": "spec.models",
    "judge_table": "stats.judge_table",
    "load_study": "spec.load",
    "log": "commands.log_call",
    "log_image": "images.log_call",
    "metric": "trainable.contract",
    "open": "notebook.opened",  # not in `__all__`: who imports `*` keeps Python's own
    "plan_study": "plan.plan",
    "run_study": "driver.run_study",
    "study_record": "driver.run_study",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import ablate` stays instant."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'ablate' has no attribute '{name}'")
    return getattr(importlib.import_module(f"ablate.{_HOMES[name]}"), name)
