"""Rows from a function of somebody's own: `data.source: my_data:load`. No torch, but their own."""

import copy
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trainables.flow.config.data import PARTS, DataConfig
from trainables.flow.config.elsewhere import by_name, load_ingredient, told_of
from trainables.flow.data.errors import DataError, Floats
from trainables.flow.data.rows import single_rows

KEY = "data.source"
_ORDERS = {2: ("train", "test"), 3: PARTS}
"""What a plain tuple holds, by its length."""
_EXPECTED = (
    "an array (rows, *shape) of numpy or torch, or the parts train, validation and test, as a "
    "mapping, a dataclass or a tuple"
)


def source_of(config: DataConfig) -> Callable[..., Any]:
    """The function that a config names.

    Raises:
        ConfigError: If it cannot be imported.
    """
    return load_ingredient("data", config.source, KEY)


def read_own(config: DataConfig) -> dict[str, Floats]:
    """The rows that a function of one's own returns, by part.

    It is called with `data.args`, and `split_seed` where it takes that.

    Raises:
        ConfigError: If it cannot be called, fails, or returns something else.
    """
    name = config.source
    returned = _parts(name, _returned(config))
    whole = len(returned) == 1
    return {
        part: _rows(name if whole else f"{name}, part {part}", values)
        for part, values in returned.items()
    }


def _returned(config: DataConfig) -> Any:
    name, args = config.source, copy.deepcopy(config.args)
    key = "data.args" if args else KEY
    called = by_name(key, name, source_of(config), ["split_seed", *args], needs=[*args])
    try:
        return called(**{"split_seed": config.split_seed, **args})
    except (Exception, SystemExit) as error:
        raise DataError(f"{name} fails: {told_of(error)}", KEY) from error


def _parts(name: str, returned: Any) -> dict[str, Any]:
    """What a function returns, by part."""
    parts = _by_part(returned)
    if parts is None:
        kind = type(returned).__name__
        told = f"{name} returns {_article(kind)} {kind}, not {_EXPECTED}{_fix(returned)}"
        raise DataError(told, KEY)
    given = {part: values for part, values in parts.items() if values is not None}
    unknown = [str(part) for part in given if part not in PARTS]
    if unknown or "train" not in given:
        told = ", ".join(map(str, given)) or "no parts"
        raise DataError(f"{name} returns {told}: the parts are train (always), validation and "
                        "test (each split off train where it is not given)", KEY)  # fmt: skip
    return given


def _by_part(returned: Any) -> Mapping[Any, Any] | None:
    if _is_array(returned):
        return {"train": returned}
    if isinstance(returned, Mapping):
        return returned
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        return {f.name: getattr(returned, f.name) for f in dataclasses.fields(returned)}
    if not isinstance(returned, tuple):
        return None
    if hasattr(returned, "_asdict"):
        return returned._asdict()  # pyright: ignore[reportAttributeAccessIssue]
    names = _ORDERS.get(len(returned))
    return None if names is None else dict(zip(names, returned, strict=True))


def _rows(where: str, values: Any) -> Floats:
    if not _is_array(values):
        kind = type(values).__name__
        told = f"{where}: {_article(kind)} {kind}, not an array (rows, *shape){_fix(values)}"
        raise DataError(told, KEY)
    if not isinstance(values, np.ndarray):
        values = _of_tensor(where, values)
    if np.ma.is_masked(values):
        told = f"{np.ma.count_masked(values):,} of its numbers are masked"
        raise DataError(f"{where}: {told}: drop their rows, or fill them", KEY)
    return single_rows(where, np.asarray(values), KEY, integers=True)


def _is_array(values: Any) -> bool:
    return isinstance(values, np.ndarray) or _is_tensor(values)


def _is_tensor(values: Any) -> bool:
    torch = sys.modules.get("torch")  # whoever returns one has imported it
    return torch is not None and isinstance(values, torch.Tensor)


def _of_tensor(where: str, tensor: Any) -> np.ndarray:
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() < 4:  # NumPy lacks bfloat16
            tensor = tensor.float()
        return tensor.numpy(force=True)
    except Exception as error:
        raise DataError(f"{where}: {told_of(error)}", KEY) from error


def _fix(values: Any) -> str:
    return next((f": return its {name}()" for name in ("to_numpy", "toarray")
                 if hasattr(values, name)), "")  # fmt: skip


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"
