"""Scripts end by `stop` and `--smoke` at a point of their curve, however their points come in."""

import pytest

from ablate.launch.early_end import TRIED, EarlyEnd
from ablate.trainable.contract import REPORT_KEY


def result(*points, iteration=1, status="running"):
    report = {"run_id": "a", "status": status, "points": list(points), "amends": True,
              "times": [0.0] * len(points), "facts": {"step": 99}}  # fmt: skip
    return {"training_iteration": iteration, "time_total_s": 1.0 * iteration,
            "done": status != "running", REPORT_KEY: [report]}  # fmt: skip


def early_end(max_results=None, **bounds):
    stop = {"bounds": bounds, "at_most": [name for name in bounds if name == "loss"]}
    return EarlyEnd({"max_results": max_results, "metric": "acc", "stop": stop})


@pytest.mark.parametrize("status", ["running", "ok"])
@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        ({"acc": 0.25}, [10, 20, 30]),
        ({"loss": 0.8}, [10, 20]),
        ({"step": 20}, [10, 20, 30]),  # 20 has not measured the metric
        ({"training_iteration": 21, "acc": 9}, [10, 20, 30]),
    ],
    ids=str,
)
def test_a_script_ends_at_the_first_point_that_reaches_a_bound(bounds, left, status):
    points = [(10, {"acc": 0.1}), (20, {"loss": 0.5}), (30, {"acc": 0.3}), (40, {"acc": 0.2})]
    ending, told = early_end(**bounds), result(*points, status=status)
    reason = ending.reason(told)
    [report] = told[REPORT_KEY]
    assert [step for step, _ in report["points"]] == left
    assert (report["facts"]["step"], len(report["times"])) == (left[-1], len(left))
    assert reason == report["stop_reason"] == f"stop: {next(iter(bounds))}"
    assert told["done"]


def test_looks_at_a_script_are_no_iterations_of_it():
    ending = early_end(training_iteration=3, acc=0.9)
    for iteration in range(1, 9):
        assert not ending.reason(result(iteration=iteration))
    assert not ending.notices, "nothing was measured yet"
    assert not ending.reason(result((1, {"loss": 1.0}), iteration=9))
    assert "stop waits for acc, which the first result does not have: loss" in ending.notices[0]
    assert early_end(time_total_s=3).reason(result(iteration=3)) == "stop: time_total_s"


def test_a_failed_script_has_not_stopped():
    assert not early_end(acc=0.1).reason(result((1, {"acc": 0.5}), status="failed"))


def test_a_script_that_is_tried_is_to_show_the_studys_metric(monkeypatch):
    ending = early_end(max_results=2)
    told = [result((step, {"loss": 1.0})) for step in range(4)]
    assert [ending.reason(each) for each in told] == [""] * 4
    assert ending.reason(result((4, {"acc": 1.0}))) == TRIED
    waited = early_end(max_results=2)
    assert not any(waited.reason(each) for each in told)
    monkeypatch.setattr("ablate.launch.early_end.MOST_S", 0)
    assert waited.reason(result()) == TRIED
