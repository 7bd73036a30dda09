"""Which configs are one training under two names, may be compared, or may share a pack."""

from typing import TYPE_CHECKING, Any

from trainables.flow.schedule import ema_decay, steps_per_epoch

if TYPE_CHECKING:
    from trainables.flow.config import FlowConfig

_KNOBS = {
    "interpolant": "si",
    "gamma": "si",
    "mixup_alpha": "mixup",
    "noise_std": "noise",
    "dropout_rate": "dropout",
}
"""Keys that do something only with the flow or the augmentation named."""


def same_training(config: "FlowConfig") -> dict[str, Any]:
    """The config with other spellings of one training folded together."""
    values = config.model_dump(exclude=set(config.unhashed))
    values.update(path_identity(config))
    active = _active(config)
    values["aug"] = active
    values["scale"], (values["hidden_dim"], values["num_layers"]) = None, config.shape
    for key, owner in _KNOBS.items():
        if owner not in (values["flow"], *active):
            values[key] = None
    if config.schedule == "constant":
        values["final_lr"] = None
    if config.epochs and config.patience and config.patience >= config.epochs:
        values["patience"] = None
    steps = known_steps(config)
    if steps is not None:
        # The average's decay warms up: a cap that it never reaches caps nothing.
        values["ema_decay"] = ema_decay(steps - 1, config.ema_decay)
    return values


def path_identity(config: "FlowConfig") -> dict[str, Any]:
    """Path and coupling by what they are rather than by name.

    Lipman's path at sigma 0 and the linear interpolant without noise are the I-CFM path, the
    trigonometric interpolant without noise is the VP path, and one row has one OT partner.
    """
    flow, gamma = config.flow, config.gamma
    if flow == "si" and not gamma:
        flow = "vp" if config.interpolant == "gvp" else "icfm"
    elif (flow == "target" and not config.sigma) or (flow == "otcfm" and config.batch_size == 1):
        flow = "icfm"
    values: dict[str, Any] = {"flow": flow, "sigma": config.sigma}
    if flow == "si":
        values |= {"interpolant": config.interpolant, "gamma": gamma}
    return values


def comparison(config: "FlowConfig", metric: str) -> dict[str, Any]:
    """What must be equal between two runs for a metric to measure the same thing in both.

    A flow-matching loss is an error against targets that path, coupling, sigma and source
    define; training's also against augmented rows. A reflow's targets come from its own teacher,
    so nothing of it may differ. Distances between samples and data depend on none of this.
    """
    if metric not in ("val_loss", "train_loss"):
        return {}
    if config.flow == "reflow":
        return config.model_dump(exclude=set(config.unhashed))
    data = config.data.model_dump(exclude={"size"})
    needed = {**path_identity(config), **{f"data.{key}": value for key, value in data.items()}}
    if metric == "train_loss":
        active = _active(config)
        strengths = {k: getattr(config, k) for k, owner in _KNOBS.items() if owner in active}
        needed |= {"aug": active, **strengths}
    return needed


def pack_key(config: "FlowConfig") -> tuple[Any, ...]:
    """Runs with equal keys can be stacked: one network shape, batch and number of batches.

    Reflow runs keep to themselves: they stop for their pairs half-way.
    """
    data = config.data
    rows = data.size if data.size == "all" else _steps_per_epoch(config)
    return (
        config.arch, *config.shape, config.batch_size, config.dtype, config.device,
        data.source, data.path, data.column, data.rows, data.dim, data.split_seed, rows,
        config.flow == "reflow",
    )  # fmt: skip


def known_steps(config: "FlowConfig") -> int | None:
    """Optimizer steps of the whole schedule, where the config alone tells."""
    if config.flow == "reflow":
        return None
    if config.steps is not None:
        return config.steps
    per_epoch = _steps_per_epoch(config)
    return per_epoch and per_epoch * (config.epochs or 0)


def _steps_per_epoch(config: "FlowConfig") -> int | None:
    size = config.data.size
    return steps_per_epoch(size, config.batch_size) if isinstance(size, int) else None


def _active(config: "FlowConfig") -> tuple[str, ...]:
    """Augmentations that do something: not those of strength zero."""
    idle = {"noise": not config.noise_std, "dropout": not config.dropout_rate}
    return tuple(name for name in config.augmentations if not idle.get(name))
