"""Ablate: one YAML file in, every cell x seed trained on Ray Tune, an ablation table out.

from ablate import load_study, plan_study, run_study
"""

from ablate.process import needed_modules  # first: later imports may be shadowed

needed_modules.install()

from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from ablate.driver.run_study import run_study, study_record
    from ablate.errors import AblateError, InputError
    from ablate.ledger.ledger import Ledger
    from ablate.plan.plan import Plan, plan_study
    from ablate.spec.load import load_study
    from ablate.spec.models import Study
    from ablate.stats.judge_table import judge_table

__all__ = [
    "AblateError",
    "InputError",
    "Ledger",
    "Plan",
    "Study",
    "judge_table",
    "load_study",
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
