"""Text of any kind: in labels, names, messages and paths, printed, kept and shown."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from reports import record
from rich.console import Console
from studies import ONE_AT_A_TIME, by_name, toy_study

from ablate.cli.guard import guarded
from ablate.cli.run import build_parser, run_command
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.events import Failure
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.plan.select import select_runs
from ablate.report.files import latex, markdown
from ablate.report.terminal import print_report
from ablate.spec.load import load_saved_study, read_study
from ablate.study_dir import StudyPaths
from ablate.text import encodable, first_line, printable, printable_lines, quoted, storable

LOCAL = Options(local=True)
CAFE = "caf\udce9"
"""A name of a file that is not UTF-8, as Python has it."""
NASTY = {
    "surrogate": CAFE, "escape": "\x1b[31mred", "bell": "a\x07", "nul": "a\0b", "c1": "a\x9b31m",
    "newline": "a\nb", "tab": "a\tb", "return": "a\rb", "direction": "a\u202eb", "line": "a\u2028b",
    "no character": "a\uffff", "backslash": "a\\b", "markup": "[red]x[/red]", "pipe": "a|b`c`",
    "long": "x" * 5000, "emoji": "\U0001f468\u200d\U0001f469", "number": "1e-3", "null": "~",
}  # fmt: skip
CONTROLS = [chr(c) for c in (*range(32), *range(0x7F, 0xA0), 0x202E, 0x2028) if chr(c) != "\n"]


def text_of(console):
    return console.export_text()


def no_controls(text):
    return not [c for c in CONTROLS if c in text] and storable(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31m", "\\x1b[31m"), (CAFE, "caf\\udce9"), ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b\u2028\u202e\ufffe", "\\x9b\\u2028\\u202e\\ufffe"), ("é → 中 \U0001f600", None),
        ("a\\b", None),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_is_written_out(text, line):
    assert printable(text) == (text if line is None else line)
    assert printable_lines(f"{text}\n").endswith("\n")


def test_storable_values_are_utf8_through_and_through():
    value = storable({CAFE: [CAFE, ("é", 1.5, None)], "n": {"x": CAFE}})
    assert value == {"caf\\udce9": ["caf\\udce9", ("é", 1.5, None)], "n": {"x": "caf\\udce9"}}
    assert encodable("é → " + CAFE, "latin-1") == "é \\u2192 caf\\udce9"


@pytest.mark.parametrize("word", ["a b", "x #3's", "~", "$HOME", "a\nb", "caf\udce9\x1b", "-", ""])
def test_commands_are_taken_apart_by_a_shell_into_their_words(word):
    line = quoted(["printf", "%s", word])
    assert no_controls(line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert os.fsdecode(done.stdout) == word


def test_a_message_is_told_in_one_line_of_readable_length():
    assert first_line(f"{'x' * 10_000}\nmore") == f"{'x' * 299}…"
    assert first_line("\x1b[2Jgone\nmore") == "\\x1b[2Jgone"
    failure = Failure("E", f"{CAFE}{'x' * 10**6}", "")
    assert len(failure.message) < 200_000
    assert storable(failure.message) == failure.message


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_an_exception_whose_message_fails_is_a_failure_like_others():
    assert "__str__" in Failure.of(UnspeakableError()).message


def loud_study(storage, **base):
    return toy_study(storage, trainable="toy:Loud", base=base, seeds=[1], retries=0)


def test_any_message_any_print_and_any_metric_are_kept(tmp_path, console):
    says = "".join(NASTY.values())
    study = loud_study(tmp_path, says=says, reports=f"score {CAFE}\x1b")
    outcome = execute(study, LOCAL, console)
    assert outcome.exit_code == 0
    again = Ledger(StudyPaths(study.directory))
    row = by_name(again)["gain=1-s1"]
    assert row["score caf\\udce9\x1b_final"] == 4.0
    log = StudyPaths(study.directory).log("gain=1-s1").read_text("utf-8")
    assert log.count(encodable(CAFE, "utf-8")) == 9


@pytest.mark.parametrize("base", [{"raises": "".join(NASTY.values())}, {"opens": f"/x/{CAFE}"}])
def test_a_study_goes_on_after_any_message(tmp_path, console, base):
    study = loud_study(tmp_path, **base)
    assert execute(study, LOCAL, console).exit_code == 1
    assert execute(load_saved_study(study.directory), LOCAL, console).exit_code == 1
    row = by_name(Ledger(StudyPaths(study.directory)))["gain=1-s1"]
    assert "caf\\udce9" in row["error"]
    assert no_controls(text_of(console))


def test_a_study_that_an_earlier_version_bricked_goes_on(tmp_path, console):
    """Its journal holds what `runs.parquet` cannot."""
    study = toy_study(tmp_path)
    execute(study, LOCAL, console)
    paths = StudyPaths(study.directory)
    run_id = next(iter(Ledger(paths).rows))
    table = pq.read_table(paths.runs_parquet)
    pq.write_table(table.replace_schema_metadata(None), paths.runs_parquet)  # as it wrote it
    patch = {"run_id": run_id, "status": "failed", "error": CAFE, CAFE: "\udfff"}
    paths.journal.write_text(json.dumps(patch) + "\n", "utf-8")
    again = execute(study, Options(local=True, retry_failed=True), console)
    assert again.exit_code == 0
    assert Ledger(paths).rows[run_id]["caf\\udce9"] == "\\udfff"


@pytest.mark.ray
def test_what_workers_say_comes_to_the_driver_in_any_letters(tmp_path, console, ray_cluster):
    factors = {"kind": {
        "raises": {"raises": NASTY["surrogate"] + "\x1b → é"},
        "opens": {"opens": f"/x/{CAFE}"},
        "speaks": {"says": f"{CAFE} →", "reports": f"{CAFE}\n"},
    }}  # fmt: skip
    study = toy_study(
        tmp_path,
        trainable="toy:Loud",
        base={},
        factors=factors,
        seeds=[1],
        retries=1,
        resources=ONE_AT_A_TIME,
    )
    rows = by_name(execute(study, Options(), console).ledger)
    assert (rows["raises-s1"]["error"], rows["raises-s1"]["retries"]) == ("caf\\udce9\x1b → é", 1)
    assert rows["raises-s1"]["error_type"] == "RuntimeError"
    assert rows["opens-s1"]["error_type"] == "FileNotFoundError"
    assert rows["speaks-s1"]["status"] == "ok"
    assert no_controls(text_of(console))


@pytest.mark.parametrize("kind", ["ascii", "latin-1"])
def test_a_study_is_run_and_reported_in_any_locale(tmp_path, kind):
    """An ASCII one is everywhere; Latin-1 for the streams alone, since few machines have it."""
    environment = {
        "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        "latin-1": {"PYTHONIOENCODING": "latin-1"},
    }[kind]
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "study: toys\nquestion: Is → 中 é better?\ntrainable: toy:Loud\nmetric: score\n"
        "base: {says: é → 中, reports: é}\nfactors: {gain: [1, 2]}\nseeds: [1, 2]\n", "utf-8"
    )  # fmt: skip
    command = [sys.executable, "-m", "ablate.run", str(grid), "--local", "--storage", str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "toys" / "report"
    assert "Is → 中 é better?" in (folder / "index.html").read_text("utf-8")
    assert (folder / "figures" / "curves.pdf").exists()
    again = [sys.executable, "-m", "ablate.report", str(tmp_path / "toys")]
    assert not subprocess.run(again, env={**os.environ, **environment}, capture_output=True).stderr


@pytest.mark.parametrize("name", NASTY)
def test_any_level_and_factor_is_shown_as_text_everywhere(tmp_path, name):
    label = NASTY[name]
    found = record(tmp_path, {label: [1.0, 2.0, 4.0], "b": [2.0, 3.5, 3.0]}, question=label)
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=120, file=nowhere)
        print_report(found, console)
    shown = text_of(console)
    assert no_controls(shown)
    for content in (markdown(found), latex(found), shown):
        assert no_controls(content)
        assert max(map(len, content.splitlines())) < 12_000
    table = markdown(found).partition("<details>")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {8}


def test_labels_that_look_alike_are_refused(tmp_path):
    with pytest.raises(InputError, match="listed twice"):
        toy_study(tmp_path, factors={"gain": ["a\nb", "a\\nb"]})


def test_long_labels_that_begin_alike_stay_apart(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"gain": ["x" * 900 + "a", "x" * 900 + "b"]}))
    names = {cell.name for cell in plan.cells}
    assert len(names) == 2
    assert max(map(len, names)) < 300
    assert len({run.run_name for run in plan.runs}) == 4


@pytest.mark.parametrize("label", ["~", "x #3", "a: b", "1e-3", "a,b", "on", " "])
def test_a_part_of_the_plan_is_named_by_the_labels_that_are_shown(tmp_path, label):
    plan = plan_study(toy_study(tmp_path, factors={"gain": [label, "other"]}))
    chosen = select_runs(plan, f"gain={label},seed=2")
    assert [(run.cell.labels["gain"], run.seed) for run in chosen] == [(label, 2)]


def arguments(*words):
    return build_parser().parse_args(words)


@pytest.mark.parametrize("storage", ["/data/x #3", "2024", "a: b", "[x]", "null", "1e-3"])
def test_options_of_text_are_taken_as_they_are(tmp_path, monkeypatch, console, storage):
    monkeypatch.chdir(tmp_path)
    study = {"study": "toys", "trainable": "toy:Counter", "metric": "score", "seeds": [1]}
    Path("grid.yaml").write_text(json.dumps(study), "utf-8")
    if not storage.startswith("/"):
        run_command(arguments("grid.yaml", "--plan", "--storage", storage), console)
        assert f"study directory: {tmp_path / storage / 'toys'}" in text_of(console)
    loaded = read_study(study, "test", [f"storage={json.dumps(storage)}"])
    assert loaded.storage == storage


@pytest.mark.parametrize("storage", ["", CAFE, "a\0b"])
def test_storage_that_no_study_can_be_in_is_refused(tmp_path, storage):
    with pytest.raises(InputError, match="storage"):
        toy_study(storage and tmp_path / storage)


def test_the_command_to_go_on_is_quoted(tmp_path, monkeypatch, console):
    monkeypatch.chdir(tmp_path)
    study = {"study": "toys", "trainable": "toy:Counter", "metric": "score", "seeds": [1]}
    Path("grid.yaml").write_text(json.dumps(study), "utf-8")

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("ablate.tracking.terminal.Progress.tick", stop)
    run_command(arguments("grid.yaml", "--local", "--storage", "my x #3's"), console)
    line = next(line for line in text_of(console).splitlines() if "--resume" in line)
    words = shlex.split(line)
    assert words[words.index("--resume") + 1] == "my x #3's/toys"


def test_a_directory_that_parquet_cannot_name_is_told(tmp_path):
    with pytest.raises(InputError, match="is not a path of UTF-8 text"):
        load_saved_study(tmp_path / CAFE)


def test_folders_that_ray_cannot_tell_its_workers_are_told_before_it_starts(
    tmp_path, console, monkeypatch
):
    monkeypatch.syspath_prepend(str(tmp_path / CAFE))
    with pytest.raises(InputError, match="which Ray needs"):
        execute(toy_study(tmp_path), Options(address="local"), console)


def test_trainables_may_print_where_there_is_no_standard_output(tmp_path, console, monkeypatch):
    study = loud_study(tmp_path, says=CAFE)
    monkeypatch.setattr("sys.stdout", None)
    assert execute(study, LOCAL, console).exit_code == 0


def test_a_mistake_of_any_length_in_any_letters_is_told_readably(tmp_path, capsys):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        json.dumps({"study": "toys", "\x1b[2J\x85": "x" * 10**6, "seeds": [1]}), "utf-8"
    )
    assert guarded(lambda console: run_command(arguments(str(grid), "--plan"), console)) == 2
    shown = capsys.readouterr().err
    assert no_controls(shown)
    assert len(shown) < 5000
    assert "\\x1b[2J\\x85" in shown
