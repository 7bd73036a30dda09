"""What the READMEs show works as it stands."""

import contextlib
import io
import pickle
import re
import shlex
import subprocess
from argparse import ArgumentParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ablate.cli.main import main
from ablate.cli.run import build_parser
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.spec.config_keys import keys_of
from ablate.spec.load import load_study, read_study
from ablate.spec.models import Study
from ablate.spec.yaml12 import parse_yaml
from ablate.stats.verdicts import Cause, VerdictKind
from ablate.study_dir import StudyPaths
from trainables.flow.config.run import FlowConfig

ROOT = Path(__file__).parents[1]
PAGES = {
    place: (ROOT / place).read_text(encoding="utf-8")
    for place in (
        "README.md",
        "search_spaces/README.md",
        "ablate/README.md",
        "ablate/stats/README.md",
        "trainables/README.md",
        "trainables/own_parts.md",
        "trainables/your_own.md",
    )
}
OWN, PARTS = "trainables/your_own.md", "trainables/own_parts.md"
OTHERS = ("CONTRIBUTING.md", "benchmarks/README.md", "tests/README.md")
ELSEWHERE = re.compile(r"ablate sync|ablate watch|HOST:PORT|wandb:|ray_results|nll")
"""Commands that need a network, results that are not at hand, or that take long or do not end."""
pages = pytest.mark.parametrize("page", PAGES)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], flags=re.S)


def prose(text):
    return re.sub(r"```.*?```", "", text, flags=re.S)


def told(page):
    """The words that a page has as code, outside of its examples."""
    return set(re.findall(r"`([^`]+)`", prose(PAGES[page])))


def commands(page):
    """Each command as the arguments of `ablate`, once."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if not ELSEWHERE.search(line)]
    return list(dict.fromkeys(filter(None, map(arguments_of, words))))


def arguments_of(words):
    if words[:2] == ["python", "-m"] and words[2].startswith("ablate."):
        return (words[2].removeprefix("ablate."), *words[3:])
    return tuple(words[1:]) if words[:1] == ["ablate"] else ()


def files(page):
    """Examples that begin with the name of a file."""
    shown = [*blocks(page, "yaml"), *blocks(page, "python")]
    named = [(re.match(r"# (\w+\.(?:yaml|py))\b", block), block) for block in shown]
    return {name[1]: block for name, block in named if name}


def test_the_first_page_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150
    sizes = {path.stem: path.stat().st_size for path in (ROOT / "search_spaces").glob("*.png")}
    assert sizes.keys() == {"quickstart", "samples", "watch"}
    assert max(sizes.values()) < 150_000


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def anchors(text):
    return [anchor(found) for found in re.findall(r"^## +(.*)$", prose(text), flags=re.M)]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS])
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)]+)\)", prose(text)):
        place, _, part = link.partition("#")
        target = (ROOT / page).parent / place if place else ROOT / page
        assert target.exists(), link
        assert not part or part in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", list(PAGES)[1:])
def test_a_page_begins_with_its_contents(page):
    contents = PAGES[page].split("\n\n")[1]
    assert re.findall(r"\(#([^)]+)\)", contents) == anchors(PAGES[page])


@pages
def test_every_file_that_is_named_exists(page):
    folders = ROOT, (ROOT / page).parent
    for name in told(page):
        if re.fullmatch(r"[\w/]+/\w+\.(py|yaml|md)", name):
            assert any((folder / name).exists() for folder in folders), name


@pages
def test_every_study_is_planned_as_it_says(page, tmp_path, monkeypatch):
    put_files(tmp_path, monkeypatch, page)
    for block in blocks(page, "yaml"):
        raw = parse_yaml(block, page)
        raw |= {"study": "s", "metric": "sliced_w2", "seeds": [1, 2, 3]} | raw
        if not raw.keys() & {"factors", "blocks"}:
            raw["factors"] = {"flow": ["icfm", "vp"]}
        plan = plan_study(read_study(raw, page))
        counts = {
            "cells": len(plan.cells),
            "runs": len(plan.runs),
            "comparison": sum(
                is_compared and cell.index != reference
                for is_compared, cell, reference in zip(
                    plan.compared, plan.cells, plan.references, strict=True
                )
            ),
        }
        said = re.findall(r"(\d+) (cells|runs|comparison)s?\b", block.splitlines()[0])
        assert said, block
        assert {what: int(number) for number, what in said}.items() <= counts.items(), block


def test_the_studies_that_are_ready_have_as_many_runs_as_it_says():
    table = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", PAGES["search_spaces/README.md"], re.M)
    ready = {
        path.stem: len(plan_study(load_study(path)).runs)
        for path in ROOT.glob("search_spaces/*.yaml")
    }
    assert {name: int(number) for name, number in table} == ready


@pages
def test_every_command_line_is_understood(page, monkeypatch):
    monkeypatch.setattr("ablate.cli.main.guarded", lambda work: 0)
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for words in (shlex.split(line, comments=True) for line in lines):
        assert not arguments_of(words) or main(arguments_of(words)) == 0
        if words[:1] == ["make"]:
            assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text(encoding="utf-8")


def put_files(folder, monkeypatch, *places):
    """A folder as the pages assume it, in which commands are given."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    (folder / "search_spaces").symlink_to(ROOT / "search_spaces")
    for page in (*places, PARTS, OWN):
        for name, content in files(page).items():
            (folder / name).write_text(content, encoding="utf-8")
    rows = [[float(n % (k + 2)) for k in range(4)] for n in range(1000)]
    pq.write_table(pa.table({"embedding": rows}), folder / "rows.parquet")
    results = [
        f"{flow},{arch},{seed},{value + seed / 10 + (seed * len(flow) % 3) / 50}"
        for flow, value in (("icfm", 5), ("vp", 4))
        for arch in ("mlp", "dit")
        for seed in (1, 2, 3)
    ]
    (folder / "runs.csv").write_text("\n".join(["flow,arch,seed,fid", *results]))


def printed_by(script, page):
    """What one of a page's scripts prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(files(page)[script], script, "exec"), {"__name__": "shown"})
    return out.getvalue()


def test_what_is_shown_works(tmp_path, monkeypatch, capsys):
    """The first study is run from Python; then every command is given, runs as plans."""
    put_files(tmp_path, monkeypatch, *PAGES)
    assert "size=500-none-s1 ok" in printed_by("study.py", "ablate/README.md")
    assert "mixup" in printed_by("ledger.py", "ablate/README.md")
    assert "wide better" in printed_by("judge.py", "ablate/README.md")
    assert "sliced_w2" in printed_by("look.py", "ablate/README.md")
    assert printed_by("picture.py", "ablate/README.md") == ""
    (tmp_path / "elsewhere").symlink_to(tmp_path / "studies")
    given = list(dict.fromkeys(words for page in PAGES for words in commands(page)))
    assert len(given) > 30
    for words in given:
        plan = ["--plan"] * (words[0] == "run" and "--plan" not in words)
        assert main([*words, *plan]) == 0, (words, capsys.readouterr().err)
    assert "equivalent" in capsys.readouterr().out
    assert (tmp_path / "judged" / "runs" / "report" / "index.html").exists()


def test_trainings_of_ones_own_that_are_shown_train_and_go_on(tmp_path, monkeypatch):
    put_files(tmp_path, monkeypatch, OWN)
    for study in ("denoise", "ridge", "rates"):
        assert main(["run", f"{study}.yaml", "--local"]) == 0
        rows = Ledger(StudyPaths(tmp_path / "studies" / study)).rows.values()
        assert [row.status for row in rows] == ["ok"] * 6
    for shown in (block for block in blocks(OWN, "python") if "argparse" not in block):
        exec(compile(shown, OWN, "exec"), {"__name__": "shown"})
    import denoiser

    config = {**denoiser.Config().model_dump(), "seed": 1}
    first = denoiser.Denoiser(config=config)
    first.step()
    saved = pickle.dumps(first.save_checkpoint(""))
    expected = first.step()
    second = denoiser.Denoiser(config={**config, "seed": 2})
    second.load_checkpoint(pickle.loads(saved))
    assert second.step()["error"] == expected["error"]


def test_parts_of_ones_own_that_are_shown_train(tmp_path, monkeypatch):
    put_files(tmp_path, monkeypatch, PARTS)
    few = ["--set", "base.steps=3", "--set", "base.solver_steps=2", "--set", "seeds=1"]
    for block in blocks(PARTS, "yaml"):
        raw = {"study": "s", "metric": "sliced_w2", **parse_yaml(block, PARTS)}
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(raw))
        assert main(["run", "grid.yaml", "--local", *few]) == 0
        rows = Ledger(StudyPaths(tmp_path / "studies" / raw["study"])).rows.values()
        assert {row["step"] for row in rows} == {3}
        assert all("my_" in row["code_files"] for row in list(rows)[1:]), raw["study"]


def test_mistakes_look_as_shown(tmp_path, monkeypatch, capsys):
    study = files("README.md")["mixup.yaml"]
    wrong = study.replace("digits", "digit").replace("aug:", "augm:")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixup.yaml").write_text(wrong)
    assert main(["plan", "mixup.yaml"]) == 2
    [shown] = re.findall(r"```\n(error.*?)```", PAGES["search_spaces/README.md"], flags=re.S)
    whole = [line for line in shown.splitlines() if "..." not in line]
    assert set(whole) <= set(capsys.readouterr().err.splitlines())


def test_every_config_key_and_value_is_told():
    assert set(keys_of(FlowConfig)) <= told("trainables/README.md")


def test_every_key_of_the_study_file_is_shown_or_internal():
    shown = {
        key for block in blocks("search_spaces/README.md", "yaml") for key in yaml.safe_load(block)
    }
    assert set(Study.model_fields) - shown == {"folder"}


def test_every_option_of_a_run_is_shown():
    options = build_parser(ArgumentParser())._option_string_actions
    shown = {word for words in commands("ablate/README.md") for word in words}
    shown |= {word for line in blocks("ablate/README.md", "sh") for word in line.split()}
    assert {name for name in options if name.startswith("--")} - {"--help"} <= shown


def test_every_verdict_is_explained():
    said = " ".join(PAGES["ablate/stats/README.md"].split())
    explained = set(re.findall(r"\*\*([^*]+)\*\*", said))
    assert {*VerdictKind, *Cause} - {"baseline", "no verdict"} <= explained


def test_every_source_stands_in_its_file():
    stats = ROOT / "ablate" / "stats"
    table = PAGES["ablate/stats/README.md"].partition("## Sources")[2]
    for names, sources in re.findall(r"^\|[^|]+\| (`[^|]+) \| ([^|]+) \|$", table, re.M):
        text = "".join((stats / name).read_text("utf-8") for name in re.findall(r"`(.*?)`", names))
        for source in re.findall(r"([A-Z]\w+)[^,;|]*? (\d{4})", sources):
            assert all(part in text for part in source), source


def test_the_demo_installs_no_tools_of_developers():
    shown = [
        subprocess.run(["make", "-nB", target], cwd=ROOT, capture_output=True, text=True).stdout
        for target in ("demo", "test")
    ]
    assert ["[dev]" in text for text in shown] == [False, True]
    assert all("installing torch" in text for text in shown)
