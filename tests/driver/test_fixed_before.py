"""What a study's verdicts rest on is kept, and what was chosen after its results says so."""

import json
import shutil
from pathlib import Path

import pytest
from studies import by_name, stop_at_result, toy_study

import ablate
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.driver.smoke import try_cells
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

SAVED = Path(__file__).parents[1] / "saved"
LOCAL = Options(local=True, same_study=True)
TWO = {"gain": [1, 2, 3], "width": ["s", "l"]}


@pytest.fixture
def run(tmp_path, console):
    """Runs a study of unit noise with changes of its file; gives its report's record."""

    def run(options=LOCAL, **changes):
        given = {"trainable": "toy:Noisy", "factors": {"gain": [1, 2, 3]}, "seeds": [1, 2, 3]}
        study = toy_study(tmp_path, **{**given, **changes})
        outcome = execute(study, options, console)
        assert not outcome.interrupted
        return ablate.study_record(study.directory)

    return run


def kept(tmp_path):
    return json.loads((tmp_path / "toys" / "analysis.json").read_text())


def remarks(metric):
    return [cell.remark.strip(" ()") for cell in metric.cells]


def causes(metric):
    return {d.change.topic.value for cell in metric.cells for d in cell.exploratory}


def outputs(directory, capsys):
    """Every form of a report."""
    capsys.readouterr()
    assert main(["report", str(directory)]) == 0
    files = [(directory / "report" / name).read_text() for name in
             ("table.md", "index.html", "table.tex")]  # fmt: skip
    return [" ".join(text.split()) for text in (capsys.readouterr().out, *files)]


def test_a_margin_chosen_after_looking_is_never_called_fixed(run, tmp_path, capsys):
    """And so is a comparison, in every output; for ever, and only once in the log."""
    record = run(margin=2.0)
    assert remarks(record.metric) == ["", "", ""]
    assert record.history.summary == "analysis fixed before the first result"
    before = outputs(tmp_path / "toys", capsys)
    assert all("margin ±2, fixed before the first result; equivalent" in text for text in before)
    for _ in range(2):
        record = run(margin=4.0, compare=[{"gain": 3}])
    assert remarks(record.metric) == ["", "", "exploratory"]
    assert causes(record.metric) == {"margin", "comparison"}
    assert len(kept(tmp_path)["versions"]) == 2
    assert len(record.history.log) == 2
    for text in outputs(tmp_path / "toys", capsys):
        assert "better (exploratory)" in text
        assert "exploratory: margin changed after 9 results" in text
        assert "comparison of gain=2 dropped after 9 results" in text
        assert "margin ±4, changed after 9 results; equivalent" in text
    record = run(margin=4.0, compare=[{"gain": 3}], seeds=[1, 2, 3, 4])
    assert "margin changed after 9 results (2 -> 4)" in record.history.deviations
    page = (tmp_path / "toys" / "report" / "index.html").read_text()
    assert "<details><summary>changes since it was first kept</summary>" in page


def test_results_that_are_left_out_are_named_in_every_output(run, tmp_path, capsys):
    """A seed, a level, the metric and the baseline are chosen anew."""
    run(factors={"gain": [1, 2], "width": ["s", "l"]}, seeds=[1, 2, 3, 4])
    record = run(factors={"gain": [1, 2], "width": ["s"]}, seeds=[1, 3, 4],
                 baseline={"gain": 2, "width": "s"}, metric="other")  # fmt: skip
    assert causes(record.metric) == {"metric", "seed", "cell", "baseline"}
    told = "10 runs with results are left out: seed 2 (4 cells); gain=1, width=l (3 seeds); "
    assert any(note.startswith(told) for note in record.notes)
    for text in outputs(tmp_path / "toys", capsys):
        plain = text.replace("\\", "")
        assert f"{told}gain=2, width=l (3 seeds)" in plain
        assert "seed 2 dropped after 16 results" in plain
        assert "metric changed after 16 results (score " in plain


@pytest.mark.parametrize(
    ("changes", "topics"),
    [
        ({"log_scale": True}, {"log scale"}),
        ({"mode": "min"}, {"direction"}),
        ({"exclude": [{"gain": 2}]}, {"cell"}),
        ({"baseline": {"gain": 3}}, {"baseline"}),
        ({"seeds": [1, 2]}, {"seed"}),
        ({"seeds": {"min": 3, "max": 3, "until": {"half_width": 9.0}}}, {"rule for seeds"}),
        ({"compare": [{"gain": 2}]}, {"comparison"}),
        ({"base": {"more": 1}}, {"training"}),
        ({"margin": 0.5}, {"margin"}),
        ({"value": "best"}, {"value"}),
        ({"verdicts": "all"}, {"verdicts"}),
        ({"compare": "pairs"}, {"comparison", "comparison of pairs"}),
        ({"compare": [{"gain": 2}, {"gain": 3}]}, set()),
        ({"aa": True}, set()),
        ({"question": "What?"}, set()),
    ],
)
def test_what_makes_verdicts_exploratory(run, changes, topics):
    run()
    assert causes(run(**changes).metric) == topics


def test_further_metrics_are_judged_by_what_touches_them(run, tmp_path):
    run(margin=1.0)
    record = run(margin=2.0, report_metrics=["other"])
    [further] = record.further
    assert causes(record.metric) == {"margin"}
    assert causes(further) == {"report metric"}
    record = run(margin=1.0)
    assert causes(record.metric) == set()
    asked = ablate.study_record(tmp_path / "toys", "other")
    assert causes(asked.metric) == {"report metric"}, "asked for by whoever saw the results"


def test_added_cells_and_seeds_are_marked_and_leave_the_others_as_planned(run, tmp_path, capsys):
    run(factors={"gain": [1, 2], "width": ["s", "l"]})
    record = run(factors=TWO, seeds=[1, 2, 3, 4])
    marked = "added after 12 results"
    assert remarks(record.metric) == ["", "", "", "", marked, marked]
    block = record.metric.blocks[0]
    assert block.levels_added_after == {(0, 2): 12}
    assert "seed 4 added after 12 results" in record.history.deviations
    for text in outputs(tmp_path / "toys", capsys):
        assert f"better ({marked})" in text
        assert "seed 4 added after 12 results" in text
        assert "exploratory" not in text


def test_a_block_that_shares_cells_with_the_others_leaves_them_as_planned(run):
    run()
    record = run(blocks=[{"name": "more", "factors": {"gain": [1, 5], "width": ["s"]},
                          "base": {"length": 4}, "when": {"width": {"gain": 5}}}])  # fmt: skip
    assert remarks(record.metric) == ["", "", "", "added after 9 results"]


def test_a_change_that_is_taken_back_stays_in_the_log_alone(run):
    run(margin=1.0)
    run(margin=2.0, exclude=[{"gain": 2}])
    record = run(margin=1.0)
    assert remarks(record.metric) == ["", "", ""]
    assert record.metric.margin_fixing.text == "fixed before the first result"
    assert record.history.summary.endswith("changed meanwhile, and changed back")
    assert len(record.history.log) == 4


def test_a_study_that_begins_afresh_has_nothing_to_tell(run):
    run()
    run(margin=1.0)
    record = run(Options(local=True, fresh=True), margin=1.0)
    assert remarks(record.metric) == ["", "", ""]
    assert record.history.log == []


def test_what_is_chosen_while_the_first_replicate_runs_says_how_late_that_was(run, tmp_path):
    run(Options(local=True, only="gain=1"), margin=1.0)
    assert kept(tmp_path)["fixed"] is None
    record = run(margin=2.0)
    assert record.metric.margin_fixing.text == "fixed when 3 results were there"
    assert remarks(record.metric) == ["", "", ""]
    assert kept(tmp_path)["fixed_by"] == "the first whole replicate"


def test_it_is_fixed_when_the_first_replicate_ends_not_the_command(
    run, tmp_path, console, monkeypatch
):
    study = toy_study(tmp_path, trainable="toy:Noisy", factors={"gain": [1, 2, 3]}, seeds=[1, 2])
    with monkeypatch.context() as patch:
        stop_at_result(patch, 5)
        assert execute(study, LOCAL, console).interrupted
    assert kept(tmp_path)["fixed"] == 0
    assert causes(run(seeds=[1, 2], margin=1.0).metric) == {"margin"}


def test_a_replicate_that_fails_fixes_nothing(run, tmp_path):
    base = {"fails_once": str(tmp_path / "marker"), "at": "2-1"}
    run(base=base, retries=0, seeds=[1])
    assert kept(tmp_path)["fixed"] is None
    record = run(base=base, retries=0, seeds=[1, 2], margin=1.0)
    assert "failed" in {run.status for run in record.runs}
    assert kept(tmp_path)["fixed"] is not None, "of the second seed all have ended well"
    assert record.metric.margin_fixing.text == "fixed when 2 results were there"


def test_a_replicate_under_two_codes_fixes_nothing(run, tmp_path):
    run(Options(local=True, only="gain=1"), seeds=[1])
    paths = StudyPaths(tmp_path / "toys")
    ledger = Ledger(paths)
    with ledger.writing():
        for run_id in list(ledger.rows):
            files = (ledger.rows[run_id].code_files or "").replace('": "', '": "0')
            ledger.patch(run_id, code_files=files)
    record = run(seeds=[1])
    assert len({row["code_files"] for row in by_name(Ledger(paths)).values()}) == 2
    assert {run.status for run in record.runs} == {"ok"}
    assert kept(tmp_path)["fixed"] is None
    assert "not yet fixed" in record.history.summary


def test_trying_every_cell_fixes_nothing(tmp_path, console):
    study = toy_study(tmp_path)
    assert try_cells(study, LOCAL, console).exit_code == 0
    assert not StudyPaths(study.directory).analysis.exists()


def test_a_plan_tells_what_would_be_exploratory_and_keeps_nothing(run, tmp_path, capsys):
    run()
    before = kept(tmp_path)
    arguments = ["run", "--resume", str(tmp_path / "toys"), "--plan", "--set", "margin=1.0"]
    assert main(arguments) == 0
    assert "margin added after 9 results" in " ".join(capsys.readouterr().out.split())
    assert kept(tmp_path) == before


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_a_directory_of_an_earlier_version_is_not_said_to_be_fixed(tmp_path, capsys, name):
    place = Path(shutil.copytree(SAVED / name, tmp_path / name))
    for _ in range(2):
        for text in outputs(place, capsys):
            assert "analysis not kept: made by ablate 0.1.0; kept since 2 results" in text
            assert "fixed before" not in text
        assert not (place / "analysis.json").exists(), "a report keeps nothing"


def test_an_earlier_directory_that_goes_on_tells_later_changes(tmp_path, console):
    place = Path(shutil.copytree(SAVED / "finished", tmp_path / "finished"))
    for changes in ([], ["--set", "margin=0.5"]):
        assert main(["run", "--local", "--resume", str(place), *changes]) == 0
    record = ablate.study_record(place)
    assert record.metric.margin_fixing.text == "added after 2 results"
    assert record.history.summary.startswith("analysis not kept: made by ablate 0.1.0")


def test_pairs_chosen_after_looking_are_exploratory_in_every_output(run, tmp_path, capsys):
    run(base={"length": 4})
    run(compare="pairs")
    for text in outputs(tmp_path / "toys", capsys):
        pairs = text.split("last value: all pairs")[1].split("are one family")[0]
        assert pairs.count("(exploratory)") == 3
