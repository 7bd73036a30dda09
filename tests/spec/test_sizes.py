"""Studies too large, and YAML made to be: refused at once, with the key."""

import copy
import json
import random
import time

import pytest

from ablate.cli.run import main
from ablate.driver.data_check import check_data
from ablate.errors import AblateError, InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from ablate.spec.yaml12 import parse_yaml

TOY = {"study": "t", "trainable": "toy:Counter", "metric": "score", "seeds": [1]}
pytestmark = pytest.mark.timeout(100)  # what is not counted before it is made takes far longer
TENS = {f"f{n}": list(range(10)) for n in range(9)}


def mistakes(overrides=(), **changes):
    with pytest.raises(InputError) as error:
        read_study({**TOY, **changes}, "grid.yaml", overrides)
    return str(error.value)


def unreadable(text):
    with pytest.raises(InputError) as error:
        parse_yaml(text, "grid.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"factors": TENS}, "factors: the grid has 1,000,000,000 cells, more than the 100,000"),
        ({"factors": {f"f{n}": [1, 2] for n in range(20_000)}}, "has about 10^6021 cells"),
        ({"blocks": [{"factors": TENS}]}, "blocks[0].factors: the grid has 1,000,000,000 cells"),
        ({"factors": TENS, "when": {"f1": {"f0": 3}}}, "the grid has 190,000,000 cells"),
        ({"factors": TENS, "when": {f"f{n}": {"f0": [1, 2]} for n in range(1, 9)}},
         "the grid has more than 100,0"),
        ({"factors": {"a": list(range(100_001))}, "design": "one_at_a_time"},
         "factors: has 100,001 cells, more than the 100,000 of a study\n      fix: have fewer, or"),
        ({"factors": {"a": [1]}, "design": "cells", "cells": [{"a": 1}] * 100_001},
         "cells: has 100,001 cells"),
        ({"factors": {"a": list(range(2_000))}, "seeds": 10_000},
         "seeds: 2,000 cells x 10,000 seeds are 20,000,000 runs"),
        ({"seeds": 10**9}, "seeds = 1000000000: a number of seeds is between 1 and 10000"),
        ({"seeds": {"min": 10**6, "max": 10**9, "until": {"half_width": 1}}},
         "seeds.min = 1000000: should be less than or equal to 10000"),
    ],
)  # fmt: skip
def test_a_study_is_counted_before_it_is_made(changes, told):
    text = mistakes(**changes)
    assert told in text
    assert ("one_at_a_time" in text) == ("grid has" in text)


def test_the_environment_says_how_large_a_study_may_be(monkeypatch):
    factors = {"a": [1, 2], "b": [1, 2]}
    monkeypatch.setenv("ABLATE_MAX_CELLS", "3")
    assert "the grid has 4 cells, more than the 3 of a study" in mistakes(factors=factors)
    monkeypatch.setenv("ABLATE_MAX_CELLS", "4")
    assert len(plan_study(read_study({**TOY, "factors": factors}, "x")).cells) == 4
    for bad in ("many", "0", "-1", "1e5", "1.5", "9" * 400):
        monkeypatch.setenv("ABLATE_MAX_CELLS", bad)
        assert "ABLATE_MAX_CELLS" in mistakes(factors=factors)
    monkeypatch.setenv("ABLATE_MAX_CELLS", " ")
    read_study({**TOY, "factors": factors}, "x")


def test_conditions_make_cells_that_a_product_would_not_hold():
    names = "abcdefgh"
    factors = {"flow": list(names), **{name: list(range(20)) for name in names}}
    study = read_study({**TOY, "factors": factors, "when": {n: {"flow": n} for n in names}}, "x")
    cells = plan_study(study).cells
    assert [cell.name for cell in cells[:3]] == ["flow=a, a=0", "flow=a, a=1", "flow=a, a=2"]
    assert len(cells) == 160


def test_planning_takes_time_in_proportion_to_the_cells(tmp_path, monkeypatch):
    """The design and the conditions that took longest."""
    monkeypatch.chdir(tmp_path)

    def planned_s(num_cells):
        rates = [(n + 1) / 2**20 for n in range(num_cells)]
        raw = {"study": "big", "metric": "mmd", "base": {"epochs": 2}, "seeds": [1],
               "factors": {"lr": rates}, "design": "cells", "cells": [{"lr": r} for r in rates],
               "exclude": [{"lr": rate} for rate in rates[1 : num_cells // 10]]}  # fmt: skip
        (tmp_path / "big.yaml").write_text(json.dumps(raw))
        start = time.process_time()
        assert main(["big.yaml", "--plan"]) == 0
        return time.process_time() - start

    planned_s(10)  # imports
    assert planned_s(8_000) < 20 * planned_s(1_000)  # what is quadratic takes 64 times as long


TENFOLD = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{last}'] * 10)}]\n"
    for last, key in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{key}: &{key} {{<<: [*{last}, *{last}, *{last}, *{last}]}}\n"
    for last, key in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TENFOLD, "j: is 12,345,679,021 values long once its aliases (*) are expanded"),
        (MERGES, "q: is"),
        ("a: " + "[" * 100 + "]" * 100, "a: is nested 101 deep"),
        ("[" * 300_000, "is nested too deep"),
        ("a0: &a0 1\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80)),
         "a79: is nested"),
        ("a: {b: [1, &c [*c]]}", "a.b[1][0]: an anchor (&) contains itself"),
        ("a: " + "x" * 5_000_000, "is 5,000,003 characters long"),
        ("a: " + "9" * 400, "a: has 400 digits: beyond 64 bits"),
        ("a: " + "9" * 5000, "a: has 5000 digits"),
        ("a: {b: [1, 1e400]}", "a.b[1]: is beyond 64 bits, which end at 1.8e308"),
        ("a: {b: !!binary aGk=}", "a.b: has the tag !!binary, which is not a type of a study's"),
        ("a: !!python/object/apply:os.getcwd []", "a: has the tag !!python/object/apply:os.getcwd"),
        ("a: !!set {b, c}", "a: has the tag !!set"),
        ("a: !!omap [b: 1]", "a: has the tag !!omap"),
        ("a: !!timestamp 2026-01-01", "a: has the tag !!timestamp"),
        ("a:\n  b: !mine 1", "a.b: has the tag !mine, which is not a type of a study's values"),
        ("a: !!bool maybe", "a: 'maybe' is not !!bool"),
        ("a: !!int x", "a: 'x' is not !!int"),
        ("a: {[1]: 2}", "a: has a key that is a list or a mapping"),
        ("a: {!!binary aGk=: 2}", "a.aGk=: has the tag !!binary"),
    ],
)  # fmt: skip
def test_documents_made_to_be_too_large_or_odd(text, told):
    assert told in unreadable(text)
    assert " 1 mistake\n" in unreadable(text)


def test_long_documents_are_read_as_short_ones_are():
    text = 'a: [1e-3, off, 010, "é", null]\nb: &b {x: 1}\nc: {<<: *b, y: <<}\n'
    assert parse_yaml(text + "# " + "x" * 30_000, "x") == parse_yaml(text, "x")
    assert parse_yaml("\ufeff" + text, "x")["c"] == {"x": 1, "y": "<<"}


FLOW = parse_yaml("""
study: flows
metric: sliced_w2
report_metrics: [mmd]
margin: 0.1
base: {epochs: 3, batch_size: 64, data: {source: moons, rows: 200, size: 100, split_seed: 1}}
factors:
  flow: [icfm, si]
  gamma: [0.1, 0.2]
  m: {a: {lr: 0.001, hidden_dim: 64}, b: {lr: 0.002}}
baseline: {flow: icfm, m: a}
when: {gamma: {flow: [si]}}
exclude: [{flow: si, m: b}]
compare: [{flow: si}]
blocks: [{name: two, base: {sigma: 0.1}, factors: {lr: [0.01, 0.02]}, baseline: {lr: 0.01}}]
seeds: [1, 2]
aa: true
resources: {cpu: 1, gpu: 0}
pack: 2
retries: 1
tracking: {project: p, mode: offline, tags: [x], patience_s: 3}
storage: ./x
""", "x")  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.rows", 10**12), ("data.rows", 2**63 - 1), ("batch_size", 10**9), ("epochs", 10**30),
     ("hidden_dim", 64 * 10**12), ("data.split_seed", -1), ("data.size", 10**6)],
)  # fmt: skip
def test_what_no_machine_holds_is_told_with_its_key(key, value):
    with pytest.raises(AblateError, match=key.rpartition(".")[2]):
        _plan(json.dumps(FLOW), [f"base.{key}={value}"])


ODD = """null true -1 0 1.5 .nan .inf 1e400 9223372036854775807 1e308 [] {} [[]] [{}] {1:_2}
{null:_1} {.nan:_1} {[1]:_2} {"":_1} {"a.b":_1} !!binary_aGk= !!set_{a} !!omap_[a:_1] !foo_x
!!int_abc !!null_x !!str_{a:_1} << 2026-01-01 "\\ud800" "\\0" "" [null] [true] 1000000000000
{a:_{b:_1},"a.b":_2} "../x" &a_[*a]"""


class Raw(str):
    """A text of YAML."""


def _yaml(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"? {_yaml(k)} : {_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return json.dumps(value)


def _places(value, above=()):
    inner = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inner:
        yield (*above, key)
        yield from _places(item, (*above, key))


def _mutated(value, place, odd, at_key):
    value, (first, *rest) = copy.copy(value), place
    if rest:
        value[first] = _mutated(value[first], rest, odd, at_key)
    elif at_key and isinstance(value, dict):
        return {odd if key == first else key: item for key, item in value.items()}
    else:
        value[first] = odd
    return value


def _plan(text, overrides=()):
    planned = plan_study(read_study(parse_yaml(text, "grid.yaml"), "grid.yaml", overrides))
    check_data(planned, planned.runs)
    return planned.notes


def test_odd_values_at_any_key_end_with_a_plan_or_a_message():
    """A seed of its own every time would find more, and fail where nobody changed anything."""
    draw = random.Random(19)
    places = list(_places(FLOW))
    for _ in range(600):
        place, odd = draw.choice(places), draw.choice(ODD.split()).replace("_", " ")
        at_key = draw.random() < 0.2
        text = _yaml(_mutated(FLOW, place, Raw(odd), at_key))
        try:
            _plan(text)
        except AblateError as error:
            told = str(error)
            assert told.startswith(("grid.yaml: ", "flows: ")), (place, odd, told)
            names = [str(key) for key in place if isinstance(key, str)]
            assert at_key or any(name in told for name in names), (place, odd, told)
