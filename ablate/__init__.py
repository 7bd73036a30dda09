"""Ablate: one YAML file in, every cell x seed trained on Ray Tune, an ablation table out.

from ablate import load_study, plan_study, run_study
"""

from ablate import needed_modules  # first: what is imported from here on may be shadowed

needed_modules.install()

from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from ablate.errors import AblateError, InputError
    from ablate.ledger import Ledger
    from ablate.loading import load_study
    from ablate.plan import Plan, plan_study
    from ablate.python_api import run_study, study_record
    from ablate.stats.judge_table import judge_table
    from ablate.study import Study

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
    "Ledger": "ledger",
    "Plan": "plan",
    "Study": "study",
    "judge_table": "stats.judge_table",
    "load_study": "loading",
    "plan_study": "plan",
    "run_study": "python_api",
    "study_record": "python_api",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `import ablate` stays instant."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'ablate' has no attribute '{name}'")
    return getattr(importlib.import_module(f"ablate.{_HOMES[name]}"), name)
