"""Augmentation of x_1 before the coupling: mixup, noise, dropout, one's own, in training only.

Each draws from its own streams, so that switching one on shifts no other draw of the run, and gets
only the knobs of its row in `augmentations`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainables.flow.config.augmentations import AUGMENTATIONS, AugmentationKeys
from trainables.flow.ingredients.own_calls import Steps
from trainables.flow.ingredients.own_ingredients import own_augmented
from trainables.flow.randomness import Stream, Streams


def augment(config: AugmentationKeys, x_1: Tensor, steps: Steps) -> Tensor:
    """Batches of rows, augmented.

    Args:
        config: Says which augmentations, and how strong.
        x_1: Rows in normalised coordinates, (steps, batch, dim).
        steps: Which steps.

    Returns:
        (steps, batch, dim).
    """
    for name in config.augmentations:
        if name in AUGMENTATIONS:
            x_1 = AUGMENT[name](x_1, steps.streams, **AUGMENTATIONS[name].values(config))
        else:
            x_1 = own_augmented(config, name, x_1, steps)
    return x_1


def _mixup(x_1: Tensor, streams: Streams, mixup_alpha: float) -> Tensor:
    """Each row mixed with another of its batch; Zhang et al. 2018 (arXiv:1710.09412), eq. 1."""
    steps, batch, _ = x_1.shape
    shape = (steps, batch, 2)
    # Beta(a, a) as a ratio of gammas, in double precision: for small a they come near zero.
    gammas = torch._standard_gamma(
        torch.full(shape, mixup_alpha, dtype=torch.float64, device=x_1.device),
        generator=streams["mixup weight"],
    )
    weight = (gammas[..., 0] / gammas.sum(-1).clamp_min(1e-300)).to(x_1.dtype).unsqueeze(-1)
    keys = _uniform((steps, batch), streams, "mixup partner")
    partner = keys.argsort(dim=1, stable=True).unsqueeze(-1).expand_as(x_1)
    return weight * x_1 + (1 - weight) * x_1.gather(1, partner)


def _noise(x_1: Tensor, streams: Streams, noise_std: float) -> Tensor:
    draws = torch.randn(x_1.shape, generator=streams["aug noise"], device=streams.device)
    return x_1 + noise_std * draws.to(x_1.dtype)


def _dropout(x_1: Tensor, streams: Streams, dropout_rate: float) -> Tensor:
    """Sets coordinates to zero, the mean, and scales the others up to keep their expectation."""
    mask = _uniform(x_1.shape, streams, "aug dropout") >= dropout_rate
    return x_1 * mask / (1 - dropout_rate)


def _uniform(shape: Sequence[int], streams: Streams, stream: Stream) -> Tensor:
    return torch.rand(*shape, generator=streams[stream], device=streams.device)


AUGMENT: dict[str, Callable[..., Tensor]] = {"mixup": _mixup, "noise": _noise, "dropout": _dropout}
