"""What the page says of running its study again: no more than is known."""

import re

from commanded_studies import command_study, project
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.plan.plan import plan_study
from ablate.report.page import page
from ablate.study_dir import StudyPaths


def told(study):
    """The sentences on it, without marks of HTML."""
    return said(page(study_record(plan_study(study), {}, study_yaml="study: again"), [], ""))


def said(text):
    [found] = re.findall(r"<p>(The study file below.*?)</p>", text, re.S)
    return " ".join(re.sub(r"<.*?>", "", found).split())


def test_only_who_shares_draws_promises_the_same_bits(tmp_path):
    assert told(flow_study(tmp_path)) == (
        "The study file below, as last run and saved as study.yaml, gives the same runs again "
        "(on the CPU with the same versions: the same bits):"
    )
    assert told(toy_study(tmp_path)) == (
        "The study file below, as last run and saved as study.yaml, starts the same runs again, "
        "with the code as it then is:"
    )


def test_the_code_of_commands_is_named_by_the_copies_that_were_kept(tmp_path, console):
    folder = project(tmp_path / "p")
    study = command_study(folder, factors={"lr": [0.1]}, seeds=1)
    assert told(study).endswith("as it then is. No copy of the commands' code was kept.")
    assert execute(study, Options(local=True), console).exit_code == 0
    (folder / "train.py").write_text((folder / "train.py").read_text() + "# later\n")
    more = command_study(folder, factors={"lr": [0.1]}, seeds=2)
    assert execute(more, Options(local=True), console).exit_code == 0
    kept = StudyPaths(study.directory).snapshots
    first, second = sorted(path.name for path in kept.iterdir() if path.is_dir())
    assert told(more).endswith(
        "starts the same runs again, with the code as it then is. "
        f"The code of each launch is in snapshots/: {first}, {second}."
    )
