"""A `torch.optim.Optimizer` of people's own over one run's row of the stacked parameters.

Its parameters share the row's memory, and so do their gradients: clipping, the average of the
weights and packs go on as with the built-in optimizer. The rate is set before every step.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import told_of
from trainables.flow.config.own_parts import own_maker
from trainables.flow.config.run import FlowConfig
from trainables.flow.engine.parameters import RowLayout, Rows

GIVEN = ("params", "lr", "weight_decay", "betas")
NEEDS = GIVEN[:2]


class OwnOptimizer:
    """The optimizer that a config names, with the interface of the built-in one.

    Args:
        config: Names it.
        layout: Where the parameters are in a row.
        row: A run's numbers; weights are updated in place.

    Raises:
        ConfigError: If it cannot be made.
    """

    def __init__(self, config: FlowConfig, layout: RowLayout, row: Rows) -> None:
        self.lr = config.lr
        """Of the next step; parameter groups keep their ratios to it."""
        self._config = config
        self._layout = layout
        self._params = [nn.Parameter(view) for view in layout.views(row.weights).values()]
        self.move(row)
        self.reset()

    def reset(self) -> None:
        """Starts over: the next step is the first one."""
        config = self._config
        self._optimizer = make_optimizer(config, self._params)
        groups = self._optimizer.param_groups
        self._ratios = [group["lr"] / config.lr if "lr" in group else None for group in groups]

    def step(self) -> None:
        """One step along the row's gradients."""
        for group, ratio in zip(self._optimizer.param_groups, self._ratios, strict=True):
            if ratio is not None:
                group["lr"] = ratio * self.lr
        for parameter, gradient in zip(self._params, self._gradients, strict=True):
            parameter.grad = gradient.clone()  # it may keep it, and the row gets the next one
        self._optimizer.step()
        with torch.no_grad():
            for parameter, weight in zip(self._params, self._weights, strict=True):
                if parameter.data_ptr() != weight.data_ptr():  # `p.data = ...`
                    weight.copy_(parameter)
                    parameter.data = weight

    def move(self, row: Rows) -> None:
        """Continues with the same numbers, stored elsewhere."""
        self._weights = list(self._layout.views(row.weights).values())
        self._gradients = list(self._layout.views(row.gradients).values())
        for parameter, weight in zip(self._params, self._weights, strict=True):
            parameter.data = weight

    def state_dict(self) -> dict[str, Any]:
        """A copy of the optimizer's own."""
        return copy.deepcopy(self._optimizer.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state of a checkpoint."""
        self.reset()
        self._optimizer.load_state_dict(dict(state))


def make_optimizer(config: FlowConfig, params: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that a config names, over some parameters.

    Raises:
        ConfigError: If it cannot be made.
    """
    name, arguments = config.optimizer, config.optimizer_args
    maker = own_maker("optimizer", name, arguments, GIVEN, NEEDS)
    betas = config.beta1, config.beta2
    try:
        made = maker(
            params=list(params), lr=config.lr, weight_decay=config.weight_decay, betas=betas
        )
    except Exception as error:
        raise ConfigError(f"{name} fails: {told_of(error)}", keys=["optimizer"]) from error
    if not isinstance(made, torch.optim.Optimizer):
        raise ConfigError(
            f"{name} makes {type(made).__name__}, which is no torch.optim.Optimizer",
            keys=["optimizer"],
        )
    return made
