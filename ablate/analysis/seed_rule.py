"""How many seeds a study has: those it lists, or those that its rule asks for so far."""

import json
import math
from dataclasses import replace
from typing import Any

from ablate.analysis.arrays import on_scale, uses_log, values_of
from ablate.analysis.same_numbers import repeated_once
from ablate.analysis.scatter import grid_codes, groups_of
from ablate.ledger.ledger import Ledger
from ablate.numbers import rounded
from ablate.plan.plan import Plan, plan_study
from ablate.run_row import AtStep, RunRows
from ablate.spec.models import Study
from ablate.spec.seeds import SeedRule
from ablate.stats.replication import needed_for_pairs, needed_replicates
from ablate.study_dir import StudyPaths, write_atomically


def plan_so_far(study: Study, ledger: Ledger, is_smoke: bool = False) -> Plan:
    """The plan of a study as its ledger stands.

    With a rule for seeds (Stein 1945, Ann. Math. Stat. 16: two stages) the first ones are run
    first; once they have ended, their variance alone says how many there are to be in all.

    Args:
        study: A checked study.
        ledger: Its ledger.
        is_smoke: Whether runs end after two steps.
    """
    if isinstance(study.value, AtStep):
        ledger.take_at(study.value, study.metrics)
    names = ledger.started_names()
    plan = plan_study(study, names, is_smoke=is_smoke)
    if not isinstance(study.seeds, SeedRule):
        return plan
    kept = _decisions(study)
    made = kept or []
    if made and made[-1]["rule"] == _asked(study):
        num, why = made[-1]["num"], made[-1]["why"]
    elif all(ledger.rows.status(r.run_id).has_ended for r in plan.runs):
        num, why = _decide(plan, study.seeds, ledger.rows)
    else:
        return replace(plan, seeding=_first_stage_told(study.seeds))
    if any(decision["rule"] != _asked(study) for decision in made):
        why += (
            ". The rule was changed after results were in: that is optional stopping, and "
            "intervals cover less often than stated"
        )
    if kept is None:
        why += ". Decided once more from the same results, for seeds.json was damaged"
    decided = plan_study(study, names, study.numbered(num), is_smoke=is_smoke)
    return replace(decided, seeding=why, seeds_decided=True)


def keep_decision(plan: Plan) -> None:
    """Keeps what a rule for seeds decided, when it first does.

    Retried runs change the variance, but must not change the number of seeds: by then all results
    have been seen.
    """
    made = _decisions(plan.study) or []
    if plan.seeds_decided and (not made or made[-1]["rule"] != _asked(plan.study)):
        decision = {"rule": _asked(plan.study), "num": len(plan.seeds), "why": plan.seeding}
        paths = StudyPaths(plan.study.directory)
        write_atomically(paths.seed_decisions, json.dumps([*made, decision], indent=1))


def first_stage(plan: Plan) -> int | None:
    """How many seeds the variance comes from: the first ones, where a rule then added some."""
    rule = plan.study.seeds
    return rule.min if isinstance(rule, SeedRule) and len(plan.seeds) > rule.min else None


def _decisions(study: Study) -> list[dict[str, Any]] | None:
    """What was decided so far, in order; None where the file is damaged."""
    path = StudyPaths(study.directory).seed_decisions
    if not path.exists():
        return []
    try:
        made = json.loads(path.read_bytes())
    except ValueError:
        return None
    kinds = {"rule": dict, "num": int, "why": str}
    is_whole = isinstance(made, list) and all(
        isinstance(decision, dict)
        and all(isinstance(decision.get(name), kind) for name, kind in kinds.items())
        for decision in made
    )
    return made if is_whole else None


def _asked(study: Study) -> dict[str, Any]:
    assert isinstance(study.seeds, SeedRule)
    return {**study.seeds.model_dump(mode="json"), "metric": study.metric}


def _first_stage_told(rule: SeedRule) -> str:
    return (
        f"the variance of the first {rule.min} seeds decides how many a half-width of "
        f"{rule.until.half_width:g} needs, up to {rule.max}"
    )


def _decide(plan: Plan, rule: SeedRule, rows: RunRows) -> tuple[int, str]:
    """The number of seeds in all, and why."""
    study, width = plan.study, rule.until.half_width
    if study.log_scale and not uses_log(plan, rows, study.metric):
        return rule.min, f"{study.metric} is not always positive: no ratios, so no seeds added"
    raw = values_of(plan, rows, study.metric)
    once = repeated_once(plan, rows, raw)
    values = on_scale(once.of(raw), study.log_scale)
    wanted = math.log1p(width) if study.log_scale else width
    num_families = len(study.judged_metrics)
    if study.compares_pairs:
        needed = needed_for_pairs(values, wanted, num_families, plan.is_paired)
    else:
        needed = needed_replicates(
            values, once.references, wanted, once.family, groups_of(plan, study.metric),
            grid_codes(plan), num_families, plan.is_paired, once.same,
        )  # fmt: skip
    if math.isnan(needed.sd):
        return rule.min, f"the first {rule.min} seeds gave too few results to plan more"
    found = f"the first {rule.min} seeds have a residual sd of {rounded(needed.sd, needed.sd)}"
    asked = f"{found}; a half-width of {width:g} needs {needed.num} seeds"
    if needed.num > rule.max:
        return rule.max, f"{asked}, more than max: limited to {rule.max}"
    added = needed.num - rule.min
    return needed.num, f"{asked}: {f'{added} added' if added else 'none added'}"
