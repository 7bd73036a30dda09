"""AdamW over one run's slices of the stacked parameters.

It calls the same fused kernel as `torch.optim.AdamW(fused=True)`, so the bits are the same, and its
state has the same layout. `torch.optim.Optimizer` imports the compiler when it is first built: two
seconds for every worker, and it costs time in every step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

EPS = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2).

    Args:
        parameters: What it updates, in place.
        lr: Learning rate; set `lr` before a step to change it.
        betas: Decays of the first and second moments.
        weight_decay: Decay of the weights, times the rate, a step.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        self.lr = lr
        self._betas = betas
        self._weight_decay = weight_decay
        self._parameters = list(parameters)
        self.reset()

    def reset(self) -> None:
        """Forgets all moments: the next step is the first one."""
        self._first = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._second = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._count = torch.zeros((), device=self._parameters[0].device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step along the gradients, one a parameter."""
        self._count += 1
        torch._fused_adamw_(
            self._parameters, list(gradients), self._first, self._second, [],
            [self._count] * len(self._parameters), lr=self.lr, beta1=self._betas[0],
            beta2=self._betas[1], weight_decay=self._weight_decay, eps=EPS, amsgrad=False,
            maximize=False,
        )  # fmt: skip

    def move(self, parameters: Sequence[Tensor]) -> None:
        """Goes on with the same parameters at another place."""
        self._parameters = list(parameters)

    def state_dict(self) -> dict[str, Any]:
        """In the layout of `torch.optim.AdamW`."""
        moments = zip(self._first, self._second, strict=True)
        group = {
            "lr": self.lr, "betas": self._betas, "eps": EPS, "weight_decay": self._weight_decay,
            "fused": True, "params": list(range(len(self._parameters))),
        }  # fmt: skip
        return {
            "state": {
                number: {
                    "step": self._count.clone(),
                    "exp_avg": first.clone(),
                    "exp_avg_sq": second.clone(),
                }
                for number, (first, second) in enumerate(moments)
            },
            "param_groups": [group],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over the moments of a checkpoint; one without any is from before the first step."""
        self.reset()
        for number, moments in state["state"].items():
            self._first[number].copy_(moments["exp_avg"])
            self._second[number].copy_(moments["exp_avg_sq"])
            self._count.copy_(moments["step"])
