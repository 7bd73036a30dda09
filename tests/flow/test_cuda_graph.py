"""When steps are replayed as a graph, and what becomes of a graph that is wrong.

On the CPU, with stand-ins for the graph: no test here has a GPU.
"""

import pytest
import torch
from flow_packs import specs_of, train, unwatched
from states import assert_same

from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.gpu import graphed_step
from trainables.flow.engine.gpu.graphed_step import CHECKED_STEPS
from trainables.flow.engine.pack import Pack

RUNS = [{"flow": "vp"}, {"lr": 3e-3, "warmup": 0.5}, {"lr": 1e9, "clip": None}]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


class Graph:
    """What `captured` would return, if replaying went as `replay(steps)` says."""

    def __init__(self, steps, replay):
        self.steps, self._replay, self.replays = steps, replay, 0

    def replay(self):
        self.replays += 1
        self._replay(self.steps)


@pytest.fixture
def graphs(monkeypatch):
    """Lets packs have graphs: give it what a replay does; it returns the list of those made."""

    def let(replay):
        made = []

        def captured(steps):
            made.append(Graph(steps, replay))
            return made[-1]

        monkeypatch.setattr(graphed_step, "can_capture", lambda device: True)
        monkeypatch.setattr(graphed_step.GraphedStep, "_captured", captured)
        return made

    return let


def states(pack):
    return [pack.run_state(run) for run in pack.runs]


def warnings(pack):
    return [run.progress.warnings for run in pack.runs]


def test_a_right_graph_is_checked_and_used(graphs):
    specs = specs_of(RUNS, "mlp", "wide")
    expected = states(train(unwatched(specs)))
    made = graphs(graphed_step.GraphedStep._step)
    pack = train(unwatched(specs))
    assert_same(states(pack), expected)
    assert warnings(pack) == [[], [], []]
    assert len(made) > 1  # another once a run has ended
    assert made[-1].replays > CHECKED_STEPS


def nothing(steps):
    pass


def loss_alone(steps):
    before = {name: tensor.clone() for name, tensor in vars(steps._rows).items()}
    steps._step()
    for name, tensor in vars(steps._rows).items():
        tensor.copy_(before[name])


def no_average(steps):
    before = steps._rows.average.clone()
    steps._step()
    steps._rows.average.copy_(before)


def no_weights(steps):
    before = steps._rows.weights.clone()
    steps._step()
    steps._rows.weights.copy_(before)


def old_points(steps):
    points = steps._inputs[0]
    now = points.clone()
    points.copy_(now.flip(0))
    steps._step()
    points.copy_(now)


def one_run_of_three(steps):
    before = steps._rows.second[1].clone()
    steps._step()
    steps._rows.second[1].copy_(before)


def no_numbers(steps):
    steps._step()
    steps._rows.gradients.fill_(torch.nan)


def of_losses(steps):
    steps._step()
    steps._measured[0, 0] *= 1.01


@pytest.mark.parametrize(
    ("replay", "named"),
    [
        (nothing, "gradients"), (loss_alone, "first"), (no_average, "average"),
        (no_weights, "weights"), (old_points, "gradients"), (one_run_of_three, "second"),
        (no_numbers, "gradients"), (of_losses, "measured"),
    ],
)  # fmt: skip
def test_a_graph_that_differs_is_let_go_with_a_warning(graphs, replay, named):
    specs = specs_of(RUNS[:2], "mlp", "wide")
    expected = states(train(unwatched(specs), 2))
    made = graphs(replay)
    pack = train(unwatched(specs), 2)
    for state in expected:
        state["progress"]["warnings"] = warnings(pack)[0]
    assert_same(states(pack), expected)
    assert [graph.replays for graph in made] == [1]
    for told in warnings(pack):
        assert len(told) == 1
        assert told[0].startswith("the CUDA graph is not used: its step differs from the ordinary")
        assert named in told[0]


def test_rounding_is_no_difference(graphs):
    def rounded(steps):
        steps._step()
        noise = 1 + 1e-5 * torch.randn(steps._rows.gradients.shape)
        for tensor in (steps._rows.gradients, steps._rows.first, steps._rows.second):
            tensor.mul_(noise)

    made = graphs(rounded)
    pack = train(unwatched(specs_of(RUNS[:2], "mlp", "wide")), 2)
    assert warnings(pack) == [[], []]
    assert made[0].replays > CHECKED_STEPS


@pytest.mark.parametrize(("asked", "device", "taken"), [
    (False, "cpu", "_train_watched"), (True, "cpu", "_train_watched"),
    (False, "meta", "_train_watched"), (True, "meta", "_train_on_device"),
])  # fmt: skip
def test_a_graph_is_for_those_who_ask(monkeypatch, asked, device, taken):
    """The device without numbers stands for a GPU."""
    seen = []
    for name in ("_train_watched", "_train_on_device"):
        monkeypatch.setattr(Pack, name, lambda pack, name=name: seen.append(name))
    specs = specs_of([{"cuda_graph": asked}], "mlp", "wide")
    Pack(specs, [load_dataset(specs[0].config.data)], torch.device(device)).take_steps()
    assert seen == [taken]


def test_how_steps_are_taken_is_no_part_of_a_run():
    raw = {"study": "s", "metric": "sliced_w2", "seeds": [1]}
    plain, asked = (
        plan_study(read_study({**raw, "base": base}, "x"))
        for base in ({"epochs": 3}, {"epochs": 3, "cuda_graph": True})
    )
    assert [run.run_id for run in plain.runs] == [run.run_id for run in asked.runs]
    configs = [spec.config for spec in specs_of([{}, {"cuda_graph": True}], "mlp", "wide")]
    assert configs[0].pack_key() != configs[1].pack_key()
    assert configs[0].same_training(60) == configs[1].same_training(60)
