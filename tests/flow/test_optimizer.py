import torch

from trainables.flow.engine.optimizer import AdamW
from trainables.flow.engine.parameters import RowLayout, Rows

SETTINGS = {"lr": 3e-3, "betas": (0.8, 0.99), "weight_decay": 0.1}


def parameters():
    source = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=source) for shape in ((64, 32), (32,), (7, 5))]


def gradients(step, like):
    source = torch.Generator().manual_seed(100 + step)
    return [torch.randn(tensor.shape, generator=source) for tensor in like]


def torch_step(optimizer, tensors, step):
    for tensor, gradient in zip(tensors, gradients(step, tensors), strict=True):
        tensor.grad = gradient
    optimizer.step()


class Ours:
    """The optimizer on parameters that lie in the second of three rows."""

    def __init__(self, tensors):
        named = {str(number): tensor for number, tensor in enumerate(tensors)}
        layout = RowLayout(named)
        row = Rows.of(layout.rows([named] * 3, torch.device("cpu"))).row(1)
        self.optimizer = AdamW(layout, row, **SETTINGS)
        self.tensors = list(layout.views(row.weights).values())
        self._gradients = list(layout.views(row.gradients).values())

    def step(self, number):
        torch._foreach_copy_(self._gradients, gradients(number, self.tensors))
        self.optimizer.step()


def test_steps_and_state_are_those_of_torch():
    ours, theirs = Ours(parameters()), [t.requires_grad_() for t in parameters()]
    reference = torch.optim.AdamW(theirs, fused=True, **SETTINGS)
    for step in range(5):
        ours.step(step)
        torch_step(reference, theirs, step)
    assert all(torch.equal(a, b) for a, b in zip(ours.tensors, theirs, strict=True))

    copied = [t.clone().requires_grad_() for t in ours.tensors]
    loaded = torch.optim.AdamW(copied, **SETTINGS)
    loaded.load_state_dict(ours.optimizer.state_dict())
    again = Ours([t.clone() for t in ours.tensors])
    again.optimizer.load_state_dict(reference.state_dict())
    torch_step(loaded, copied, 5)
    for side in (ours, again):
        side.step(5)
    for a, b, c in zip(ours.tensors, copied, again.tensors, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
