"""`--reuse` takes what another study of the storage has finished, if it is what would be made."""

import shutil
from typing import ClassVar

import pytest
import torch
from outcomes import best_weights, histories, kept_files, numbers
from studies import by_name, flow_study, stop_at_result, toy_study
from toy import Counter

from ablate.analysis.build import study_record
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.images.logged import LoggedImage, keep_image, logged_folder, logged_images
from ablate.images.png import encode_png
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.ledger.seals import lost_files, seal_columns
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.places import lacking_messages
from ablate.trainable.contract import TrainableConfig

PNG = encode_png(bytes(4), 2, 2, 1)
LOCAL, REUSE = Options(local=True), Options(local=True, reuse=True)


@pytest.fixture
def first(tmp_path, console):
    """The paths of a study of four runs that have ended well."""
    study = toy_study(tmp_path, study="first")
    execute(study, LOCAL, console)
    return StudyPaths(study.directory)


@pytest.fixture
def second(tmp_path, console):
    """Runs a study that has three cells, of which the first study may have finished two."""

    def second(options=REUSE, **changes):
        study = toy_study(
            tmp_path, **{"study": "second", "factors": {"gain": [1, 2, 3]}, **changes}
        )
        outcome = execute(study, options, console)
        assert outcome.exit_code == 0
        return outcome

    return second


def taken(outcome):
    return {name for name, row in by_name(outcome.ledger).items() if row.reused_from}


def patched(paths, name, **columns):
    """Changes what a study's ledger says of a run."""
    ledger = Ledger(paths)
    with ledger.writing():
        ledger.patch(by_name(ledger)[name].run_id, **columns)


def test_a_run_that_is_taken_is_the_run_that_would_have_been_made(tmp_path, console):
    trained = execute(flow_study(tmp_path, study="first"), LOCAL, console)
    study = flow_study(tmp_path, study="second", factors={"flow": ["icfm", "vp", "target"]})
    outcome = execute(study, REUSE, console)
    assert outcome.exit_code == 0
    assert taken(outcome) == {"icfm-s1", "icfm-s2", "vp-s1", "vp-s2"}
    names = by_name(trained.ledger)
    for compared in (numbers, histories):
        mine, theirs = compared(outcome.ledger), compared(trained.ledger)
        assert {name: mine[name] for name in names} == theirs
    for name, was in names.items():
        row = by_name(outcome.ledger)[name]
        assert (row.status, row.reused_from, row.ended_at) == ("ok", "first", was.ended_at)
        assert row.checkpoint == str(StudyPaths(study.directory).best(name))
        ours, theirs = (best_weights(each, name) for each in (study, trained.plan.study))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    kept, theirs = kept_files(study), kept_files(trained.plan.study)
    assert {name: kept[name] for name in theirs} == theirs
    assert not lost_files(StudyPaths(study.directory), outcome.ledger.rows, outcome.plan.by_id)


def test_it_is_offered_in_one_line_and_nothing_is_taken_unasked(first, second, console, capsys):
    save_study(
        toy_study(first.root.parent, study="third"), StudyPaths(first.root.with_name("third"))
    )
    grid = first.root.parent / "third" / "study.yaml"
    for more, told in (
        ([], "note: 4 of 4 runs to do are finished in study first: --reuse takes them"),
        (["--set", "seeds=[1, 7]", "--only", "gain=1"],
         "note: 1 of 2 runs to do is finished in study first: --reuse takes it"),
        (["--set", "seeds=[7]"], ""),
        (["--reuse"], "note: 4 of 4 runs to do are finished in study first: they are taken"),
    ):  # fmt: skip
        assert main(["plan", str(grid), "--set", f"storage={first.root.parent}", "--set",
                     "study=third", *more]) == 0  # fmt: skip
        lines = [line for line in capsys.readouterr().out.splitlines() if "finished in" in line]
        assert lines == [told] * bool(told)
    assert not taken(second(LOCAL))
    assert "note: 4 of 6 runs to do are finished in study first" in console.export_text()


def test_the_report_names_what_was_taken_and_when_its_results_were_there(first, second):
    keep_image(logged_folder(first.run("gain=1-s1")), LoggedImage("grid"), PNG)
    outcome = second()
    ours = StudyPaths(outcome.plan.study.directory)
    assert [one.name for one in logged_images(ours.run("gain=1-s1"))] == ["grid"]
    record = study_record(outcome.plan, outcome.ledger.rows)
    [note] = [note for note in record.notes if "taken from" in note]
    assert note.startswith("4 runs of 6 taken from study first, where their results could be")
    assert all(name in note for name in taken(outcome))
    import ablate

    history = ablate.study_record(outcome.plan.study.directory).history
    assert history.summary == "analysis fixed when 4 results were there"


def test_it_is_tracked_as_a_run_of_its_own(first, second):
    outcome = second()
    messages = list(lacking_messages(outcome.plan, outcome.ledger, "online"))
    assert {message.start.name for message in messages} == by_name(outcome.ledger).keys()
    froms = {message.start.name: message.start.config.get("reused_from") for message in messages}
    assert {name for name, study in froms.items() if study == "first"} == taken(outcome)


CHANGED = {
    "code": ({"code_files": '{"": {"toy.py": "0"}}'}, "made with other training code"),
    "unknown code": ({"code_files": None, "code_hash": None}, "made with other training code"),
    "data": ({"data_fingerprint": "7"}, "made with other data"),
    "packages": ({"versions": "python 3.12.0, torch 1.0"}, "made with other versions of packages"),
    "a warning": ({"warnings": "resumed with different code"}, "trained under a warning"),
    "its end": ({"status": "failed"}, ""),
    "its metric": ({"score_final": None, "score_best": None}, "without the study's metric"),
    "its weights": ({"checkpoint_bytes": 3, "checkpoint_crc32": 1}, "gain=1-s1: best.pt is gone"),
    "its curve": ({"curve_crc32": 1}, "gain=1-s1: the curve is not the one that the run wrote"),
    "its seal": ({"curve_bytes": None}, "gain=1-s1: the curve is not the one that the run wrote"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_only_what_todays_command_would_make_is_taken(first, second, console, what):
    columns, told = CHANGED[what]
    patched(first, "gain=1-s1", **columns)
    outcome = second()
    assert taken(outcome) == {"gain=1-s2", "gain=2-s1", "gain=2-s2"}
    assert by_name(outcome.ledger)["gain=1-s1"].launch == 1
    text = console.export_text()
    assert ("not taken" in text) == bool(told)
    assert told in text


def test_weights_that_were_changed_are_not_taken(first, second, console):
    for name in ("gain=1-s1", "gain=2-s1"):
        best = first.best(name)
        best.parent.mkdir(parents=True)
        best.write_bytes(b"weights")
        run_id = by_name(Ledger(first))[name].run_id
        patched(first, name, checkpoint=str(best), **seal_columns(first, run_id, name))
    first.best("gain=1-s1").write_bytes(b"weighty")
    outcome = second()
    assert "gain=1-s1: best.pt is not the one that the run wrote" in console.export_text()
    assert taken(outcome) == {"gain=1-s2", "gain=2-s1", "gain=2-s2"}
    paths = StudyPaths(outcome.plan.study.directory)
    assert paths.best("gain=2-s1").read_bytes() == b"weights"
    assert not paths.best("gain=1-s1").exists()


def test_what_cannot_be_read_is_passed_over(first, second):
    for name, torn in (("a", b"PAR1"), ("b", b"x" * 99)):
        copy = StudyPaths(shutil.copytree(first.root, first.root.with_name(name)))
        copy.runs_parquet.write_bytes(torn)
    newer = StudyPaths(shutil.copytree(first.root, first.root.with_name("c")))
    newer.format.write_text("99", encoding="utf-8")
    (first.root.parent / "d").write_text("no directory", encoding="utf-8")
    assert {row.reused_from for row in second().ledger.rows.values()} == {"first", None}


def test_whoever_starts_over_is_not_offered_what_was_put_aside(tmp_path, console):
    for _ in range(2):
        execute(toy_study(tmp_path), Options(local=True, fresh=True, reuse=True), console)
    [aside] = [path for path in tmp_path.iterdir() if path.name != "toys"]
    assert f"note: {tmp_path / 'toys'} was there: it is now {aside}\n" in console.export_text()
    rows = Ledger(StudyPaths(tmp_path / "toys")).rows.values()
    assert [row.reused_from for row in rows] == [None] * 4


def test_what_has_begun_here_gives_way_only_to_a_whole_run(first, second, console, monkeypatch):
    patched(first, "gain=1-s1", curve_crc32=1)
    study = toy_study(first.root.parent, study="second", checkpoint_every_s=0)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 3)
        execute(study, LOCAL, console)
    outcome = second(checkpoint_every_s=0)
    assert taken(outcome) == {"gain=1-s2", "gain=2-s1", "gain=2-s2"}
    log = StudyPaths(study.directory).log("gain=1-s1").read_text(encoding="utf-8")
    assert log.count("step 1 total") == 1, "it went on from its checkpoint"
    again = second(checkpoint_every_s=0)
    assert taken(again) == taken(outcome)


class Two(Counter):
    """Measures two things at every step."""

    def step(self):
        found = super().step()
        return {**found, "loss": (found["score"] - 9) ** 2}


def assert_as_trained(reused, trained):
    """All four runs were taken, and have the metrics that they have where they are trained."""
    assert len(taken(reused)) == 4
    rows, others = by_name(reused.ledger), by_name(trained.ledger)
    for name, row in rows.items():
        assert row.metrics(["gain"]) == others[name].metrics(["gain"])


def test_results_are_those_of_the_study_that_takes_them(tmp_path, console):
    """What is best is another epoch by another metric, and the other way round."""
    of = {"trainable": "test_reuse:Two", "base": {"length": 4}}
    execute(toy_study(tmp_path, study="first", **of), LOCAL, console)
    asked = {**of, "metric": "loss", "mode": "min", "value": "best"}
    reused = execute(toy_study(tmp_path, study="second", **asked), REUSE, console)
    trained = execute(toy_study(tmp_path / "b", study="second", **asked), LOCAL, console)
    assert_as_trained(reused, trained)


class Chosen(Counter):
    """Its loss is least at the second of four steps; its best weights are those."""

    class Config(TrainableConfig):
        selected_by: ClassVar = "loss"
        gain: int = 1
        length: int = 4

    def step(self):
        return {**super().step(), "loss": (self.iteration - 1) ** 2}


def test_results_of_best_weights_are_those_that_are_chosen_here(tmp_path, console):
    """Both studies choose weights by the loss, whichever metric they ask about."""
    of = {"trainable": "test_reuse:Chosen", "base": {"length": 4}}
    execute(toy_study(tmp_path, study="first", metric="loss", mode="min", **of), LOCAL, console)
    reused = execute(toy_study(tmp_path, study="second", **of), REUSE, console)
    trained = execute(toy_study(tmp_path / "b", study="second", **of), LOCAL, console)
    assert_as_trained(reused, trained)
    for row in reused.ledger.rows.values():
        assert row["score_best"] < row["score_final"]


def test_what_was_taken_can_be_taken_again(first, second, tmp_path, console):
    second()
    shutil.rmtree(first.root)
    outcome = execute(toy_study(tmp_path, study="third"), REUSE, console)
    assert outcome.exit_code == 0
    rows = outcome.ledger.rows.values()
    assert [row.reused_from for row in rows] == ["first"] * 4, "that which trained it"
    before = {row.reused_at for row in Ledger(StudyPaths(tmp_path / "second")).rows.values()}
    assert not before & {row.reused_at for row in rows}


def test_seeds_that_a_rule_adds_are_taken_too(tmp_path, console):
    of = {"trainable": "toy:Noisy", "factors": {"gain": [1, 2]}}
    execute(toy_study(tmp_path, study="first", seeds=[0, 1, 2, 3, 4], **of), LOCAL, console)
    rule = {"min": 3, "max": 5, "until": {"half_width": 1e-6}}
    outcome = execute(toy_study(tmp_path, study="second", seeds=rule, **of), REUSE, console)
    assert len(outcome.plan.seeds) == 5
    assert len(taken(outcome)) == 10
