"""The table of augmentations and their keys, torch-free; `augmentation.AUGMENT` applies them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from trainables.flow.config.elsewhere import Table, installed_names, is_reference
from trainables.flow.config.ingredient import Float, Ingredient, Keys

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig


@dataclass(frozen=True, kw_only=True)
class Augmentation(Ingredient):
    """A change of x_1 in training."""

    idle: Callable[["FlowConfig"], bool] = lambda config: False
    """Whether it does nothing although a config names it."""


_AUGMENTATIONS = {
    "mixup": Augmentation(knobs=("mixup_alpha",), idle=lambda config: config.batch_size == 1),
    "noise": Augmentation(knobs=("noise_std",), idle=lambda config: not config.noise_std),
    "dropout": Augmentation(knobs=("dropout_rate",), idle=lambda config: not config.dropout_rate),
}
AUGMENTATIONS = Table(_AUGMENTATIONS, Augmentation(knobs=("aug_args",)))
"""In the order in which they are applied; those from elsewhere come after them, as written."""


def _canonical_aug(written: Any) -> Any:
    """`noise + mixup` as `mixup+noise`: a sum is written in the order of application.

    That of one's own augmentations is the written one; they see what the built-in ones leave.

    Raises:
        ValueError: If a part is no augmentation, or is named twice.
    """
    if not isinstance(written, str) or written == "none":
        return written
    parts = [part.strip() for part in written.split("+")]
    own = [part for part in parts if part not in AUGMENTATIONS]
    installed = installed_names("aug")
    unknown = [part for part in own if not is_reference(part) and part not in installed]
    if unknown:
        names = ", ".join([*AUGMENTATIONS, *installed])
        raise ValueError(
            f"no augmentation '{unknown[0]}': write none, one of {names}, or a sum of them "
            "such as mixup+noise, or module:name of your own"
        )
    if len(set(parts)) < len(parts):
        raise ValueError("names an augmentation twice: write each once")
    return "+".join([*(part for part in AUGMENTATIONS if part in parts), *own])


class AugmentationKeys(Keys):
    """How x_1 is changed in training."""

    aug: Annotated[str, BeforeValidator(_canonical_aug)] = "none"
    """Augmentation of x_1 in training: none, mixup, noise, dropout, or a sum: mixup+noise. Parts of
    one's own are `module:name` of a function of `x_1`, or of a class that makes one."""
    aug_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Keyword arguments of one's own augmentations: each gets those that it takes."""
    mixup_alpha: Annotated[Float, Field(gt=0)] = 0.2
    """Mixing weights are Beta(alpha, alpha)."""
    noise_std: Annotated[Float, Field(ge=0)] = 0.05
    """Standard deviation of `noise`, in normalised coordinates."""
    dropout_rate: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of coordinates that `dropout` sets to zero (the mean); the others are scaled up."""

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The augmentations in order of application."""
        return () if self.aug == "none" else tuple(self.aug.split("+"))


def active_augmentations(config: "FlowConfig") -> tuple[str, ...]:
    """Augmentations that do something: not those of strength zero."""
    return tuple(name for name in config.augmentations if not AUGMENTATIONS[name].idle(config))
