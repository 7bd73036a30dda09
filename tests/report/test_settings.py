"""What a number is made with: every setting of every cell, in one table."""

import re

from ray.tune import Trainable
from reports import rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.ledger.history import History
from ablate.plan.plan import plan_study
from ablate.report.files import markdown
from ablate.report.page import page
from ablate.report.sections import sections_of
from ablate.report.settings import settings_listing, settings_text
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import TrainableConfig


class Config(TrainableConfig):
    """Says `size` by what else is set."""

    size: int = 0
    depth: int = 2
    width: int = 8
    rate: float | None = None

    def model_post_init(self, context):
        self.size = self.size or self.width * self.depth


class Deep(Trainable):
    """A trainable with a model of its config."""

    Config = Config


def record_of(study):
    return study_record(plan_study(study), {})


def rows(study):
    """Value and origin of each setting."""
    return {key: (value, how) for key, value, how in settings_listing(record_of(study)).rows}


def test_what_varies_comes_first_and_defaults_last(tmp_path):
    study = flow_study(tmp_path, factors={
        "flow": {"icfm": {"flow": "icfm"}, "target": {"flow": "target", "sigma": 0.1},
                 "vp": {"flow": "vp"}},
        "data.size": ["1k", "all"],
    })  # fmt: skip
    found = rows(study)
    assert list(found)[:3] == ["flow", "sigma", "data.size"]
    assert found["flow"] == ("icfm | target | vp", "varied by flow; default icfm")
    assert found["sigma"] == ("0 (icfm; vp) | 0.1 (target)", "varied by flow; default 0")
    assert found["data.size"] == ("1000 (1k) | all", "varied by data.size; default all")
    assert list(found)[3:6] == ["hidden_dim", "num_layers", "epochs"]
    assert found["epochs"] == ("6", "set; default 300")
    assert {how for _, how in list(found.values())[6:]} == {"default"}
    assert found["solver"] == ("midpoint", "default")


def test_what_the_model_makes_of_other_settings_is_told_apart(tmp_path):
    base = {"depth": 3, "rate": None}
    found = rows(toy_study(tmp_path, trainable="test_settings:Deep", base=base, factors={}))
    assert found == {
        "depth": ("3", "set; default 2"),
        "rate": ("null", "set, as by default"),
        "size": ("24", "follows from other settings; default 0"),
        "width": ("8", "default"),
    }


def test_a_setting_that_two_factors_decide_together(tmp_path):
    factors = {"depth": [1, 2], "width": [8, 16], "rate": [1, 2]}
    found = rows(toy_study(tmp_path, trainable="test_settings:Deep", base={}, factors=factors))
    told = "8 (1, 8) | 16 (1, 16; 2, 8) | 32 (2, 16)"
    assert found["size"] == (told, "varied by depth and width; default 0")
    listed = {"design": "cells", "cells": [{"depth": d, "width": w, "rate": r}
                                           for d, w, r in ((1, 8, 1), (2, 16, 2))]}  # fmt: skip
    found = rows(toy_study(tmp_path, base={}, factors=factors, **listed))
    assert found["width"] == ("8 | 16", "varied by width"), "what sets it, not what goes with it"


def test_settings_of_blocks_and_of_factors_that_do_not_apply(tmp_path):
    factors = {"net": {"small": {"width": 8}, "large": {"width": 16, "warm": 1}}, "gamma": [1, 2]}
    block = {"name": "long", "base": {"length": 9}, "factors": {"depth": [1, 2]}}
    found = rows(toy_study(tmp_path, factors=factors, when={"gamma": {"net": "large"}},
                           blocks=[block]))  # fmt: skip
    assert found["width"] == ("8 (small) | 16 (large) | not given (–)", "varied by net")
    assert found["gamma"] == ("not given (–) | 1 | 2", "varied by gamma")
    assert found["warm"] == ("not given (small; –) | 1 (large)", "varied by net")
    assert found["length"] == ("4 (–) | 9 (long)", "varied by block")


def test_a_split_that_follows_the_seed(tmp_path):
    found = rows(flow_study(tmp_path, split_seed="with_seed", seeds=[1, 2, 3]))
    assert found["data.split_seed"] == ("the run's seed", "varied by seed; default 0")


def test_without_a_model_all_that_is_given_is_shown(tmp_path):
    record = record_of(toy_study(tmp_path, base={"length": 4, "own": {"deep": [1, 2]}}))
    assert settings_listing(record).rows == [
        ["gain", "1 | 2", "varied by gain"], ["length", "4", "set"],
        ["own.deep", "[1,2]", "set"],
    ]  # fmt: skip
    assert "toy:Counter declares no Config" in settings_text(record.settings)


def test_page_and_markdown_have_it_folded_and_small(tmp_path):
    gains, hostile = list(range(150)), {"note": "<b> | `x`"}
    plan = plan_study(toy_study(tmp_path, factors={"gain": gains}, base=hostile))
    record = study_record(plan, rows_of(plan, lambda labels, seed: labels["gain"] + seed))
    sections = [s for s in sections_of(record, History(StudyPaths(tmp_path))) if s.listing]
    [shown] = re.findall(r'<details class="part"><summary><h2>Settings.*?</details>',
                         page(record, sections, ""), re.S)  # fmt: skip
    text = markdown(record)
    assert "<td>&lt;b&gt; | `x`</td>" in shown
    assert "<details><summary>Settings</summary>\n" in text
    assert "| note | &lt;b&gt; \\| \\`x\\` | set |\n" in text
    for told in (shown, text.split("<details>")[1]):
        assert "10 \\| 11 \\| ..." in told or "10 | 11 | ..." in told
        assert len(told) < 1000
