"""Rows of any shape, rows from a function of one's own, and parts that are given."""

import importlib
import sys
import textwrap

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from ablate.cli.main import main
from ablate.spec.load import load_study
from ablate.study_dir import StudyPaths
from trainables.flow.config.data import DataConfig
from trainables.flow.config.elsewhere import installed_names
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset, preflight
from trainables.flow.data.errors import DataError
from trainables.flow.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.flow.inference import load_trained
from trainables.flow_matching import REPORT_KEY, FlowMatchingTrainable

BASE = {"hidden_dim": 64, "num_layers": 1, "steps": 4, "solver_steps": 2}
IMAGES = """
    import numpy as np

    def load(noise=0.0, rows=200):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 9, (rows, 1, 4, 4))
        return images + noise * rng.normal(size=images.shape)
"""
PARTS = """
    import numpy as np

    ROWS = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
    GIVEN = {"train": ROWS[:200], "validation": ROWS[200:250], "test": ROWS[250:]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of somebody's own, from which modules are imported."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    installed_names.cache_clear()
    yield tmp_path
    sys.modules.pop("my_data", None)
    installed_names.cache_clear()


@pytest.fixture
def my_data(here):
    """Writes `my_data.py`, as another process would find it."""

    def write(*code):
        text = "\n".join(map(textwrap.dedent, code))
        (here / "my_data.py").write_text(text, encoding="utf-8")
        sys.modules.pop("my_data", None)
        importlib.invalidate_caches()

    return write


def own(**more):
    return load_dataset(DataConfig(source="my_data:load", **more))


def as_set(rows):
    return set(map(tuple, np.asarray(rows).reshape(len(rows), -1).tolist()))


def grid(here, data, **more):
    study = {
        "study": "mine", "metric": "sliced_w2", "base": {**BASE, "data": data}, "seeds": [1],
        "factors": {"flow": ["icfm", "vp"]}, "storage": str(here / "studies"), **more,
    }  # fmt: skip
    (here / "grid.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")


def refused(capsys, *arguments):
    """What a refused command says; it ends with 2, and without a traceback."""
    assert main(["run", "grid.yaml", *arguments]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return " ".join(told.split())


def test_flat_rows_get_a_shape_and_stay_the_data_that_they_are():
    flat, images = (load_dataset(DataConfig(shape=shape)) for shape in (None, [1, 8, 8]))
    assert (flat.shape, images.shape, images.dim) == ((64,), (1, 8, 8), 64)
    assert images.fingerprint == flat.fingerprint == "1797x64-7a4a5dfa636696fc"
    np.testing.assert_array_equal(images.train, flat.train)


def test_a_file_of_images_says_its_shape(here):
    rows = np.random.default_rng(0).normal(size=(40, 2, 3, 4)).astype(np.float32)
    np.save(here / "rows.npy", rows)
    data = load_dataset(DataConfig(source="npy", path="rows.npy"))
    assert (data.shape, data.train.shape) == ((2, 3, 4), (28, 24))
    assert data.fingerprint.startswith("40x2x3x4-")
    assert as_set(np.concatenate([data.train, data.validation, data.test])) == as_set(rows)
    with pytest.raises(
        DataError, match=r"data\.shape 24 is not the shape of the rows, which are 2x"
    ):
        load_dataset(DataConfig(source="npy", path="rows.npy", shape=[24]))


@pytest.mark.parametrize("returned", [
    "GIVEN",
    "tuple(GIVEN.values())",
    "collections.namedtuple('Mine', ['test', 'train', 'validation'])"
    "(train=ROWS[:200], validation=ROWS[200:250], test=ROWS[250:])",
    "dataclasses.make_dataclass('Mine', list(GIVEN))(**GIVEN)",
    "{name: torch.from_numpy(rows) for name, rows in GIVEN.items()}",
])  # fmt: skip
def test_parts_are_what_a_function_returns(returned, my_data):
    my_data(PARTS, f"import collections, dataclasses, torch\ndef load(): return {returned}")
    data, given = own(), sys.modules["my_data"].GIVEN
    for name, rows in given.items():
        assert as_set(getattr(data, name)) == as_set(rows)
    some, more = own(size=50), own(size=120)
    np.testing.assert_array_equal(some.train, more.train[:50])
    assert not np.array_equal(some.train, given["train"][:50]), "it may be sorted by something"
    np.testing.assert_array_equal(some.test, data.test)
    np.testing.assert_array_equal(some.normalisation.mean, data.normalisation.mean)


def test_parts_that_are_not_given_are_split_off_the_training_rows(my_data):
    my_data(PARTS, "def load(): return ROWS[:200], ROWS[200:]")
    data, rows = own(), sys.modules["my_data"].ROWS
    assert [len(part) for part in (data.train, data.validation, data.test)] == [180, 20, 100]
    assert as_set(data.test) == as_set(rows[200:])
    assert as_set(own(split_seed=1).validation) != as_set(data.validation)
    my_data(PARTS, "def load(): return {'train': ROWS}")
    whole = own()
    my_data(PARTS, "def load(): return ROWS")
    np.testing.assert_array_equal(whole.test, own().test)
    assert whole.fingerprint == own().fingerprint != data.fingerprint


def test_a_function_may_split_by_the_split_seed_and_return_any_numbers(my_data):
    my_data("""
        import numpy as np, torch

        def load(kind, split_seed):
            rows = np.random.default_rng(split_seed).integers(0, 9, (100, 2))
            return torch.tensor(rows, dtype=getattr(torch, kind))
    """)
    found = [own(args={"kind": kind}, split_seed=3) for kind in ("uint8", "bfloat16", "float64")]
    assert len({data.fingerprint for data in found}) == 1
    assert found[0].train.dtype == np.float32
    assert own(args={"kind": "uint8"}, split_seed=4).fingerprint != found[0].fingerprint


def test_a_package_gives_a_source_a_short_name(here, my_data):
    my_data(IMAGES)
    (here / "theirs-1.dist-info").mkdir()
    (here / "theirs-1.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 1\n")
    entry = "[ablate.data]\nblobs = my_data:load\n"
    (here / "theirs-1.dist-info" / "entry_points.txt").write_text(entry)
    importlib.invalidate_caches()
    assert load_dataset(DataConfig(source="blobs")).shape == (1, 4, 4)
    with pytest.raises(ValueError, match="'blobs' or 'module:name of your own'"):
        DataConfig(source="blosb")


def test_a_study_on_images_of_ones_own(here, my_data, capsys):
    """From the YAML to samples, and on to what happens once the function is another."""
    my_data(IMAGES)
    data = {"source": "my_data:load", "size": 100}
    grid(here, data, factors={"data.args.noise": [0.0, 0.5]}, allow_incomparable=True)
    assert main(["run", "grid.yaml", "--local"]) == 0
    paths = StudyPaths(load_study("grid.yaml").directory)
    rows = pq.read_table(paths.runs_parquet).to_pylist()
    assert all(row["data_fingerprint"].startswith("200x1x4x4-") for row in rows)
    assert len({row["data_fingerprint"] for row in rows}) == 2
    assert "my_data.py" in rows[0]["code_files"]
    name = rows[0]["run_name"]
    for target in ("x.npy", "x.parquet"):
        assert main(["sample", str(paths.root), name, "-n", "5", "-o", target]) == 0
    assert "5 samples of 1x4x4 numbers" in capsys.readouterr().out
    samples = np.load("x.npy")
    assert samples.shape == (5, 1, 4, 4)
    assert pq.read_table("x.parquet")["embedding"].to_pylist() == samples.tolist()
    my_data(IMAGES.replace("9", "8"))
    assert "changed since earlier runs started (2: " in refused(capsys, "--local")


def test_best_weights_from_before_rows_had_shapes_are_read(here, my_data):
    my_data(IMAGES)
    trained(here)
    path = here / "checkpoints" / "x-s1" / "best.pt"
    assert load_trained(path).shape == (1, 4, 4)
    old = {key: value for key, value in read_checkpoint(path).items() if key != "shape"}
    write_checkpoint(path, old)
    assert (load_trained(path).shape, load_trained(path).dim) == ((16,), 16)


class Bare(FlowMatchingTrainable):
    """Without a directory in the user's home."""

    def _setup_logdir(self):
        self._logdir = "/nonexistent"


def trial(study_dir=None, **more):
    config = {**BASE, "steps": 12, "data": {"source": "my_data:load", "args": {"noise": 0.1}}}
    run = {"run_id": "x", "run_name": "x-s1", "seed": 1, "config": config, **more}
    return Bare({"runs": [run], "study_dir": study_dir and str(study_dir)})


def trained(study_dir=None, restored=None):
    one = trial(study_dir)
    if restored is not None:
        one.load_checkpoint(restored)
    while True:
        result = one.step()
        if result["done"]:
            return result[REPORT_KEY][0]["metrics"]


def test_a_restored_run_ends_with_the_same_bits(here, my_data, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    my_data(IMAGES)
    first = trial()
    first.step()
    (here / "state").mkdir()
    first.save_checkpoint(str(here / "state"))
    whole = trained()
    my_data(IMAGES)  # as in a new process
    assert trained(restored=str(here / "state")) == whole


def test_a_worker_that_gets_other_rows_says_so(my_data):
    my_data(IMAGES)
    known = preflight({"data": {"source": "my_data:load", "args": {"noise": 0.1}}})
    trial(data_fingerprint=known["data_fingerprint"]).step()
    my_data(IMAGES.replace("9", "8"))
    with pytest.raises(DataError, match="my_data:load gives other rows here than when the study"):
        trial(data_fingerprint=known["data_fingerprint"]).step()


@pytest.mark.parametrize(("code", "data", "told"), [
    ("def load(): return [[1.0]]", {},
     "base.data.source: my_data:load returns a list, not an array (rows, *shape)"),
    ("def load(): return np.zeros((3, 2))", {},
     "base.data.source: 3 rows, 1 of them distinct, the commonest 3 times, are too few"),
    ("def load(): return np.zeros(30)", {},
     "base.data.source: my_data:load: holds (30,), not a (rows, dim) array"),
    ("def load(): return np.array([[None]])", {},
     "base.data.source: my_data:load: holds Python objects (dtype object), not floats or integers"),
    ("def load(): return ROWS, None, np.where(np.arange(300)[:, None] == 7, np.nan, ROWS)", {},
     "base.data.source: my_data:load, part test: 1 of 300 rows cannot be used, numbered from 0: "
     "1 not finite (7)"),
    ("def load(): return ROWS, np.ma.masked_greater(ROWS, np.sort(ROWS, None)[-3])", {},
     "base.data.source: my_data:load, part test: 2 of its numbers are masked: drop their rows, or"),
    ("import torch\ndef load(): return torch.tensor(ROWS).to_sparse()", {},
     "base.data.source: my_data:load: TypeError: can't convert Sparse layout tensor to numpy"),
    ("from scipy.sparse import csr_matrix\ndef load(): return ROWS, csr_matrix(ROWS)", {},
     "part test: a csr_matrix, not an array (rows, *shape): return its toarray()"),
    ("def load(): return {'train': ROWS, 'valid': ROWS}", {},
     "base.data.source: my_data:load returns train, valid: the parts are train (always), "),
    ("def load(): return ROWS, ROWS[:, :2]", {},
     "base.data.source: rows of different parts have different shapes: train 3, test 2"),
    ("def load(): return ROWS, [1, 2]", {},
     "base.data.source: my_data:load, part test: a list, not an array (rows, *shape)"),
    ("def load(): return ROWS[:9], ROWS[9:10]", {},
     "base.data.source: too few rows to learn from (9 for train, 1 for test)"),
    ("def load(): return ROWS, ROWS[:40]", {},
     "base.data.source: all 40 test rows are training rows, too"),
    ("def load(): return np.random.normal(size=(90, 2))", {},
     "base.data.source: my_data:load returns other rows each time that it is called: draw"),
    ("def load():\n    return np.load('none.npy')", {},
     "base.data.source: my_data:load fails: FileNotFoundError: [Errno 2] No such file or "
     "directory: 'none.npy' (my_data.py:8)"),
    ("def load(): raise SystemExit('bye')", {}, "fails: SystemExit: bye (my_data.py:7)"),
    ("def load(noise): return ROWS", {"args": {"nois": 1}},
     "base.data.args: my_data:load does not take nois and requires noise: it is called with "
     "split_seed, nois, by name"),
    ("load = ROWS", {}, "base.data.source: my_data:load cannot be called: its type is ndarray"),
    ("", {}, "base.data.source: my_data:load cannot be imported: module 'my_data' has no "
             "attribute 'load'"),
    ("def load(): return ROWS", {"shape": [2, 2]},
     "base.data.shape: data.shape 2x2 has 4 numbers, and a row has 3"),
    ("def load(): return ROWS", {"path": "x.npy"}, "data.path is for sources that are read"),
    ("", {"source": "moons", "args": {"noise": 1}},
     "data.args is for a function of your own (source: module:name)"),
    ("", {"source": "moons", "shape": []}, "base.data.shape"),
])  # fmt: skip
def test_what_is_wrong_is_told_at_its_key(code, data, told, here, my_data, capsys):
    my_data(PARTS, code)
    grid(here, {"source": "my_data:load", **data})
    found = refused(capsys, "--plan")
    assert told in found
    assert found.count("base.data") == 1 or "is for" in told


def test_rows_of_both_parts_are_counted_and_told(here, my_data, capsys):
    my_data(PARTS, "def load(): return {**GIVEN, 'train': ROWS[:251]}")
    grid(here, {"source": "my_data:load"})
    assert main(["run", "grid.yaml", "--plan"]) == 2, "all validation rows"
    my_data(PARTS, "def load(): return ROWS[:251], ROWS[250:]")
    assert main(["run", "grid.yaml", "--plan"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("note: 1 of 50 test rows are training rows, too") == 1


def test_the_test_part_may_be_a_file(here, capsys):
    rows = np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)
    for name, part in (("train", rows[:100]), ("test", rows[100:]), ("narrow", rows[100:, :2])):
        np.save(here / f"{name}.npy", part)
    files = {"source": "npy", "path": "train.npy", "test": "test.npy"}
    data = load_dataset(DataConfig(**files))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [90, 10, 50]
    assert as_set(data.test) == as_set(rows[100:])
    np.save(here / "test.npy", rows[100:] + 1)
    assert load_dataset(DataConfig(**files)).fingerprint != data.fingerprint
    for name, told in (
        ("none", "base.data.test: "), ("train", "all 100 test rows are training rows, too"),
        ("narrow", "different shapes: train 3, test 2"),
    ):  # fmt: skip
        grid(here, {**files, "test": f"{name}.npy"})
        assert told in refused(capsys, "--plan")


@pytest.mark.parametrize(("data", "mmd", "val_loss"), [
    ({"source": "my_data:load"}, None, None),
    ({"source": "npy", "path": "x.npy", "test": "y.npy"}, None, 0.1 / 0.9),
])  # fmt: skip
def test_given_parts_are_no_random_splits(data, mmd, val_loss, here, capsys):
    config = FlowConfig(data=data)
    assert (config.held_out("mmd"), config.held_out("val_loss")) == (mmd, pytest.approx(val_loss))
    grid(here, data, split_seed="with_seed", seeds=[1, 2])
    assert "metric = 'sliced_w2': has no intervals over random splits" in refused(capsys, "--plan")
    told = config.scope("mmd")
    assert "unless my_data:load gives it" in told["measured on"] or "y.npy" in told["measured on"]


def test_arguments_are_told_and_tell_data_apart():
    one, other = (FlowConfig(data={"source": "a:b", "args": {"noise": n}}) for n in (0, 1))
    assert one.scope("mmd")["data"] == "a:b, noise 0, all training rows"
    assert one.pack_key() != other.pack_key()
    assert one.same_training() != other.same_training()
    apart = one.comparison("mmd").items() ^ other.comparison("mmd").items()
    assert {key for key, _ in apart} == {"data.args.noise"}
    assert len({one.data, other.data, one.data.model_copy()}) == 2
