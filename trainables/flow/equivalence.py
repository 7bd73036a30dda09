"""Which configs are one training under two names, may be compared, or may share a pack."""

from typing import TYPE_CHECKING, Any

from trainables.flow.data_config import DEFAULT_DIM, DEFAULT_ROWS, SYNTHETIC
from trainables.flow.schedule import ema_decay, phases_of, steps_per_epoch, warmup_steps

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


def same_training(config: "FlowConfig", num_rows: int | None = None) -> dict[str, Any]:
    """The config with other spellings of one training folded together.

    Args:
        config: A run's config.
        num_rows: Rows of the whole training part, where the data have been looked at: with them
            epochs and steps, sizes, warm-ups and averages can be compared.
    """
    values = config.model_dump(exclude=set(config.unhashed))
    values.update(path_identity(config))
    values["aug"] = active = _active(config)
    values["scale"], (values["hidden_dim"], values["num_layers"]) = None, config.shape
    for key, owner in _KNOBS.items():
        if owner not in (values["flow"], *active):
            values[key] = None
    if config.schedule == "constant":
        values["final_lr"] = None
    if config.epochs and config.patience and config.patience >= max(phases_of(config, 1)):
        values["patience"] = None
    values["data"] = _data(config, num_rows)
    rows = num_rows if config.data.size == "all" else int(config.data.size)
    return values if rows is None else values | _in_steps(config, rows)


def path_identity(config: "FlowConfig") -> dict[str, Any]:
    """Path and coupling by what they are rather than by name.

    Lipman's path at sigma 0 and the linear interpolant without noise are the I-CFM path, the
    trigonometric interpolant without noise is the VP path.
    """
    flow, gamma = config.flow, config.gamma
    if flow == "si" and not gamma:
        flow = "vp" if config.interpolant == "gvp" else "icfm"
    elif flow == "target" and not config.sigma:
        flow = "icfm"
    values: dict[str, Any] = {"flow": flow, "sigma": config.sigma}
    if flow == "si":
        values |= {"interpolant": config.interpolant, "gamma": gamma}
    return values


def comparison(config: "FlowConfig", metric: str) -> dict[str, Any]:
    """What must be equal between two runs for a metric to measure the same thing in both.

    A flow-matching loss is an error against targets that path, coupling, sigma and source
    define; training's also against augmented rows. A reflow's targets come from its own teacher,
    so nothing of it may differ. Whatever is measured of samples depends on none of this, but on
    the rows that they are held against, whose number and coordinates it is in.
    """
    data = {key: value for key, value in _data(config, None).items() if value is not None}
    held_out = {f"data.{key}": value for key, value in data.items() if key != "size"}
    if metric not in ("val_loss", "train_loss"):
        return held_out
    if config.flow == "reflow":
        return {**config.model_dump(exclude=set(config.unhashed)), "data": data}
    needed = {**path_identity(config), **held_out}
    if metric == "train_loss":
        active = _active(config)
        strengths = {k: getattr(config, k) for k, owner in _KNOBS.items() if owner in active}
        needed |= {"aug": active, **strengths}
        if config.flow == "otcfm":
            needed["batch_size"] = config.batch_size
    return needed


def pack_key(config: "FlowConfig") -> tuple[Any, ...]:
    """Runs with equal keys can be stacked: one network shape, batch and number of batches.

    Reflow runs keep to themselves: they stop for their pairs half-way.
    """
    data = config.data
    rows = data.size if data.size == "all" else _steps_per_epoch(config)
    return (
        config.arch, *config.shape, config.batch_size, config.dtype, config.device,
        config.cuda_graph,
        data.source, data.path, data.column, data.rows, data.dim, data.split_seed, rows,
        config.flow == "reflow",
    )  # fmt: skip


def _in_steps(config: "FlowConfig", rows: int) -> dict[str, Any]:
    """What the number of rows makes of the length of training."""
    per_epoch = steps_per_epoch(rows, config.batch_size)
    phases = phases_of(config, per_epoch)
    epochs = max(-(-steps // per_epoch) for steps in phases)  # each phase has its own patience
    return {
        "epochs": None,
        "steps": phases,
        "warmup": [warmup_steps(config.warmup, steps) for steps in phases],
        # The average's decay warms up: a cap that it never reaches caps nothing.
        "ema_decay": ema_decay(max(phases) - 1, config.ema_decay),
        "patience": config.patience if config.patience and config.patience < epochs else None,
    }


def _data(config: "FlowConfig", num_rows: int | None) -> dict[str, Any]:
    data = config.data
    values = data.model_dump()
    values["column"] = data.column if data.source == "parquet" else None
    values["rows"] = (data.rows or DEFAULT_ROWS) if data.source in SYNTHETIC else None
    values["dim"] = (data.dim or DEFAULT_DIM) if data.source == "gaussians" else None
    values["size"] = "all" if data.size == num_rows else data.size
    return values


def _steps_per_epoch(config: "FlowConfig") -> int | None:
    size = config.data.size
    return steps_per_epoch(size, config.batch_size) if isinstance(size, int) else None


def _active(config: "FlowConfig") -> tuple[str, ...]:
    """Augmentations that do something: not those of strength zero."""
    idle = {
        "mixup": config.batch_size == 1,
        "noise": not config.noise_std,
        "dropout": not config.dropout_rate,
    }
    return tuple(name for name in config.augmentations if not idle.get(name))
