"""Fixtures. Nothing here needs a network, an account or a GPU."""

import ast
import functools
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
os.environ["WANDB_MODE"] = "disabled"  # the tests of tracking switch it on
os.environ.pop("WANDB_API_KEY", None)
os.environ.pop("COLUMNS", None)  # pytest-xdist's: what tests print is as wide as in a pipe
os.environ["NETRC"] = os.devnull
os.environ["WANDB_CONFIG_DIR"] = os.devnull  # nor what `wandb login` left behind
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch and Ray look: results are of the CPU
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests are many at once, or small
# No cluster of anybody else's is found, nor ours by them; short, since sockets lie in it.
RAY_FOLDER = os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
os.environ.pop("RAY_ADDRESS", None)
os.environ.update(RAY_worker_niceness="0")  # else other tests' processes leave its workers no CPU
# Ray's workers import the toy trainables by name, and those that stand in tests.
FOLDERS = sorted({path.parent for path in TESTS.glob("*/test_*.py")})
PLACES = [str(folder) for folder in (TESTS / "helpers", *FOLDERS)]
os.environ["PYTHONPATH"] = os.pathsep.join([*PLACES, *filter(None, [os.environ.get("PYTHONPATH")])])
sys.path[:0] = PLACES

if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup's, which children would inherit
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

import pytest  # noqa: E402
from kept_renderer import end_kept, keep_renderer  # noqa: E402
from processes import end_what_is_left  # noqa: E402
from rich.console import Console  # noqa: E402
from studies import wait_for  # noqa: E402

SHARED_DATA = TESTS.parents[1] / "shared" / "data" / "sentences.parquet"
PRETEND_GPUS = "100,101,102,103"
"""No machine has them, so that no test computes on a GPU."""


OWN_RAYS = ("test_clusters.py", "test_ray_of_its_own.py")
"""They start Rays, and would find the one cluster: they run before it does, in its process."""
KILLS = "launch/test_ray.py"
"""They wait, and take as long as all others that need a cluster."""


def pytest_xdist_make_scheduler(config, log):
    """Several tests at once, but those that need a cluster in two processes, with one each."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if not needs_cluster(config, nodeid):
                return nodeid
            return "kills" if KILLS in nodeid else "cluster"

    return Scheduling(config, log)


def pytest_collection_modifyitems(config, items):
    """Fast ones first; of several processes one begins with the cluster's, which take longest."""
    items.sort(key=lambda item: "ray_cluster" in item.fixturenames)
    if hasattr(config, "workerinput"):
        # The others begin with what else starts Rays: nothing long is left for the end.
        items.sort(key=lambda item: item.get_closest_marker("ray") is None)
        items.sort(key=lambda item: not needs_cluster(config, item.nodeid))


def needs_cluster(config, nodeid):
    """Whether a test needs the one cluster, by its id alone."""
    file, _, name = nodeid.partition("::")
    if file.endswith(OWN_RAYS):
        return True
    names = naming_cluster(config.rootpath / file)
    return name.partition("[")[0] in names or any(not n.startswith("test_") for n in names)


@functools.cache
def naming_cluster(file):
    """What of a file names the one cluster: tests, and anything else, which many may use."""
    text = file.read_text(encoding="utf-8")
    names, lines = set(), text.splitlines()
    for node in ast.parse(text).body if "ray_cluster" in text else ():
        first = min(part.lineno for part in (node, *getattr(node, "decorator_list", ())))
        if any("ray_cluster" in line for line in lines[first - 1 : node.end_lineno]):
            names.add(getattr(node, "name", ""))
    return names


def pytest_unconfigure():
    end_kept()
    shutil.rmtree(RAY_FOLDER, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """What a test started ends with it, and it gives the cluster back: else others wait in vain."""
    yield
    end_what_is_left()
    if "ray_cluster" in request.fixturenames:
        free_cluster()


@pytest.fixture(autouse=True)
def no_module_stays(tmp_path_factory):
    """What a test imported from a folder of its own is unknown to the next one."""
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def kept_renderer():
    """All reports of this process have one process that draws: to start another costs a second."""
    with pytest.MonkeyPatch.context() as patch:
        keep_renderer(patch)
        yield patch


def free_cluster():
    """Takes back what Tune has reserved in this process, which a Ctrl-C within a test leaves."""
    import ray
    from ray.util.placement_group import (
        PlacementGroup,
        PlacementGroupID,
        placement_group_table,
        remove_placement_group,
    )

    for key, group in placement_group_table().items() if ray.is_initialized() else ():
        if group["state"] != "REMOVED":
            remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(key))))
    wait_for(cluster_is_free)


def cluster_is_free():
    import ray

    if not ray.is_initialized():
        return True
    free, all_of_it = ray.available_resources(), ray.cluster_resources()
    return all(free.get(kind, 0) == all_of_it[kind] for kind in ("CPU", "GPU"))


@pytest.fixture
def console():
    """A console that keeps what it shows; `console.export_text()` reads it."""
    with open(os.devnull, "w") as nowhere:
        yield Console(record=True, width=200, file=nowhere)


@pytest.fixture
def sentences():
    if not SHARED_DATA.exists():
        pytest.skip("no shared/data/sentences.parquet beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ray_cluster():
    """One cluster for all tests of this process that need Ray: 4 CPUs and 4 pretend GPUs."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", PRETEND_GPUS)
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # of its workers, too
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=128 * 1024**2,
        )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture
def wandb_server(monkeypatch):
    """A W&B server on loopback that this process's studies are tracked by."""
    from wandb_server import WandbServer

    server = WandbServer()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    yield server
    server.close()
