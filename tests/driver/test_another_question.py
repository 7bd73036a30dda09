"""A second question under the name of a study that has results."""

import shutil
from pathlib import Path

import pytest
from studies import toy_study

from ablate.cli.main import main
from ablate.driver.run_study import run_study
from ablate.driver.session import execute
from ablate.driver.smoke import try_cells
from ablate.errors import AnotherQuestionError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)
SAME = Options(local=True, same_study=True)
BLOCK = {"name": "b", "factors": {"width": [1, 2]}, "base": {"gain": 1}}


def noisy(storage, **changes):
    given = {"trainable": "toy:Noisy", "seeds": [1], "question": "Which gain?"}
    return toy_study(storage, **{**given, **changes})


@pytest.fixture
def done(tmp_path, console):
    """A study with two results; gives the same one with changes."""
    execute(noisy(tmp_path), LOCAL, console)
    return lambda **changes: noisy(tmp_path, **changes)


def rows_of(study):
    return dict(Ledger(StudyPaths(study.directory)).rows)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"metric": "other"}, "metric"),
        ({"mode": "min"}, "direction"),
        ({"factors": {"gains": [1, 2]}, "base": {"gain": 1}}, "factors"),
        ({"factors": {"gain": [1, 2], "width": [1]}}, "factors"),
        ({"factors": {}, "base": {"gain": 1}}, "factors"),
    ],
)
def test_another_question_stops_before_anything_starts(done, console, changes, part):
    study, before = done(**changes), rows_of(done())
    for options in (LOCAL, Options(local=True, retry_failed=True, only="gain=1")):
        with pytest.raises(AnotherQuestionError, match=rf"\(other {part}\)"):
            execute(study, options, console)
    with pytest.raises(AnotherQuestionError):
        try_cells(study, LOCAL, console)
    assert rows_of(study) == before
    assert not StudyPaths(study.directory).smoke.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"factors": {"gain": [2, 3]}}, {"seeds": [1, 2]}, {"report_metrics": ["other"]},
        {"margin": 0.5}, {"question": "Which?"}, {"base": {"length": 9}}, {"blocks": [BLOCK]},
    ],
)  # fmt: skip
def test_the_same_question_goes_on(done, console, changes):
    assert execute(done(**changes), LOCAL, console).exit_code == 0


def test_a_question_that_drops_or_changes_a_block_is_another(tmp_path, console):
    execute(noisy(tmp_path, blocks=[BLOCK]), LOCAL, console)
    for blocks in ([], [{**BLOCK, "factors": {"depth": [1, 2]}}]):
        with pytest.raises(AnotherQuestionError):
            execute(noisy(tmp_path, blocks=blocks), LOCAL, console)


def test_both_questions_are_shown_side_by_side_with_the_ways_on(done, console):
    changed = done(metric="other", mode="min", question="Why? " * 9, factors={"gain": [1, 2, 9]})
    with pytest.raises(AnotherQuestionError) as caught:
        run_study(changed, console, local=True)
    told = str(caught.value)
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "question Which gain? Why? Why? Why? Why? Why? Why?" in lines
    assert "metric score (higher is better) other (lower is better)" in lines
    assert "factors gain: 1, 2 gain: 1, 2, 9" in lines
    assert "results 2 -" in lines
    assert all(way in told for way in ("study: NAME", "--fresh", "--same-study"))
    assert max(map(len, told.splitlines()[1:])) <= 80


def test_a_plan_says_so_in_the_same_words(done, tmp_path, capsys, console):
    grid = tmp_path / "grid.yaml"
    shutil.copy(StudyPaths(done().directory).study_yaml, grid)
    arguments = [str(grid), "--set", "metric=other"]
    assert main(["plan", *arguments]) == 2
    planned = capsys.readouterr().err
    assert main(["run", "--local", *arguments]) == 2
    assert capsys.readouterr().err == planned
    with pytest.raises(AnotherQuestionError) as caught:
        execute(done(metric="other"), LOCAL, console)
    assert str(caught.value) in planned
    for way in ("--fresh", "--same-study"):
        assert main(["plan", *arguments, way]) == 0


def test_nothing_is_asked_of_a_directory_without_results_or_of_its_own_study(
    done, tmp_path, console
):
    assert main(["run", "--local", "--resume", str(done().directory)]) == 0
    empty = noisy(tmp_path / "b")
    save_study(empty, StudyPaths(empty.directory))
    assert execute(noisy(tmp_path / "b", metric="other"), LOCAL, console).exit_code == 0


def test_reports_of_earlier_questions_are_kept_by_date(tmp_path, console):
    paths = StudyPaths(tmp_path / "toys")
    for metric in ("score", "other", "score"):
        run_study(noisy(tmp_path, metric=metric), console, local=True, same_study=True)
    places = sorted(paths.earlier_reports.iterdir())
    assert sorted(place.name.partition("Z-")[2] for place in places) == ["other", "score"]
    assert all((place / "index.html").is_file() for place in places)
    assert "note: the report on the earlier question is kept in " in console.export_text()


def test_an_earlier_report_is_not_touched_by_a_later_one(done, console):
    run_study(done(), console, local=True)
    run_study(done(metric="other"), console, local=True, same_study=True)
    paths = StudyPaths(done().directory)
    [place] = paths.earlier_reports.iterdir()
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert place.name.endswith("Z-score")
    assert "table.md" in {path.name for path in before}
    assert "score" not in (paths.report / "table.md").read_text(encoding="utf-8").split("\n| ")[1]
    assert main(["report", str(paths.root)]) == 0
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_directory_of_an_earlier_version_asks_too_unless_it_is_named(tmp_path, capsys):
    place = Path(shutil.copytree(Path(__file__).parents[1] / "saved" / "finished", tmp_path / "f"))
    grid, asked = tmp_path / "grid.yaml", ["--plan", "--set", "metric=mmd"]
    shutil.copy(place / "study.yaml", grid)
    assert main(["run", str(grid), "--storage", str(tmp_path), "--set", "study=f", *asked]) == 2
    assert "(other metric)" in capsys.readouterr().err
    assert main(["run", "--resume", str(place), *asked]) == 0
