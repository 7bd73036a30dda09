import torch

from trainables.flow.optimizer import AdamW

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


def test_steps_and_state_are_those_of_torch():
    ours, theirs = parameters(), [t.requires_grad_() for t in parameters()]
    mine = AdamW(ours, **SETTINGS)
    reference = torch.optim.AdamW(theirs, fused=True, **SETTINGS)
    for step in range(5):
        mine.step(gradients(step, ours))
        torch_step(reference, theirs, step)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))

    copied = [t.clone().requires_grad_() for t in ours]
    loaded = torch.optim.AdamW(copied, **SETTINGS)
    loaded.load_state_dict(mine.state_dict())
    again = AdamW([t.clone() for t in ours], **SETTINGS)
    again.load_state_dict(reference.state_dict())
    torch_step(loaded, copied, 5)
    mine.step(gradients(5, ours))
    again.step(gradients(5, ours))
    for a, b, c in zip(ours, copied, again._parameters, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
