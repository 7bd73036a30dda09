"""Which error a table rests on, and what the report says where two tables seem to disagree."""

import numpy as np
import pytest
from reports import rows_of
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.methods import methods
from ablate.report.tables import effects_table, metric_table
from ablate.report.words import answers
from ablate.stats.error_terms import ErrorTerm

GRID = {"a": [1, 2, 3], "b": ["x", "y", "z"]}


def grid_record(tmp_path, value_of, num_seeds=3, **changes):
    seeds = list(range(1, num_seeds + 1))
    plan = plan_study(toy_study(tmp_path, factors=GRID, seeds=seeds, **changes))
    return study_record(plan, rows_of(plan, value_of))


def notes_of(record):
    return [note.text for note in metric_table(record, record.metric).notes]


def draws(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return lambda *_: 100 + scale * float(rng.normal())


def changed_by_seeds():
    """(a, b, seed): a=2 adds 1.6 on average, with a spread over seeds of about as much."""
    rng = np.random.default_rng(98)
    runs = rng.normal(size=(4, 3, 4)) + 3 * rng.normal(size=4)
    runs[2] += 1.6 + 1.2 * rng.normal(size=4)
    return runs


class TestErrorTerms:
    def test_a_factor_that_seeds_change_is_named(self, tmp_path):
        noise, changes = draws(0, 0.1), 3 * np.random.default_rng(1).normal(size=(4, 4))
        found = grid_record(tmp_path, lambda c, seed: noise() + changes[c["a"], seed])
        assert list(found.metric.seed_factors) == ["a"]
        [told] = [note for note in notes_of(found) if note.startswith("seeds seem ")]
        assert told.startswith("seeds seem to change what a does, so cells that differ in ")
        errors = [cell.comparison.error for cell in found.metric.cells]
        assert errors[1:3] == [ErrorTerm.POOLED] * 2
        assert errors[3:] == [ErrorTerm.SPLIT_PLOT] * 6
        # Not what the residual alone would find, but what the widest intervals let one see.
        assert found.metric.detectable > found.metric.resolution
        [seen] = [note for note in notes_of(found) if note.startswith("observed differences")]
        assert seen.endswith(" are not significant")
        assert "Seeds seem to change what a does" in methods(found)

    def test_own_spread_is_explained_where_it_stands(self, tmp_path):
        noise = draws(2)
        found = grid_record(
            tmp_path, lambda c, _: 30 * (noise() - 100) * (c == {"a": 3, "b": "z"}) + noise(), 8
        )
        table = metric_table(found, found.metric)
        assert [row.own_spread for row in table.rows] == [False] * 8 + [True]
        [told] = [note.text for note in table.notes if "(own spread)" in note.text]
        more = "cell a=3, b=z seems to scatter more over seeds than the"
        assert told.startswith(f"(own spread): {more} ")
        assert "rests on their own pairs alone" in told
        assert f"\nC{more[1:]} others: " in methods(found)

    def test_a_level_that_scatters_more_is_explained_in_its_table(self, tmp_path):
        noise, wild = draws(8), 20 * np.random.default_rng(9).normal(size=7)
        found = grid_record(tmp_path, lambda c, s: noise() + wild[s] * (c["a"] == 3), 6)
        [block] = found.metric.blocks
        table = effects_table(block, block.effects, found.metric)
        assert [row.own_spread for row in table.rows] == [False, False, True] + [False] * 3
        assert any(note.text.startswith("(own spread): a level of a ") for note in table.notes)

    @pytest.mark.parametrize(("num_seeds", "is_told"), [(3, True), (12, False)])
    def test_what_nobody_sees_of_levels_is_said_by_number(self, tmp_path, num_seeds, is_told):
        noise = draws(7)
        found = grid_record(tmp_path, lambda c, s: noise(), num_seeds)
        [block] = found.metric.blocks
        notes = [n.text for n in effects_table(block, block.effects, found.metric).notes]
        told = [note for note in notes if note.startswith("intervals of a")]
        assert bool(told) == is_told
        assert all("one 3 to 5 times as noisy makes up to " in note for note in told)

    def test_better_as_a_cell_and_within_noise_as_a_factor_is_reconciled(self, tmp_path):
        """What the factor does, seeds change."""
        runs = changed_by_seeds()
        found = grid_record(tmp_path, lambda c, s: runs[c["a"], "xyz".index(c["b"]), s])
        effect = found.metric.blocks[0].effects.mains[0]
        assert found.metric.cells[3].comparison.verdict.is_different
        assert not effect.comparisons.each[1].verdict.is_different
        [block] = found.metric.blocks
        notes = effects_table(block, block.effects, found.metric).notes
        [told] = [note.text for note in notes if "different as cells" in note.text]
        assert told.startswith("a=2, b=x: different as cells, though a over all other factors is ")
        assert "rests on the pooled residual (df 16)" in told
        assert "on factor x seed (df 4)" in told
        [said] = [
            answer
            for answer in answers(found)
            if answer.startswith("a=2, b=x (against a=1) raises ")
        ]
        assert said.endswith("; as a cell only")

    def test_a_factor_with_another_level_that_differs_is_not_called_within_noise(self, tmp_path):
        runs = changed_by_seeds()
        runs[3] += 40
        found = grid_record(tmp_path, lambda c, s: runs[c["a"], "xyz".index(c["b"]), s])
        [block] = found.metric.blocks
        notes = effects_table(block, block.effects, found.metric).notes
        [told] = [note.text for note in notes if "different as cells" in note.text]
        assert "though a=2 over all other factors is within noise" in told

    def test_a_run_far_off_is_named_with_its_cell_and_seed(self, tmp_path):
        noise = draws(4)
        found = grid_record(
            tmp_path, lambda c, s: noise() + 1e4 * (s == 2 and c == {"a": 2, "b": "y"})
        )
        [told] = [text for text in found.metric.cautions if "one run lies far" in text]
        assert "of a=2, b=y with seed 2. It is kept" in told

    def test_spread_that_grows_with_the_mean_is_told_only_where_logarithms_are_not(self, tmp_path):
        rng = np.random.default_rng(5)

        def value(c, _):
            return 4.0 ** c["a"] * 1.2 ** "xyz".index(c["b"]) * float(np.exp(0.1 * rng.normal()))

        for log_scale in (False, True):
            found = grid_record(tmp_path, value, 6, log_scale=log_scale)
            told = any("set log_scale: true" in text for text in found.metric.cautions)
            assert told == (not log_scale)


class TestDataSets:
    @pytest.fixture
    def found(self, tmp_path):
        """Digits in one block, moons in another, whose values are a hundred times as large."""
        block = {"name": "moons", "base": {"data": {"source": "moons"}}}
        factors = {"lr": [0.1, 0.2, 0.3]}
        study = flow_study(
            tmp_path, factors=factors, blocks=[{**block, "factors": factors}], seeds=[1, 2, 3, 4]
        )
        plan, rng = plan_study(study), np.random.default_rng(6)
        scales = [100.0 if run.cell.block else 1.0 for run in plan.runs]
        values = iter([scale * float(rng.normal()) for scale in scales])
        return study_record(plan, rows_of(plan, lambda *_: next(values), study.metric))

    def test_each_has_its_own_residual(self, found):
        small, large = found.metric.comparisons.groups
        assert (list(small.cells), list(large.cells)) == ([0, 1, 2], [3, 4, 5])
        assert large.residual_sd > 20 * small.residual_sd
        assert any(note.startswith("2 groups of cells measure ") for note in notes_of(found))

    def test_a_factor_that_is_the_data_set_says_so(self, tmp_path):
        factors = {"data.source": ["digits", "moons"], "lr": [0.1, 0.2, 0.3]}
        study = flow_study(tmp_path, factors=factors, seeds=[1, 2, 3], allow_incomparable=True)
        plan, noise = plan_study(study), draws(7)
        found = study_record(plan, rows_of(plan, noise, study.metric))
        [block] = found.metric.blocks
        told = [note.text for note in effects_table(block, block.effects, found.metric).notes]
        assert any(note.startswith("levels of data.source measure different ") for note in told)
        assert any("data.source x lr: not tested" in note for note in told)
