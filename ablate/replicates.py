"""How many seeds a study has: those it lists, or those that its rule asks for so far."""

import math
from collections.abc import Mapping
from dataclasses import replace

from ablate.ledger import ENDED, Ledger, Row
from ablate.numbers import rounded
from ablate.plan import Plan, plan_study
from ablate.results import on_scale, values_of
from ablate.study import SeedRule, Study


def plan_so_far(study: Study, ledger: Ledger, short: bool = False) -> Plan:
    """The plan of a study as its ledger stands.

    With a rule for seeds (Stein 1945, Ann. Math. Stat. 16: two stages) the first ones are run
    first; once they have ended, their variance alone says how many there are to be in all.

    Args:
        study: A checked study.
        ledger: Its ledger.
        short: Whether runs are to end after two steps.
    """
    names = ledger.started_names()
    plan = plan_study(study, names, short=short)
    if not isinstance(study.seeds, SeedRule):
        return plan
    if not all(ledger.rows.get(r.run_id, {}).get("status") in ENDED for r in plan.runs):
        return replace(plan, seeding=_first_stage(study.seeds))
    num, why = _decide(plan, study.seeds, ledger.rows)
    return replace(plan_study(study, names, range(num), short=short), seeding=why)


def _first_stage(rule: SeedRule) -> str:
    return (
        f"first {rule.min} seeds, whose variance says how many a half-width of "
        f"{rule.until.half_width:g} needs, up to {rule.max}"
    )


def _decide(plan: Plan, rule: SeedRule, rows: Mapping[str, Row]) -> tuple[int, str]:
    """The number of seeds in all, and why."""
    # SciPy takes half a second to import: not where a plan is shown that needs none of it.
    from ablate.stats.replication import needed_replicates

    study, width = plan.study, rule.until.half_width
    values = on_scale(values_of(plan, rows, study.metric), study.log_scale)
    wanted = math.log1p(width) if study.log_scale else width
    needed = needed_replicates(values, plan.references, wanted, plan.compared)
    if math.isnan(needed.sd):
        return rule.min, f"the first {rule.min} seeds gave too few results to plan more"
    found = f"the first {rule.min} seeds have a residual sd of {rounded(needed.sd, needed.sd)}"
    asked = f"{found}; a half-width of {width:g} needs {needed.num} seeds"
    if needed.num > rule.max:
        return rule.max, f"{asked}, more than max: stopped at {rule.max}"
    added = needed.num - rule.min
    return needed.num, f"{asked}: {f'{added} added' if added else 'none added'}"
