"""Where a mistake is written, and that one cause is one mistake."""

import random
from pathlib import Path
from typing import Literal

import pytest
import toy
from pydantic import BaseModel, model_validator

from ablate.errors import InputError
from ablate.spec.load import load_saved_study, load_study, save_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import ConfigError

FLOW = """\
study: s
metric: sliced_w2
base:
  steps: 100
  epochs: 5
factors:
  flow: [icfm, vp, otcfm]
  lr: [0.1, 0.2]
  hidden_dim: [64, 128]
seeds: 2
"""
ANCHORS = """\
study: s
trainable: toy:Modelled
metric: score
base: {warmup: 1,
       length: &long many, tail: {depth: x}}
factors:
  kind:
    a: &common
      warmup: soon
    b: {<<: *common, length: 3}
    c: {<<: *common, length: *long}
  tail.depth: [1, 2,
               y]
blocks:
- base: {tail.depth: z}
  factors: {length: [1, 2]}
seeds: 2
"""


class Tail(BaseModel):
    depth: int = 1


class Config(BaseModel, extra="forbid"):
    length: int = 5
    warmup: int = 0
    kind: str = ""
    tail: Tail = Tail()

    @model_validator(mode="after")
    def _warms_up_in_time(self):
        late = [f"warmup {self.warmup} is above length {self.length}"]
        shallow = ["short and deep"]
        wrong = late * (self.warmup > self.length) + shallow * (self.tail.depth > self.length + 5)
        if wrong:
            raise ConfigError(*wrong)
        return self


@pytest.fixture(autouse=True)
def modelled(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    model = type("Modelled", (toy.Counter,), {"Config": Config, "__module__": "toy"})
    monkeypatch.setattr(toy, "Modelled", model, raising=False)


def mistakes(text, overrides=()):
    Path("grid.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_study("grid.yaml", overrides)
    assert str(error.value)
    return error.value.problems


def places(problems):
    return {p.key: " ".join(str(place).removeprefix("line ") for place in p.locations)
            for p in problems}  # fmt: skip


def test_keys_that_do_not_go_together_are_one_mistake_of_all_cells():
    (told,) = mistakes(FLOW)
    assert str(told).startswith("  lines 4 and 5: base.steps and base.epochs: give epochs or steps")
    assert "cells" not in told.message
    (told,) = mistakes(FLOW, ["base.epochs=7"])
    assert str(told).startswith("  line 4 and --set base.epochs=7: base.steps and base.epochs: ")


def test_an_unknown_key_that_a_factor_alone_sets_is_one_mistake():
    text = FLOW.replace("  epochs: 5\n", "")
    for levels in ("dataa.size: [1, 2]", "size: {s: {dataa.size: 1}, l: {dataa.size: 2}}"):
        (told,) = mistakes(text.replace("  lr: [0.1, 0.2]", f"  {levels}"))
        assert (told.key, told.nearest) == (f"factors.{levels.partition(':')[0]}", "data.size")
    both = mistakes(text.replace("  lr: [0.1, 0.2]", "  dataa.size: [1, 2]"), ["base.dataa.dim=3"])
    assert {told.key for told in both} == {"factors.dataa.size", "base.dataa"}


@pytest.mark.parametrize("written", ["seeds: [1, 2]", "seeds: 2", "margin: [0.1, 0.2]"])
def test_a_key_of_the_study_below_factors_is_indented_too_far(written):
    text = FLOW.replace("  epochs: 5\n", "").replace("seeds: 2\n", f"  {written}\n")
    name = written.partition(":")[0]
    (told,) = [each for each in mistakes(text, ["seeds=3"] * (name == "margin")) if
               each.key == f"factors.{name}"]  # fmt: skip
    assert told.fix.startswith(f"{name} is a key of the study: write it at the beginning of a line")


def test_a_level_that_goes_with_no_other_is_one_mistake():
    factors = "{warmup: [1, 9], length: [3, 4, 5, 6], kind: [x, y]}"
    text = f"study: s\ntrainable: toy:Modelled\nmetric: score\nfactors: {factors}\nseeds: 2\n"
    (told,) = mistakes(text)
    assert (told.key, *told.others) == ("factors.warmup[1]", "factors.length[0]")
    assert told.message.endswith("is above length 3 (in 8 of 16 cells: warmup=9)")
    both = mistakes(text, ["base.tail.depth=11"])
    assert {p.key: p.message for p in both} == {
        told.key: told.message,
        "base.tail.depth": "short and deep (in 12 of 16 cells: length=3 or 4 or 5)",
    }


def test_every_mistake_has_the_line_on_which_it_is_written():
    found = mistakes(ANCHORS, ["base.kind=3", "factors.length.x=1"])
    assert places(found) == {
        "factors.length.x": "--set factors.length.x=1",
        "base.length": "5",
        "base.kind": "--set base.kind=3",
        "factors.kind.a.warmup": "9",
        "factors.tail.depth[2]": "13",
        "blocks[0].base.tail.depth": "15",
    }


def test_a_value_that_is_merged_into_levels_is_one_mistake():
    keys = [p.key for p in mistakes(ANCHORS)]
    assert "factors.kind.a.warmup" in keys
    assert not {"factors.kind.b.warmup", "factors.kind.c.warmup"} & {*keys}
    assert "factors.kind.c.length" not in keys, "the anchor's value is told where it is written"


class Sgd(BaseModel, extra="forbid"):
    momentum: float
    lr: float = 1


class Adam(BaseModel, extra="forbid"):
    betas: list[float]
    lr: float = 1


class Either(BaseModel):
    opt: Sgd | Adam | None = None
    num: int | Literal["all"] | None = 1
    each: list[int] | dict[str, int] = []


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("{opt: {momentum: 1, lr: x}}", ["base.opt.lr"]),
        ("{opt: {betas: [1, y]}}", ["base.opt.betas.1"]),
        ("{opt: {lr: 2}}", ["base.opt.momentum"]),
        ("{opt: 3}", ["base.opt"]),
        ("{opt: {betas: [1], lt: 1}}", ["base.opt.lt"]),
        ("{num: al}", ["base.num"]),
        ("{each: [1, a, 2, b]}", ["base.each.1", "base.each.3"]),
        ("{each: {a: c}}", ["base.each.a"]),
    ],
)
def test_a_mistake_in_a_union_is_one_of_the_member_that_is_meant(base, told, monkeypatch):
    monkeypatch.setattr(toy.Modelled, "Config", Either)
    text = f"study: s\ntrainable: toy:Modelled\nmetric: score\nbase: {base}\nseeds: 2\n"
    found = mistakes(text)
    assert [p.key for p in found] == told
    assert all(p.locations[0].line == 4 for p in found)
    line = text.splitlines()[3]
    for problem in found:
        if not problem.is_about_key:
            assert line[problem.locations[0].column - 1 :].startswith(str(problem.value))


def test_a_saved_study_has_lines_too():
    Path("grid.yaml").write_text(FLOW.replace("  epochs: 5\n", ""), encoding="utf-8")
    study = load_study("grid.yaml")
    save_study(study, StudyPaths(study.directory))
    saved = study.directory / "study.yaml"
    saved.write_text(saved.read_text().replace("otcfm", "otcmf"), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_saved_study(study.directory)
    lines = saved.read_text().splitlines()
    (told,) = error.value.problems
    assert "otcmf" in lines[told.locations[0].line - 1]


def test_levels_that_make_the_same_cells_are_told_once():
    factors = "{kind: [x, y, z], m: {a: {length: 7}, b: {length: 7.0}}, warmup: [1, 2]}"
    (told,) = mistakes(f"study: s\ntrainable: toy:Modelled\nmetric: score\nfactors: {factors}\n"
                       "seeds: 2\n")  # fmt: skip
    assert told.key == "factors.m"
    assert told.message.endswith("and so are 5 more pairs that differ in nothing else")


def test_a_lost_line_is_one_mistake():
    (told,) = mistakes(FLOW.replace("  epochs: 5\n", "").replace(
        "  flow: [icfm, vp, otcfm]\n", "  mlp: {arch: mlp, lr: 1}\n  dit: {arch: dit, lr: 1}\n"
        ))  # fmt: skip
    assert len((told.key, *told.others)) == 4
    assert len({place.line for place in told.locations}) == 2
    moved = FLOW.replace("  epochs: 5\n", "").replace("factors:\n", "  factors:\n")
    for key in ("flow", "lr", "hidden_dim"):
        moved = moved.replace(f"  {key}: [", f"    {key}: [")
    (told,) = mistakes(moved)
    assert told.fix == "factors is a key of the study: write it at the beginning of a line"


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("a: 1\nb:\n\tc: 1\n", (3, 1), "a tab, where YAML takes spaces only"),
        ("a: 1\nb:2\nc: 3\n", (2, 2), "a space is missing after the colon"),
        ("a:1\nb: 2\n", (1, 2), "a space is missing after the colon"),
        ("a:\n  - x\n  -y\nb: 1\n", (3, 3), "a space is missing after the dash"),
        ("a: 1\nb: [1, 2\nc: [3]\n", (2, 4), "the [ is never closed"),
        ("a: {\n  b: 1\n  c: 2\n}\n", (3, 4), "a comma is missing before this"),
        ("a: [1, 2}\n", (1, 9), "the [ of line 1 is closed by a }"),
        ("a: [1, 2]]\n", (1, 10), "the ] closes nothing"),
        ("b: 'x\nc: 2\n", (1, 4), "the quote ' is never closed"),
        ("b: 'it's'\n", (1, 8), "the text goes on after its closing quote"),
        ("b:\n  c: 1\n    d: 2\n", (3, 5), "indented deeper than line 2, which has a value"),
        ("b:\n    c: 1\n  d: 2\n", (3, 3), "this indentation fits neither line 2 nor those"),
        ("q: does it help: yes\n", (1, 16), "a second 'key: value' on one line"),
        ("q: %x\n", (1, 4), "a value cannot begin with %"),
        ("q: *x\n", (1, 4), "*x stands for an anchor, and there is no &x"),
        ("a:\n  b: 1\n  - x\n", (3, 3), "an item of a list (-) among keys"),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document begins here"),
        ("a: \x07\n", (1, 4), "the character '\\\\x07' cannot stand in YAML"),
        ("# " + "x" * 30_000 + "\na: [1\n", (2, 4), "the [ is never closed"),
    ],
)
def test_what_is_no_yaml_is_told_in_plain_words(text, place, told):
    (problem,) = mistakes(text)
    (location,) = problem.locations
    assert (location.line, location.column) == place
    assert told in problem.message
    line, caret = location.shown
    assert location.excerpt.replace("\t", "\\t").replace("\x07", "\\x07") in line
    assert caret.rindex("^") - line.index("|") - 2 == len(
        location.excerpt[: location.column - 1].expandtabs(2))  # fmt: skip


def test_the_line_is_shown_with_a_caret():
    (problem,) = mistakes("base:\n  lr: 1\n  warmup: 2\n  lr: 3\n")
    assert (
        str(problem)
        == """\
  line 4, column 3: base.lr: the key appears twice in one mapping (first on line 2)
     4 |   lr: 3
       |   ^
      fix: keep one of them"""
    )


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("study: s\nbase:\n  epochs:5\n", "base", "write epochs: 5, with a space after the colon"),
        ("base: {data: {source:npy}}\n", "base.data.source:npy", "write source: npy, with a space"),
        ("factors:\n  flow:\n    -vp\n    -si\n", "factors.flow", "a space after each dash"),
        ("study:s\n", "the file", "write study: s, with a space after the colon"),
    ],
)
def test_a_missing_space_that_is_yaml_is_the_fix(text, key, fix):
    (problem,) = [p for p in mistakes(text) if p.key == key]
    assert fix in problem.fix


def test_broken_files_end_with_a_place_or_a_missing_key():
    """Small mistakes of the hand, two a file."""
    draw = random.Random(22)
    lines = Path(__file__).parents[2].joinpath("search_spaces", "quickstart.yaml")
    lines = lines.read_text(encoding="utf-8").splitlines()
    refused = 0
    for _ in range(80):
        broken = _broken(_broken(lines, draw), draw)
        Path("grid.yaml").write_text("\n".join(broken), encoding="utf-8")
        problems = _problems("grid.yaml")
        refused += bool(problems)
        messages = [problem.message for problem in problems]
        assert all(p.locations or p.message == "missing" for p in problems), broken
        for what in ("is not a factor", "does not say which config keys it sets"):
            assert messages.count(what) < 2, broken
    assert refused > 40


def _problems(path):
    try:
        load_study(path)
    except InputError as error:
        return error.problems
    return []


def _broken(lines, draw):
    at, kind = draw.randrange(1, len(lines)), draw.randrange(9)
    line = lines[at]
    cut, odd = draw.randrange(len(line) + 1), draw.choice("[]{}:'\"\t-,")
    changed = {
        0: [], 1: [line, line], 2: [f"  {line}"], 3: [line[1:]], 4: [line.replace(": ", ":", 1)],
        5: [line[:cut] + odd + line[cut:]], 6: [line[:cut]], 7: [line[: cut - 1] + line[cut:]],
        8: [line.partition(":")[0] + ": " + draw.choice(["null", "-1", "[x]", "{a: 1}", ""])],
    }[kind]  # fmt: skip
    return [*lines[:at], *changed, *lines[at + 1 :]]


def test_a_path_that_leads_to_no_yaml_names_what_is_there(tmp_path):
    for name in ("grid", "other"):
        text = FLOW.replace("  epochs: 5\n", "").replace("study: s", f"study: {name}")
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
        study = load_study(f"{name}.yaml")
        save_study(study, StudyPaths(study.directory))
    Path("grid.yaml").unlink()
    for path, told in (
        ("grid.yaml", "go on with its study, without the file: --resume studies/grid"),
        ("othr.yaml", "write other.yaml, or go on with a study that is there: --resume studies/ot"),
        ("studies/other", "go on with it: --resume studies/other"),
        ("studies", "go on with a study that is there: --resume studies/grid, --resume studies/o"),
        (".", "give one of its files: other.yaml"),
    ):  # fmt: skip
        with pytest.raises(InputError) as error:
            load_study(path)
        assert error.value.problems[0].fix.startswith(told), path
    with pytest.raises(InputError, match="nearest: studies/grid"):
        load_saved_study(Path("studies/gird"))
    Path("studies").rename("elsewhere")
    with pytest.raises(InputError, match="--resume elsewhere/grid"):
        load_study("grid.yaml", ["storage=elsewhere"])
