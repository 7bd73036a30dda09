"""Which parts of people's own a config names, and that they are tried before anything trains.

Torch is imported only where there are some.
"""

from ablate.trainable.contract import ConfigError
from trainables.flow.config.augmentations import AUGMENTATIONS
from trainables.flow.config.flows import COUPLINGS, FLOWS
from trainables.flow.config.optimizers import OPTIMIZERS
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedules import SCHEDULES
from trainables.flow.data.errors import Floats


def own_keys(config: FlowConfig) -> tuple[str, ...]:
    """The keys that name something from elsewhere, apart from the network and the data."""
    is_own = {
        "flow": config.flow not in FLOWS,
        "coupling": config.pairing not in COUPLINGS,
        "aug": any(name not in AUGMENTATIONS for name in config.augmentations),
        "schedule": config.schedule not in SCHEDULES,
        "optimizer": config.optimizer not in OPTIMIZERS,
    }
    return tuple(key for key, own in is_own.items() if own)


def check_parts(config: FlowConfig, rows: Floats, shape: tuple[int, ...], num_rows: int) -> None:
    """Tries a config's parts of people's own on a few rows.

    Args:
        config: A run's.
        rows: Training rows in normalised coordinates, (rows, dim), a batch if there are as many.
        shape: Of a row.
        num_rows: How many there are to train on.

    Raises:
        ConfigError: If some of them cannot be used; it names their keys.
    """
    if not (keys := own_keys(config)):
        return
    from trainables.flow.engine.own_trials import TRIALS, Trial

    trial = Trial(config, rows[: config.batch_size], shape, num_rows)
    wrong: list[ConfigError] = []
    for key in keys:
        try:
            TRIALS[key](trial)
        except ConfigError as error:
            wrong.append(error)
    if wrong:
        messages = [message for error in wrong for message in error.messages]
        raise ConfigError(*messages, keys=[key for error in wrong for key in error.keys])
