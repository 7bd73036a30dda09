"""Cells that were not trained alike: plan and report say so in one line, with the numbers."""

import pytest
from reports import rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.driver.session import check_data, plan_notes
from ablate.plan.plan import plan_study
from ablate.report.flags import flags_of
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.contract import TrainableConfig
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import preflight

GRID = {"net": ["mlp", "unet"], "rows": [500, 5000]}


class Own(TrainableConfig):
    """A config of one's own, whose keys say how long a run trains."""

    epochs: int = 10
    width: int = 1

    def planned_steps(self):
        return self.epochs * self.width


def found(tmp_path, steps, factors=None, **columns):
    """A record of runs that took so many steps, by labels and seed."""
    plan = plan_study(toy_study(tmp_path, factors=factors or GRID))
    rows = rows_of(plan, lambda labels, seed: 10 + seed)
    for run in plan.runs:
        labels = run.cell.labels
        number, reason = steps(labels, run.seed)
        own = {name: value(labels) for name, value in columns.items()}
        rows[run.run_id] |= {"step": number, "stop_reason": reason, **own}
    return study_record(plan, rows)


def of_training(texts):
    return [text for text in texts if text.startswith(("cells trained", "cells have", "net:"))]


def planned(study):
    plan = plan_study(study)
    notes = plan_notes(plan, check_data(plan, plan.runs))
    return [note for note in notes if note.startswith("cells train")]


class TestPlan:
    def test_epochs_beside_sizes_are_told_with_what_makes_all_alike(self, tmp_path):
        study = flow_study(tmp_path, factors={"data.size": [128, 512, "all"], "lr": [1e-3, 1e-2]})
        assert planned(study) == [
            "cells train for 6 to 60 steps, by data.size (128: 6; 512: 24; all: 60); set "
            "steps: N to train all equally"
        ]

    @pytest.mark.parametrize(
        "changes",
        [
            {"factors": {"epochs": [2, 4]}},
            {"factors": {"lr": [1e-3, 1e-2]}},
            {"factors": {"data.size": [128, "all"]}, "base": {"steps": 10}},
        ],
    )
    def test_nothing_is_told_where_it_is_asked_or_alike(self, tmp_path, changes):
        assert planned(flow_study(tmp_path, **changes)) == []

    def test_what_is_asked_is_noted_and_no_caution(self, tmp_path):
        """`epochs` is a factor: neither the plan nor the first screen warns of it."""
        for factors, is_warned in (({"epochs": [2, 20]}, False), ({"lr": [1e-3, 1e-2]}, True)):
            plan = plan_study(flow_study(tmp_path, factors=factors))
            rows = rows_of(plan, lambda labels, seed: 10 + seed + len(labels), "sliced_w2")
            longest = plan.cells[-1].labels
            for run in plan.runs:
                rows[run.run_id] |= {"step": 400 if run.cell.labels == longest else 40}
            record = study_record(plan, rows)
            [note] = [note for note in record.notes if note.startswith("cells trained for 40 to ")]
            assert (note in flags_of(record)) == is_warned

    def test_the_steps_of_a_plan_are_those_that_are_taken(self):
        """Both phases of one with a teacher, as the run's row counts them."""
        for config, steps in (
            ({}, 60),
            ({"flow": "reflow"}, 60),
            ({"epochs": None, "steps": 7}, 7),
        ):
            assert preflight({"epochs": 6, **config})["planned_steps"] == steps

    def test_a_config_of_ones_own_may_know_it_too(self):
        model = ConfigModel(Own)
        assert model.planned_steps(Own(width=3)) == 30
        assert ConfigModel().planned_steps({}) is None


class TestReport:
    def test_the_factors_that_explain_it_are_named(self, tmp_path):
        def steps(labels, seed):
            early = labels == {"net": "unet", "rows": 500}
            return (430 + 7 * seed, "early_stopping") if early else (600, "epochs")

        record = found(tmp_path, steps)
        [told] = of_training(flags_of(record))
        assert told == of_training(record.notes)[0]
        assert told.startswith(
            "cells trained for 440 to 600 steps, by net and rows (unet, 500: 440 on average, 2 of "
            "2 stopped early; mlp, 500: 600; "
        )

    def test_one_factor_is_named_alone_and_many_groups_stand_below(self, tmp_path):
        factors = {"length": [1, 2, 3, 4, 5], "net": ["mlp", "unet"]}
        record = found(tmp_path, lambda labels, _: (100 * labels["length"], "done"), factors)
        assert of_training(flags_of(record)) == [
            "cells trained for 100 to 500 steps, by length (1: 100; 2: 200; ...; 5: 500)"
        ]
        assert "steps: 1: 100; 2: 200; 3: 300; 4: 400; 5: 500" in record.notes

    def test_a_little_is_a_note_and_no_flag(self, tmp_path):
        record = found(tmp_path, lambda labels, seed: (600 + 5 * seed, "early_stopping"))
        assert of_training(flags_of(record)) == []
        [told] = of_training(record.notes)
        assert told.startswith("cells trained for 608 steps (net=mlp, rows=500: 608 on average")
        alike = found(tmp_path, lambda labels, seed: (600, "epochs"))
        assert of_training(alike.notes) == []

    def test_parameters_and_machines_by_factor(self, tmp_path):
        record = found(
            tmp_path, lambda labels, seed: (600, "epochs"),
            num_parameters=lambda labels: 100 if labels["net"] == "mlp" else 2000,
            device=lambda labels: {"mlp": "A100", "unet": "H100"}[labels["net"]],
        )  # fmt: skip
        assert of_training(record.notes) == [
            "cells have 100 to 2,000 parameters, by net (mlp: 100; unet: 2,000)",
            "net: mlp on A100; unet on H100: what the levels do cannot be told from what the "
            "machines do",
        ]
        assert of_training(flags_of(record)) == of_training(record.notes)[1:]

    def test_machines_that_all_levels_share_are_no_factor_s(self, tmp_path):
        kinds = iter(["A100", "H100", "A100"] * 4)
        record = found(tmp_path, lambda *_: (600, "epochs"), device=lambda _: next(kinds))
        assert of_training(record.notes) == []


def test_a_study_of_steps_has_no_patience_unless_it_asks(tmp_path):
    factors = {"data.size": [128, "all"]}
    for base, patience in (({"steps": 9}, None), ({"steps": 9, "patience": 3}, 3)):
        plan = plan_study(flow_study(tmp_path, base=base, factors=factors))
        assert {cell.validated.patience for cell in plan.cells} == {patience}
    assert FlowConfig().length_keys == ("steps", "epochs")


def test_unlike_numbers_of_processes_are_a_caution(tmp_path):
    record = found(tmp_path, lambda labels, seed: (60, ""), world_size=lambda labels: 2)
    assert not [text for text in record.cautions if "processes" in text]
    sizes = {500: 2, 5000: 4}
    record = found(tmp_path, lambda labels, seed: (60, ""), world_size=lambda at: sizes[at["rows"]])
    assert (
        "runs trained with unlike numbers of processes (4 runs with 2, 4 runs with 4): batches "
        "differ with them" in record.cautions
    )
