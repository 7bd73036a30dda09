"""A part of a plan, as `--only flow=vp,seed=42` names it."""

from typing import Any

from ablate.design import text
from ablate.errors import InputError, Problem
from ablate.identity import canonical_json
from ablate.plan import Plan, Run
from ablate.yaml12 import parse_yaml


def select_runs(plan: Plan, only: str) -> list[Run]:
    """The runs that `--only flow=vp,seed=42` names.

    Raises:
        InputError: Where a key is neither a factor nor `seed`, or a value is none of its levels.
    """
    problems: list[Problem] = []
    choice: dict[str, Any] = {}
    factors = plan.factors
    for part in _parts(only):
        name, _, written = part.partition("=")
        name = name.strip()
        if name != "seed" and name not in factors:
            problems.append(Problem("--only", "is not a factor", name, (*factors, "seed")))
            continue
        labels = plan.seeds if name == "seed" else [level.label for level in factors[name].levels]
        # A label is called as it is shown, or as YAML has it (1e-3 for 0.001).
        by_text = {text(label): label for label in labels}
        value = by_text[written] if written in by_text else parse_yaml(written, f"--only {name}")
        if canonical_json(value) not in map(canonical_json, labels):
            problems.append(Problem(f"--only {name}", "is not in the study", value, (*by_text,)))
        choice[name] = value
    if problems:
        raise InputError("command line", problems)
    seed = choice.pop("seed", None)
    return [r for r in plan.runs if seed in (None, r.seed) and r.cell.matches(choice)]


def _parts(only: str) -> list[str]:
    """`a=x,y,seed=1` as `a=x,y` and `seed=1`: labels may have commas."""
    parts: list[str] = []
    for part in only.split(","):
        if parts and "=" not in part:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
