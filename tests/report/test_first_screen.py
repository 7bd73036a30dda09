"""The five things that a report says first, in the terminal, on the page and in Markdown."""

import io
import re
from dataclasses import replace

import pytest
from browser import CHROMIUM, Page
from reports import NAN, RESULTS, grid, null_grid, record, rows_of
from rich.console import Console
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.plan.analysis_changes import Change, ChangeKind, Deviation, Topic
from ablate.plan.plan import plan_study
from ablate.report.files import markdown
from ablate.report.first_screen import first_screen, fitting, sight
from ablate.report.flags import flags_of
from ablate.report.output import write_report
from ablate.report.terminal import print_report
from ablate.report.words import answers
from ablate.study_dir import StudyPaths

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
HOSTILE = "<img src=x onerror=alert(1)>" + "long" * 30
FIVE = [".answer", ".scope", ".sight", ".flags", "table"]


def terminal(found, width=80):
    console = Console(file=io.StringIO(), width=width)
    print_report(found, console)
    return console.file.getvalue()


def changed(found):
    """With verdicts that somebody's choice after the results touches."""
    late = Deviation(Change(Topic.MARGIN, ChangeKind.ADDED, now="0.5"), 18)
    cells = [replace(cell, exploratory=[late]) for cell in found.metric.cells]
    return replace(found, metric=replace(found.metric, cells=cells))


class TestAnswer:
    def test_every_factor_has_a_line_then_interactions_then_few_cells(self, tmp_path):
        told = answers(grid(tmp_path))
        heads = [re.split("[,: ]", line)[0] for line in told]
        assert heads == ["a", "b", "a", "a=2", "a=3"]  # of other cells the factors' lines tell
        assert "a and b interact (p < 0.001, adjusted over 1 pair): what a does" in told[2]
        assert told[-1].startswith("a=3, b=y (against a=1, b=x) raises ")

    def test_factors_without_effect_are_told_in_a_line_each(self, tmp_path):
        told = answers(null_grid(tmp_path))
        assert told[0] == "flow, over all others: target, vp within noise"
        assert re.fullmatch(
            r"width, over all others: wide within noise, [-+]0\.\d+ \[-.*, \+.*\]", told[1]
        )
        assert told[2].startswith("interactions: none found in 1 pair of factors (least adjusted ")
        assert told[3:] == ["other cells: 5 within noise"]

    def test_a_factor_on_which_others_depend_is_told_with_their_effect(self, tmp_path):
        factors = {"aug": ["none", "mix"], "alpha": [0.1, 0.5], "net": ["mlp", "unet"]}
        when = {"alpha": {"aug": "mix"}}
        for baseline in ({}, {"aug": "none"}):
            raw = {"factors": factors, "when": when, "baseline": baseline, "seeds": [1, 2, 3]}
            plan = plan_study(toy_study(tmp_path, **raw))
            noise = iter([((7 * n) % 11) / 10 for n in range(18)])
            rows = rows_of(plan, lambda c, s: 5 * (c["aug"] == "mix") + next(noise))  # noqa: B023
            told = answers(study_record(plan, rows))
            assert told[0].startswith(
                "aug, over all others (with alpha's effect): mix raises score by "
            )
            assert [line.split(",")[0] for line in told[1:3]] == ["alpha", "net"]

    @pytest.mark.parametrize(
        ("mode", "by", "text"),
        [
            ("max", 5, "gain=2 raises score by 5.03 [4.82, 5.24] (11.00 -> 16.03, +46 %); 3 seeds"),
            (
                "min",
                5,
                "gain=2 raises score by 5.03 [4.82, 5.24] (11.00 -> 16.03, +46 %); worse; 3 seeds",
            ),
            ("min", -5, "gain=2 lowers score by 4.97 [4.76, 5.18] (11.00 -> 6.03, -45 %); 3 seeds"),
        ],
    )
    def test_the_verb_says_the_direction(self, tmp_path, mode, by, text):
        base = [10.0, 12.0, 11.0]
        near = [10.1, 11.9, 11.0]
        moved = [value + by + noise for value, noise in zip(base, (0, 0.1, 0), strict=True)]
        found = record(tmp_path, {1: base, 2: moved, 3: near}, mode=mode)
        assert answers(found)[0] == text

    def test_shares_are_of_what_has_ratios_and_a_sign(self, tmp_path):
        results = {1: [-1.0, 1.0, 0.0], 2: [4.0, 6.1, 5.0], 3: [-1.0, 0.9, 0.1]}
        assert " (0.00 -> 5.03); " in answers(record(tmp_path, results))[0]

    def test_a_table_of_many_cells_is_not_told_line_by_line(self, tmp_path):
        results = {n: [n + 0.3 * ((7 * n + 3 * s) % 5) for s in range(3)] for n in range(1, 30)}
        told = answers(record(tmp_path, results))
        assert told[4:] == ["gain=2: within noise"]
        assert re.fullmatch(r"gain=\d+; gain=\d+; gain=\d+ and \d+ more: better", told[3])


class TestSight:
    def test_what_is_invisible_is_said_of_observed_differences(self, tmp_path):
        told = sight(record(tmp_path, {n: RESULTS[n] for n in (1, 2, 3)}).metric)
        assert re.fullmatch(r"differences below 0\.2\d cannot be seen \(seed sd 0\.\d+\)", told)

    def test_a_cell_that_lost_most_of_its_runs_is_seen_less_well(self, tmp_path):
        told = sight(record(tmp_path).metric)
        assert re.match(r"differences below 0\.24 to 0\.36 \(by cell\) cannot be seen", told)

    def test_where_each_cell_has_its_own_spread_there_is_a_range(self, tmp_path):
        told = sight(grid(tmp_path, log_scale=True).metric)
        assert re.fullmatch(r"differences below [\d.]+ % to [\d.]+ % \(by cell\) cannot .*", told)

    def test_a_factor_that_seeds_change_is_seen_less_well_than_another(self, tmp_path):
        """Neither of the two widths of interval holds of both kinds of cells."""
        factors = {"flow": ["icfm", "vp"], "width": ["narrow", "wide"]}
        plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3, 4, 5, 6]))
        noise = iter([0.01 * ((7 * n) % 5) for n in range(24)])

        def value(labels, seed):
            return 10 + (labels["flow"] == "vp") * (seed % 3) + next(noise)

        found = study_record(plan, rows_of(plan, value))
        halves = [(c.comparison.high - c.comparison.low) / 2 for c in found.metric.cells[1:]]
        low, high = re.search(
            r"below ([\d.]+) to ([\d.]+) \(by cell\)", sight(found.metric)
        ).groups()
        assert float(low) == pytest.approx(min(halves), rel=0.05)
        assert float(high) == pytest.approx(max(halves), rel=0.05)
        assert float(high) > 10 * float(low)

    def test_results_that_never_vary_show_nothing(self, tmp_path):
        found = record(tmp_path, {1: [0.7] * 3, 2: [0.8] * 3, 3: [0.7] * 3})
        assert sight(found.metric).startswith("seed sd 0: ")
        assert flags_of(found)[0].startswith("runs do not vary at all between seeds")

    def test_what_is_told_of_factors_is_not_what_is_told_of_cells(self, tmp_path):
        told = sight(null_grid(tmp_path).metric)
        assert re.fullmatch(r"differences of cells below [\d.]+ cannot be seen \(seed .*\)", told)

    def test_one_seed_shows_nothing(self, tmp_path):
        found = record(tmp_path, {1: [1.0], 2: [2.0]}, seeds=[1])
        assert sight(found.metric).startswith("seed sd unknown: ")


class TestFlags:
    def test_at_most_three_the_most_serious_first(self, tmp_path):
        results = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, NAN], 3: [10.1, 11.9, 11.0]}
        found = changed(record(tmp_path, results))
        environment = replace(found.environment, devices=["H100", "<b>CPU</b>"])
        metric = replace(found.metric, cautions=["runs ended early", "another one"])
        found = replace(
            found, environment=environment, metric=metric, cautions=["two versions of the code"]
        )
        told = flags_of(found)
        assert [text.split(":")[0] for text in told] == [
            "exploratory", "two versions of the code",
            "runs lost by their own cells (failed or diverged)",
            "runs were made on 2 kinds of device", "runs ended early", "another one",
        ]  # fmt: skip
        first = first_screen(found)
        assert (list(first.flags), first.more_flags) == (told[:3], "and 3 more below")

    def test_runs_to_come_are_told(self, tmp_path):
        plan = plan_study(toy_study(tmp_path, seeds=[1, 2, 3]))
        [told] = [text for text in flags_of(study_record(plan, {})) if "have no score" in text]
        assert told == f"{len(plan.runs)} of {len(plan.runs)} runs have no score: " + (
            f"{len(plan.runs)} pending"
        )

    def test_nothing_to_beware_of_is_no_flag(self, tmp_path):
        assert flags_of(null_grid(tmp_path)) == []


def test_parts_that_do_not_fit_are_left_out():
    parts = ["data digits", "split_seed 0", "final weights"]
    assert fitting(parts, 80) == "data digits; split_seed 0; final weights"
    assert fitting(parts, 30) == "data digits; split_seed 0; ..."
    assert fitting(parts, 10) == "data di..."
    assert fitting([], 10) == ""


@pytest.mark.parametrize("make", [grid, null_grid])
def test_the_first_screen_of_six_cells_fits_a_terminal_of_24_lines(tmp_path, make):
    question = "Do the target and VP paths beat I-CFM on 8x8 digits, whatever the network's width?"
    lines = terminal(changed(make(tmp_path, question=question))).splitlines()
    assert max(map(len, lines[: lines.index("", 1)])) <= 80
    assert len(lines[1 : lines.index("", 1)]) <= 24
    text = "\n".join(lines)
    order = [lines[2].split(":")[0], "scope: ", "cannot be seen", "caution: exploratory"]
    order = [*order, "(higher is better)"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_markdown_begins_with_the_five(tmp_path):
    text = markdown(changed(grid(tmp_path)))
    order = ["a, within b", "Scope: ", "cannot be seen", "caution: exploratory", "## score"]
    order = [*order, "floor"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


@needs_chromium
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 380)])
def test_the_page_shows_the_five_first_and_folds_the_rest(tmp_path, scheme, width):
    results = {HOSTILE: [10.0, 12.0, 11.0], "b": [15.0, 17.1, 16.0], "c": [10.1, 11.9, NAN]}
    found = changed(record(tmp_path, results, question=HOSTILE, baseline={"gain": HOSTILE}))
    write_report(found, StudyPaths(tmp_path))
    with Page(width=width) as page:
        page.scheme(scheme)
        page.open(tmp_path / "report" / "index.html")
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        tops = [
            page.js(f"document.querySelector('.first {name}').getBoundingClientRect().top")
            for name in FIVE
        ]
        assert tops == sorted(tops)
        assert page.js("document.documentElement.scrollWidth") <= width
        page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.js("document.querySelectorAll('.first img').length") == 0
        assert page.js("document.querySelectorAll('main > details > summary > h2').length") >= 3
        assert page.js("document.querySelectorAll('svg.strip').length") == 3
        assert page.js("document.querySelectorAll('svg.strip circle').length") == 8
        label = page.js("document.querySelectorAll('svg.strip title')[1].textContent")
        assert label == "seed 1: 15.0, seed 2: 17.1, seed 3: 16.0"
        page.screenshot(tmp_path / f"{scheme}.png")
