"""The table of optimizers, torch-free; `engine.optimizer` and `engine.own_optimizer` are them."""

from trainables.flow.config.elsewhere import Table
from trainables.flow.config.ingredient import Ingredient

_COMMON = ("weight_decay", "beta1", "beta2")
OPTIMIZERS = Table(
    {"adamw": Ingredient(knobs=_COMMON)},
    Ingredient(
        knobs=(*_COMMON, "optimizer_args"),
        refuses={
            "cuda_graph": "takes its steps on the host, which a CUDA graph cannot replay: set "
            "cuda_graph: false, or optimizer: adamw"
        },
    ),
)
