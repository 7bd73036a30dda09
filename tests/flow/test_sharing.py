"""Every field of a config reaches the keys that decide on sharing, or is known not to matter."""

from itertools import chain
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import ValidationError

from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from trainables.flow.config.augmentations import AUGMENTATIONS
from trainables.flow.config.data import SOURCES, DataConfig
from trainables.flow.config.flows import COUPLINGS, FLOWS
from trainables.flow.config.identity import SAME_LOSS, UNHASHED, comparison, same_training
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedules import SCHEDULES
from trainables.flow.config.shapes import ARCHS
from trainables.flow.config.sharing import (
    FREE_IN_PACKS,
    SEEN_BY_OWN_PARTS,
    UNSEEN_BY_DRAWS,
    UNSEEN_BY_VALIDATION,
    coupling_identity,
    draws_identity,
    flat,
    pack_key,
    validation_identity,
)
from trainables.flow.data.dataset import load_dataset
from trainables.flow.data.errors import DataError
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec

FIELDS = list(flat(FlowConfig().model_dump()))
BASE = {
    "scale": "tiny", "epochs": 2, "batch_size": 16, "solver_steps": 2,
    "data": {"source": "gaussians", "rows": 120},
}  # fmt: skip


def choices(annotation):
    """All strings among the arguments of an annotation."""
    found = chain.from_iterable(map(choices, get_args(annotation)))
    return [annotation] if isinstance(annotation, str) else list(found)


CHOICES = [
    name
    for model in (FlowConfig, DataConfig)
    for field in model.model_fields.values()
    for name in choices(field.annotation)
]
POOL = [
    *dict.fromkeys([*FLOWS, *COUPLINGS, *AUGMENTATIONS, *ARCHS, *SCHEDULES, *SOURCES, *CHOICES]),
    True, False, 0.25, 0.5, 7.0, 1, 3, 30, 64, 128, (1, 2),
]  # fmt: skip
"""Whatever is valid for a field is tried on it."""
OWN = {
    "arch": ("own_nets:Plain", {"width": 16}),
    "flow": ("their_parts:straight", {"sigma": 0.3}),
    "coupling": ("their_parts:shuffled", {"by": 1}),
    "aug": ("their_parts:jitter", {"width": 0.3}),
    "schedule": ("their_parts:stairs", {"height": 0.25}),
    "optimizer": ("torch.optim:SGD", {"momentum": 0.9}),
}
"""Parts from elsewhere, and arguments of theirs."""
ARGUMENTS = {f"{key}_args": (key, arguments) for key, (_, arguments) in OWN.items()}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Two files of rows for each source that reads some."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("rows")
    for seed, name in enumerate(("one", "two")):
        rows = np.random.default_rng(seed).normal(size=(2, 120, 3)).astype(np.float32)
        np.save(folder / f"{name}.npy", rows[0])
        columns = {"embedding": list(rows[0]), "other": list(rows[1])}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def knobs(*tables):
    rows = [row for table in tables for row in getattr(table, "all_rows", table.values())]
    return {knob for row in rows for knob in row.knobs}


def changed(base, field, value):
    group, _, key = field.rpartition(".")
    if group:
        return {**base, group: {**base[group], key: value}}
    return {**{k: v for k, v in base.items() if (field, k) != ("steps", "epochs")}, field: value}


def bases(field, folder):
    """A config in which a field may do nothing, and all in which it is in use."""
    found = [BASE]
    for name, flow in FLOWS.items():
        if field in (*flow.knobs, *COUPLINGS[flow.coupling].knobs, "flow", "batch_size"):
            found.append({**BASE, "flow": name})
    for key, table in (("aug", AUGMENTATIONS), ("arch", ARCHS)):
        found += [{**BASE, key: name} for name, row in table.items() if field in row.knobs]
    if field in ARGUMENTS:
        key, _ = ARGUMENTS[field]
        found.append({**BASE, key: OWN[key][0]})
    if field == "call":
        found.append({**BASE, "arch": "own_nets:Either"})
    for name, row in SOURCES.items():
        if field.removeprefix("data.") in row.keys:
            given = {need: str(folder / f"one.{name}") for need in row.needs}
            found.append({**BASE, "data": {"source": name, **given}})
    return found


def height(samples):
    """A metric of one's own."""
    return samples[:, 0].mean()


def valid(values):
    try:
        config = FlowConfig.model_validate(values)
        load_dataset(config.data)
    except (ValidationError, DataError):
        return None
    return config


def pairs_of(field, folder):
    """Configs that differ in one field alone."""
    found = []
    for base in filter(valid, bases(field, folder)):
        pool = POOL
        if field in ("data.path", "data.test"):
            pool = [str(base["data"].get("path")).replace("one", "two")]
        elif field == "data.column":
            pool = ["other"]
        elif field in OWN:
            pool = [*POOL, OWN[field][0]]
        elif field in ARGUMENTS:
            pool = [ARGUMENTS[field][1]]
        elif field == "metrics":
            pool = [["test_sharing:height"]]
        one = valid(base)
        others = [valid(changed(base, field, value)) for value in pool]
        found += [(one, other) for other in others if other and other != one]
    if not found:
        pytest.fail(f"no value in POOL is valid for the new field {field}: add one")
    return found


def data_of(config):
    data = load_dataset(config.data)
    return RunData(RunSpec("x", 1, config), data, data.normalisation)


def draws_of(config):
    draw = next(data_of(config).epoch(1))
    return draw.x_0, draw.x_1, draw.t, draw.eps


def paired_of(config):
    return next(data_of(config).epoch(1)).paired(config)


def same_bits(some, others):
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(some, others, strict=True))


SHARED = {
    "draws": (
        draws_of, draws_identity, UNSEEN_BY_DRAWS, knobs(FLOWS, COUPLINGS, ARCHS),
    ),
    "validation": (
        lambda config: data_of(config).validation(), validation_identity, UNSEEN_BY_VALIDATION,
        knobs(AUGMENTATIONS, ARCHS),
    ),
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("what", SHARED)
def test_what_is_shared_is_the_same(what, field, folder):
    """What changes the numbers changes the key; what changes neither is listed with a reason."""
    numbers, identity, unseen, knobs_of_others = SHARED[what]
    listed = field in unseen or field in knobs_of_others
    reached = False
    for one, other in pairs_of(field, folder):
        same = same_bits(numbers(one), numbers(other))
        assert same or identity(one) != identity(other), f"{what} shared by {one} and {other}"
        assert same or not listed, f"{field} is listed, and it changes {what}"
        assert not listed or identity(one) == identity(other)
        reached |= not same
    listed |= field in SEEN_BY_OWN_PARTS
    assert reached or listed, f"{field} changes no {what}: list it in sharing.py with the reason"


@pytest.mark.parametrize("field", FIELDS)
def test_pairings_that_are_shared_are_the_same(field, folder):
    for one, other in pairs_of(field, folder):
        keys = [(draws_identity(config), coupling_identity(config)) for config in (one, other)]
        assert keys[0] != keys[1] or same_bits(paired_of(one), paired_of(other))


@pytest.mark.parametrize("field", FIELDS)
def test_runs_that_may_be_a_pack_are_what_they_are_alone(field, folder):
    free = field in FREE_IN_PACKS or field in knobs(FLOWS, COUPLINGS, AUGMENTATIONS)
    found = pairs_of(field, folder)
    apart = [pack_key(one) != pack_key(other) for one, other in found]
    assert any(apart) or free, f"{field} does not reach pack_key: list it with the reason"
    assert all(apart) or free or field in knobs(ARCHS)
    if not all(apart):
        one = found[apart.index(False)][0]
        others = [other for first, other in found if first == one]
        together = [config for config in (one, *others) if pack_key(config) == pack_key(one)]
        for config, run in zip(together, trained(together), strict=True):
            [alone] = trained([config])
            assert run.final_metrics == alone.final_metrics
            assert same_bits(run.model.tensors.values(), alone.model.tensors.values())


def trained(configs):
    specs = [RunSpec(str(k), 1, config) for k, config in enumerate(configs)]
    pack = Pack(specs, [load_dataset(config.data) for config in configs], torch.device("cpu"))
    while pack.active:
        pack.train_epoch()
    return pack.runs


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_tells_trainings_and_losses_apart(field, folder):
    found = pairs_of(field, folder)
    assert field in UNHASHED or any(
        same_training(one) != same_training(other) for one, other in found
    )
    unseen = {*UNSEEN_BY_VALIDATION, *SAME_LOSS, *knobs(AUGMENTATIONS, ARCHS)}
    found = [pair for pair in found if not any(config.has_teacher for config in pair)]
    told = [comparison(a, "val_loss") != comparison(b, "val_loss") for a, b in found]
    assert any(told) != (field in unseen)


def test_each_exception_has_its_reason():
    for listed in (UNSEEN_BY_DRAWS, UNSEEN_BY_VALIDATION, FREE_IN_PACKS, UNHASHED, SAME_LOSS,
                   SEEN_BY_OWN_PARTS):  # fmt: skip
        assert listed.keys() <= set(FIELDS)
        assert all(len(reason.split()) > 3 for reason in listed.values())


def test_a_field_that_nobody_listed_keeps_runs_apart():
    class Wider(FlowConfig):
        label_noise: float = 0.0

    one, other = Wider(**BASE), Wider(**BASE, label_noise=0.5)
    for key in (draws_identity, validation_identity, pack_key, same_training):
        assert key(one) != key(other)
    for metric in ("val_loss", "train_loss"):
        assert comparison(one, metric) != comparison(other, metric)


IDS = [
    ("6f62a58b28b3", {}),
    ("d58548a5b553", {"flow": "vp"}),
    ("ed63d6e62194", {"flow": "si"}),
    ("cbe6e0f358a8", {"flow": "target"}),
    ("1d64b1a7d767", {"flow": "icfm", "sigma": 0.1}),
    ("317e3e5b0c02", {"flow": "si", "interpolant": "linear", "gamma": 0.5}),
    ("50dac48922c4", {"flow": "reflow", "solver": "rk4"}),
    ("91e97d58b5d7", {"aug": "noise+mixup", "mixup_alpha": 1.0}),
    ("e31438c85784", {"mixup_alpha": 1.0}),
    ("6f62a58b28b3", {"scale": "base"}),
    ("898a4f10740a", {"hidden_dim": 320, "num_layers": 4}),
    ("9406ba63f29d", {"arch": "dit", "scale": "small"}),
    ("2e6c157e260a", {"steps": 100, "patience": None}),
    ("6f62a58b28b3", {"device": "cpu", "nll": True, "cuda_graph": True}),
    ("e7f15b906b16", {"data": {"source": "gaussians", "rows": 5000, "dim": 3, "size": "1k"}}),
    ("fbd11fc0f281", {"data": {"source": "npy", "path": "rows.npy", "column": "x"}}),
]
"""As they were before ingredients had tables."""


@pytest.mark.parametrize(("run_id", "base"), IDS)
def test_runs_keep_their_ids(run_id, base):
    """So finished runs of earlier studies count as done; twins are runs of their own."""
    study = read_study({"study": "s", "metric": "mmd", "seeds": [1], "base": base}, "x")
    assert [run.run_id for run in plan_study(study).runs] == [run_id]
