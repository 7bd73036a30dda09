"""The table of velocity networks, and names and shapes of their parameters, torch-free.

So a plan can count parameters; `networks.velocity.NETWORKS` computes the networks.

A run's weight is (in, out); the networks stack those of K runs as (K, in, out). Data widths are
zero-padded to widths at which kernels give a run the same bits alone and in a pack; padding learns
nothing and is not counted.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.flow.config.elsewhere import Table
from trainables.flow.config.ingredient import Ingredient, Int, Keys, NameIn

TIME_DIM = 64
"""Width of the time embedding."""
NUM_TOKENS = 16
"""Tokens into which `dit` cuts a vector; at most one per coordinate."""
MLP_RATIO = 4
"""Width of a `dit` block's MLP over the width of the block."""

WIDTH_MULTIPLE = 64
"""Matrix kernels give a run the same bits alone and in a pack only at multiples of this width."""

Shapes = dict[str, tuple[int, ...]]
RowShape = int | tuple[int, ...]
"""Of one row of data: its width, or its axes where it has several."""
Width = Callable[[int], int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Arch(Ingredient):
    """A velocity network."""

    scales: Mapping[str, tuple[int, int]]
    """`hidden_dim` and `num_layers` of each scale."""
    shapes: Callable[..., Shapes] | None
    """Shapes of its parameters, from the width of the data, `hidden_dim`, `num_layers`, the
    padding of data widths, and the knobs; None: it is a module, and has to be made to know."""
    zero_init: tuple[str, ...] = ()
    """Layers, by the last part of their names, whose weights start at zero."""
    gains_on_cpu: bool = True
    """Whether packs of such runs can pay off on a CPU."""


def padded(width: int) -> int:
    """The next width at which matrix kernels give a run the same bits alone and in a pack."""
    return -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def num_parameters(config: "NetworkKeys", rows: RowShape) -> int:
    """Trainable parameters of one run on data with such rows, without padding."""
    return sum(math.prod(shape) for shape in unpadded_shapes(config, rows).values())


def parameter_shapes(config: "NetworkKeys", rows: RowShape) -> Shapes:
    """Shapes by name of one run's parameters on data with such rows."""
    return _shapes(config, rows, padded)


def unpadded_shapes(config: "NetworkKeys", rows: RowShape) -> Shapes:
    """The same without padding."""
    return _shapes(config, rows, _as_it_is)


def row_width(rows: RowShape) -> int:
    """Numbers in a row."""
    return rows if isinstance(rows, int) else math.prod(rows)


def tokens(dim: int) -> tuple[int, int]:
    """Number and width of the tokens of a vector; the last one may be partly empty."""
    width = -(-dim // NUM_TOKENS)
    return -(-dim // width), width


def unet_widths(hidden_dim: int, num_layers: int) -> list[int]:
    """Widths of the levels of a U-Net, widest first, each half of the one above."""
    return [padded(max(1, hidden_dim >> level)) for level in range(num_layers)]


def _shapes(config: "NetworkKeys", rows: RowShape, data_width: Width) -> Shapes:
    row = ARCHS[config.arch]
    if row.shapes is None:
        from trainables.flow.networks.modules import trained_shapes

        return trained_shapes(config, rows)
    dim = row_width(rows)
    return dict(_made(row, dim, config.shape, data_width, tuple(row.values(config).items())))


@functools.lru_cache(maxsize=256)  # a plan of ten thousand cells has few networks
def _made(
    row: Arch, dim: int, shape: tuple[int, int], data_width: Width, knobs: tuple[Any, ...]
) -> Shapes:
    assert row.shapes is not None
    own = row.shapes(dim, *shape, data_width, **dict(knobs))
    return own | _linear("skip", TIME_DIM, data_width(dim))


def _as_it_is(width: int) -> int:
    return width


def _linear(name: str, width_in: int, width_out: int) -> Shapes:
    return {f"{name}.weight": (width_in, width_out), f"{name}.bias": (width_out,)}


def _mlp(dim: int, hidden_dim: int, num_layers: int, data_width: Width) -> Shapes:
    shapes = _linear("in", data_width(dim), hidden_dim) | _linear("time", TIME_DIM, hidden_dim)
    for layer in range(1, num_layers):
        shapes |= _linear(str(layer), hidden_dim, hidden_dim)
    return shapes | _linear("out", hidden_dim, data_width(dim))


def _dit(dim: int, hidden_dim: int, num_layers: int, data_width: Width) -> Shapes:
    num_tokens, token_width = tokens(dim)
    width = data_width(token_width)
    shapes = _by_token("tokens", num_tokens, width, hidden_dim)
    shapes |= _linear("time.0", TIME_DIM, hidden_dim) | _linear("time.1", hidden_dim, hidden_dim)
    for block in range(num_layers):
        name = f"blocks.{block}"
        shapes |= _linear(f"{name}.modulation", hidden_dim, 6 * hidden_dim)
        shapes |= _linear(f"{name}.qkv", hidden_dim, 3 * hidden_dim)
        shapes |= _linear(f"{name}.attention", hidden_dim, hidden_dim)
        shapes |= _linear(f"{name}.mlp.0", hidden_dim, MLP_RATIO * hidden_dim)
        shapes |= _linear(f"{name}.mlp.1", MLP_RATIO * hidden_dim, hidden_dim)
    shapes |= _linear("modulation", hidden_dim, 2 * hidden_dim)
    return shapes | _by_token("out", num_tokens, hidden_dim, width)


def _by_token(name: str, num_tokens: int, width_in: int, width_out: int) -> Shapes:
    return {
        f"{name}.weight": (num_tokens, width_in, width_out),
        f"{name}.bias": (num_tokens, width_out),
    }


def _unet(dim: int, hidden_dim: int, num_layers: int, data_width: Width) -> Shapes:
    widths = unet_widths(hidden_dim, num_layers)
    shapes = _linear("time", TIME_DIM, TIME_DIM)
    layers = {
        f"down.{level}": pair
        for level, pair in enumerate(itertools.pairwise([data_width(dim), *widths]))
    }
    layers["middle"] = (widths[-1], widths[-1])
    for level in reversed(range(num_layers)):
        # Each level on the way up takes the one below, concatenated with its own skip.
        layers[f"up.{level}"] = (2 * widths[level], widths[max(level - 1, 0)])
    for name, (width_in, width_out) in layers.items():
        shapes |= _linear(name, width_in, width_out)
        shapes |= _linear(f"{name}.film", TIME_DIM, 2 * width_out)
    return shapes | _linear("out", widths[0], data_width(dim))


_BUILT_IN = {
    "mlp": Arch(
        scales={"tiny": (64, 2), "small": (128, 3), "base": (320, 4)},
        shapes=_mlp,
    ),
    "dit": Arch(
        scales={"tiny": (64, 2), "small": (128, 4), "base": (256, 7)},
        shapes=_dit,
        zero_init=("modulation", "out"),
        gains_on_cpu=False,  # such runs do not fit its cache
    ),
    "unet": Arch(
        scales={"tiny": (128, 2), "small": (256, 3), "base": (1024, 3)},
        shapes=_unet,
        zero_init=("film",),
    ),
}
MODULE = Arch(
    scales={},
    shapes=None,
    knobs=("arch_args", "call"),
    gains_on_cpu=False,  # its runs take their steps one after another
    refuses={"cuda_graph": "takes its steps one by one: set cuda_graph: false"},
)
"""A `torch.nn.Module` of somebody's own."""
ARCHS = Table(_BUILT_IN, MODULE)


class NetworkKeys(Keys):
    """The velocity network of a run."""

    arch: Annotated[str, NameIn(ARCHS, "arch")] = "mlp"
    """Velocity network; `mlp` has about 1M parameters at 1024-d, `dit` 9M, `unet` 7M; or a
    `torch.nn.Module` as `module:Class`."""
    arch_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Keyword arguments that such a module is made with, beside `dim` or `shape` of a row."""
    call: Literal["by_name", "cat"] = "by_name"
    """How it gets points and times: as its parameters `x` and `t`, or concatenated to one tensor,
    the time as the last column (of rows with channels, as the last channel)."""
    scale: Literal["tiny", "small", "base"] = "base"
    """Width and depth of the network, unless `hidden_dim` and `num_layers` are given."""
    hidden_dim: Annotated[Int, Field(gt=0, multiple_of=WIDTH_MULTIPLE)] | None = None
    """Width of the hidden layers (`unet`: of the widest); null: as `scale` says."""
    num_layers: Annotated[Int, Field(ge=1, le=64)] | None = None
    """Hidden layers (`mlp`), blocks (`dit`), levels (`unet`); null: as `scale` says."""

    @property
    def shape(self) -> tuple[int, int]:
        """`hidden_dim` and `num_layers`, as given or as the scale says; 0 of one's own network."""
        if ARCHS[self.arch] is MODULE:
            return 0, 0
        hidden_dim, num_layers = ARCHS[self.arch].scales[self.scale]
        return self.hidden_dim or hidden_dim, self.num_layers or num_layers

    def gains_on_cpu(self) -> bool:
        """Whether packs of such runs can pay off on a CPU."""
        return ARCHS[self.arch].gains_on_cpu

    def pack_note(self) -> str:
        """What a plan says of packs of such runs."""
        if ARCHS[self.arch] is not MODULE:
            return ""
        return f"runs of {self.arch} take turns in a pack: the same bits, no gain on a CPU"
