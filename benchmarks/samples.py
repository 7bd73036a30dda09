"""What kept samples cost a run, of its training and final metrics.

    python benchmarks/samples.py                                 # the cells of `quickstart`
    python benchmarks/samples.py --set epochs=30 --set data.source=moons
    python benchmarks/samples.py --rows rows.parquet --set epochs=30 --set hidden_dim=320

Each run is trained as in a study. Samples are then drawn and written several times and the median
counts; what a process does once (the data's components and nearest rows) is shown beside it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from ablate.dotted import with_key  # noqa: E402
from ablate.samples.files import keep  # noqa: E402
from ablate.spec.load import load_study  # noqa: E402
from ablate.spec.yaml12 import parse_yaml  # noqa: E402
from ablate.study_dir import StudyPaths  # noqa: E402
from trainables.flow.config.run import FlowConfig  # noqa: E402
from trainables.flow.data.dataset import load_dataset  # noqa: E402
from trainables.flow.device import ready_device  # noqa: E402
from trainables.flow.engine.pack import Pack  # noqa: E402
from trainables.flow.engine.run import FlowRun  # noqa: E402
from trainables.flow.engine.state import RunSpec  # noqa: E402
from trainables.flow.evaluation.kept import kept_data, kept_samples  # noqa: E402
from trainables.flow.evaluation.measure import final_metrics  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", metavar="FILE", help="a Parquet file, instead of digits")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    base: dict[str, Any] = dict(load_study(ROOT / "search_spaces/quickstart.yaml", []).base)
    if arguments.rows:
        base["data"] = {"source": "parquet", "path": arguments.rows}
    for key, _, value in (text.partition("=") for text in arguments.set):
        base = with_key(base, key, parse_yaml(value, "--set"))
    for name, size in {"narrow": 64, "wide": 256}.items():
        config = FlowConfig.model_validate({"hidden_dim": size, **base})
        told(name, config, arguments.repeats)


def told(name: str, config: FlowConfig, repeats: int) -> None:
    """Trains a run and prints what its end and its samples take."""
    data, device = load_dataset(config.data), ready_device(config)
    start = time.perf_counter()
    pack = Pack([RunSpec(name, 1, config)], [data], device)
    while pack.active:
        pack.train_epoch()
    whole_s, run = time.perf_counter() - start, pack.runs[0]
    end_s = seconds(lambda: final_metrics(run, device), repeats)
    with tempfile.TemporaryDirectory() as folder:
        paths = StudyPaths(Path(folder))
        once_s = seconds(lambda: kept_data(config.data, data, device), 1)
        samples_s = seconds(lambda: write(run, paths), repeats)
        size = paths.samples("run-s1").stat().st_size
    print(
        f"{name:<8} {whole_s:6.2f} s, its final metrics {end_s:.3f} s; samples {samples_s:.3f} s, "
        f"{samples_s / whole_s:.1%} of the run, {size / 1000:.0f} kB; once a process {once_s:.3f} s"
    )


def write(run: FlowRun, paths: StudyPaths) -> None:
    """What a run does after its final metrics."""
    config, data, best = run.spec.config, run.dataset, run.progress
    scale = run.normalisation.current
    device = run.row.weights.device
    samples = kept_samples(config, data, scale, best.best, best.best_step, device)
    keep(paths, "run-s1", samples, lambda: kept_data(config.data, data, device))


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The median of several times."""
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
