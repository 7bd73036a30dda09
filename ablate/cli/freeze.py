"""`ablate freeze STUDY_DIR`: what makes verdicts of results is fixed, best before there are any."""

import argparse
from pathlib import Path

from rich.console import Console

from ablate.analysis.deviations import fixing_of
from ablate.analysis.kept_analysis import FixedBy, KeptAnalysis, analysis_today, write_analysis
from ablate.analysis.records import direction
from ablate.analysis.seed_rule import plan_so_far
from ablate.errors import AblateError
from ablate.ledger.ledger import Ledger
from ablate.plan.analysis_changes import deviations_text
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.process.screen import Text
from ablate.run_row import AtStep
from ablate.spec.load import load_saved_study, load_study, save_study
from ablate.spec.models import Study
from ablate.spec.ready import study_file
from ablate.study_dir import StudyPaths
from ablate.text import some


def build_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `ablate freeze`."""
    parser.add_argument(
        "study", metavar="STUDY_DIR", help="or the YAML file of a study that was never run"
    )
    return parser


def freeze_command(arguments: argparse.Namespace, console: Console) -> int:
    """Fixes the analysis of a study, and says what that is.

    Raises:
        AblateError: Where another one is fixed already.
        InputError: Where there is no such study.
    """
    study = _study(Path(arguments.study))
    paths = StudyPaths(study.directory)
    ledger = Ledger(paths)
    kept = analysis_today(plan_so_far(study, ledger), ledger.rows)
    if kept.fixed is not None and paths.analysis.exists():
        return _already(kept, console)
    kept = kept.fixed_now(FixedBy.COMMAND)
    if not paths.study_yaml.exists():
        save_study(study, paths)
    write_analysis(kept, paths)
    console.print(Text(f"{study.study}: analysis {fixing_of(kept)}"), soft_wrap=True)
    _print(kept, console)
    return 0


def _study(place: Path) -> Study:
    place = study_file(place)
    if not place.is_file():
        return load_saved_study(place)
    study = load_study(place)
    if StudyPaths(study.directory).study_yaml.exists():
        told = f"{place}: the study has a directory already: ablate freeze {study.directory}"
        raise AblateError(told)
    return study


def _already(kept: KeptAnalysis, console: Console) -> int:
    differing = deviations_text(kept.deviations)
    if differing:
        raise AblateError(
            f"the analysis is {fixing_of(kept)}; since then:\n"
            + "".join(f"  {line}\n" for line in differing)
            + "  only a study that begins afresh (--fresh, or another name) fixes another one"
        )
    console.print(Text(f"nothing to do: analysis {fixing_of(kept)}"), soft_wrap=True)
    _print(kept, console)
    return 0


def _print(kept: KeptAnalysis, console: Console) -> None:
    for line in analysis_lines(kept.base.analysis):
        console.print(Text(f"  {line}"), soft_wrap=True)


def analysis_lines(analysis: AnalysisPlan) -> list[str]:
    """What an analysis fixes, for people."""
    compared = [c for c in analysis.cells if c.is_compared and not c.is_baseline]
    named = some([c.name for c in analysis.cells if c.is_baseline], between="; ")
    margin = "none" if analysis.margin is None else f"{analysis.margin:g}"
    rule = analysis.seed_rule
    seeds = ", ".join(map(str, analysis.seeds))
    how = f"of which {len(compared)} {'is' if len(compared) == 1 else 'are'} compared with {named}"
    how = "all of them compared in pairs" if analysis.compares_pairs else how
    if rule:
        seeds = f"{rule.min} to {rule.max}, until a half-width of {rule.until.half_width:g}"
    return [
        f"metric: {analysis.metric}, {direction(analysis.modes[analysis.metric])}",
        *[f"value: {analysis.value}"] * isinstance(analysis.value, AtStep),
        f"reported beside it: {', '.join(analysis.report_metrics) or 'nothing'}",
        *["verdicts: about all of them together"] * (analysis.verdicts == "all"),
        f"margin: {margin}; log scale: {'on' if analysis.log_scale else 'off'}",
        f"cells: {len(analysis.cells)}, {how}",
        f"seeds: {seeds}",
    ]
