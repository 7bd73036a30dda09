"""AdamW over one run's row of the stacked parameters.

It calls the same fused kernel as `torch.optim.AdamW(fused=True)`, so the bits are the same, and its
state has the same layout. `torch.optim.Optimizer` imports the compiler on first use, which takes
two seconds in every worker, and has overhead in every step.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.flow.engine.parameters import RowLayout, Rows

EPS = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, alg. 2).

    Args:
        layout: Where the parameters are in a row.
        row: A run's numbers; weights and moments are updated in place.
        lr: Learning rate; set `lr` before a step to change it.
        betas: Decays of the first and second moments.
        weight_decay: Decay of the weights per step, times the rate.
    """

    def __init__(
        self,
        layout: RowLayout,
        row: Rows,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        self.lr = lr
        self._layout = layout
        self._row = row
        self._betas = betas
        self._weight_decay = weight_decay

    def reset(self) -> None:
        """Forgets all moments: the next step is the first one."""
        for moment in (self._row.first, self._row.second, self._row.count):
            moment.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """One step along the row's gradients."""
        self._row.count.add_(1)
        self.update(self.lr)

    @torch.no_grad()
    def update(
        self,
        lr: float | Tensor,
        grad_scale: Tensor | None = None,
        found_inf: Tensor | None = None,
    ) -> None:
        """The update of a step that the row's count already includes.

        For steps that the host does not see, the arguments are float32 scalars on the device.

        Args:
            lr: Learning rate.
            grad_scale: Divisor of the gradients.
            found_inf: 1 to skip the update.
        """
        row = self._row
        torch._fused_adamw_(
            [row.weights], [row.gradients], [row.first], [row.second], [], [row.count],
            lr=lr, beta1=self._betas[0], beta2=self._betas[1],
            weight_decay=self._weight_decay, eps=EPS, amsgrad=False, maximize=False,
            grad_scale=grad_scale, found_inf=found_inf,
        )  # fmt: skip

    def move(self, row: Rows) -> None:
        """Continues with the same numbers, stored elsewhere."""
        self._row = row

    def state_dict(self) -> dict[str, Any]:
        """In the layout of `torch.optim.AdamW`."""
        first, second = (self._layout.views(m) for m in (self._row.first, self._row.second))
        group = {
            "lr": self.lr, "betas": self._betas, "eps": EPS, "weight_decay": self._weight_decay,
            "fused": True, "params": list(range(len(first))),
        }  # fmt: skip
        return {
            "state": {
                number: {
                    "step": self._row.count.clone(),
                    "exp_avg": first[name].clone(),
                    "exp_avg_sq": second[name].clone(),
                }
                for number, name in enumerate(first)
            },
            "param_groups": [group],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the moments of a checkpoint; one from before the first step has none."""
        self.reset()
        first, second = (
            list(self._layout.views(m).values()) for m in (self._row.first, self._row.second)
        )
        for number, moments in state["state"].items():
            first[number].copy_(moments["exp_avg"])
            second[number].copy_(moments["exp_avg_sq"])
            self._row.count.copy_(moments["step"])
