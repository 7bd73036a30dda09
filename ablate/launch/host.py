"""The worker-side wrapper of every trainable: logs, checkpoints, run reports.

`hosted(cls)` mixes it into a `ray.tune.Trainable` class; this file itself does not import Ray.
"""

import contextlib
import math
import os
import pickle
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle

from ablate.dotted import decode_keys
from ablate.errors import StorageError
from ablate.images.log_call import images_kept_in
from ablate.images.logged import logged_folder
from ablate.launch.early_end import EarlyEnd
from ablate.launch.gpu_monitor import GpuMonitor
from ablate.launch.manifest import NO_POINTS, is_whole, newest_whole, read_manifest, write_manifest
from ablate.launch.metric_check import MetricCheck
from ablate.launch.plain_reports import (
    plain_report,
    stamp,
    tune_safe,
    with_numbers,
)
from ablate.launch.run_logs import printed_to
from ablate.launch.time_limit import DUMP, TimeIsUp, Watchdog, end_nothing
from ablate.launch.trust import may_unpickle
from ablate.process.threads import settle_threads
from ablate.storage import check_storage, fault_of
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY, RunReport
from ablate.trainable.hosted_trial import HostedTrial, TrialClock
from ablate.trainable.loaded_code import code_of

DICT_STATE = "state.pkl"
"""Holds the state of a trainable that returns a dict from `save_checkpoint`."""
CHECKPOINT_SHARE = 0.03
"""At most this share of the training time goes into checkpoints; costly ones become rarer."""


def hosted(cls: type[Any], on_time_up: TimeIsUp = end_nothing) -> type[Any]:
    """The class with hosting mixed in, under its own name (Tune restores by name).

    Args:
        cls: The trainable.
        on_time_up: Ends a trial whose time is up, from a thread of its own.
    """
    # Looked up in the user's class: Ray's wrappers around it seem to define every method.
    owner = next(c for c in cls.__mro__ if "save_checkpoint" in c.__dict__)
    can_save = not owner.__module__.startswith("ray.")
    names = {
        "__module__": cls.__module__, "__doc__": cls.__doc__,
        "_Hosting__can_save": can_save, "_Hosting__on_time_up": staticmethod(on_time_up),
    }  # fmt: skip
    return type(cls.__name__, (Hosting, cls), names)


class Hosting:
    """Mixin in front of a `Trainable`: see the methods that it wraps.

    Its own attributes are name-mangled, so that they cannot clash with the user's.
    """

    __can_save = True
    __on_time_up = staticmethod(end_nothing)
    __watchdog: Watchdog | None = None
    __gpus = GpuMonitor()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.__take_host(args[0] if args else kwargs.get("config"))
        with self.__guarded(), self.__captured():
            super().__init__(*args, **kwargs)

    def reset(self, new_config: dict[str, Any], *args: Any, **kwargs: Any) -> bool:
        """Gives a reused actor the next trial."""
        self.__take_host(new_config)
        with self.__guarded(), self.__captured():
            return super().reset(new_config, *args, **kwargs)  # pyright: ignore
        return True

    def train(self) -> dict[str, Any]:
        """One result, with a report for each run, which requests a checkpoint when one is due."""
        if self.__fault is None:
            with self.__guarded():
                return self.__train()
        return self.__halted()

    def stop(self) -> None:
        """Lets the trainable clean up, unless a storage failure left it half built."""
        if self.__watchdog is not None:
            self.__watchdog.end()
        if self.__fault is None:
            super().stop()  # pyright: ignore

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Saves as the trainable does; saves nothing if the study's storage fails."""
        if self.__fault is None:
            with self.__guarded():
                return super().save(checkpoint_dir)  # pyright: ignore
        return SimpleNamespace(checkpoint=None, metrics={})

    def __train(self) -> dict[str, Any]:
        self.__clock.check()  # a step may have ended just as its time was up
        with self.__captured():
            self.__start_from_checkpoint()
            result: dict[str, Any] = super().train()  # pyright: ignore
        reports = self.__reports_of(result, self.__early_end.reason(result))
        self.__share_time(reports, result.get("time_this_iter_s") or 0.0)
        self.__count_points(reports)
        self.__tell_code(reports)
        for report in reports:
            report["warnings"] = [*self.__warnings, *report.get("warnings", [])]
            report["notices"] = [*self.__early_end.notices, *report.get("notices", [])]
            stamp(report, self.__gpus.latest())
        self.__warnings, self.__early_end.notices = [], []
        result[REPORT_KEY] = reports
        # Tune copies the last result into every checkpoint's metrics and its own state.
        self._last_result = {k: v for k, v in result.items() if k != REPORT_KEY}
        self.__ask_for_checkpoint(result)
        return result

    def __reports_of(self, result: dict[str, Any], reason: str) -> list[RunReport]:
        """The trainable's reports of its runs; one made from its result if it has none."""
        reports = result.get(REPORT_KEY)
        if not isinstance(reports, list):
            report = with_numbers(plain_report(result, self.__host["runs"][0]["run_id"], reason))
            self.__measured.look_at_plain(report, result)
            result.update(tune_safe({name: result.pop(name) for name in list(result)}))
            result["done"] = report["status"] != "running"
            return [report]
        for report in map(with_numbers, reports):
            if reason and report["status"] == "running":
                report["status"], report["stop_reason"] = "ok", reason
            self.__measured.look_at(report)
        return reports

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Lets the trainable save, then writes the manifest."""
        start = time.monotonic()
        with self.__captured():
            state = super().save_checkpoint(checkpoint_dir)  # pyright: ignore
        folder = Path(checkpoint_dir)
        if isinstance(state, dict):
            (folder / DICT_STATE).write_bytes(cloudpickle.dumps(state))
        write_manifest(folder, {
            "runs": [run["run_id"] for run in self.__host["runs"]],
            "iteration": self._iteration,
            "time_total_s": self._time_total,
            "used_s": self.__clock.used_s,
            "seconds": self.__seconds,
            "steps": self.__steps,
            "points": self.__points,
            "measured": sorted(self.__measured.runs),
        })  # fmt: skip
        self.__checkpoint_cost_s = time.monotonic() - start

    def load_checkpoint(self, checkpoint: str) -> None:
        """Lets the trainable load what `save_checkpoint` wrote."""
        state = Path(checkpoint, DICT_STATE)
        # A trainable's own dict: `__restore_folder` has checked who wrote it.
        value = pickle.loads(state.read_bytes()) if state.exists() else checkpoint
        super().load_checkpoint(value)  # pyright: ignore

    def restore(self, checkpoint_path: Any) -> None:
        """Restores the newest whole checkpoint at or beside the one that Tune names."""
        checkpoint = getattr(checkpoint_path, "checkpoint", checkpoint_path)
        asked = Path(getattr(checkpoint, "path", checkpoint))
        with self.__guarded():
            folder = newest_whole(asked)
            if folder is None:
                self.__warn(f"{asked}: no whole checkpoint there; the run starts over")
                return
            if folder != asked:
                self.__warn(f"{asked}: not whole; resuming from {folder.name}")
            self.__restore_folder(folder)

    def __restore_folder(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        self.__refuse_foreign_pickles(folder)
        with self.__captured():
            super().restore(str(folder))  # pyright: ignore
        self._iteration = manifest["iteration"]
        self._time_total = manifest["time_total_s"]
        self.__clock.before_s = manifest.get("used_s", self._time_total)
        self.__seconds, self.__steps = manifest["seconds"], manifest["steps"]
        self.__points = manifest.get("points", {})
        self.__measured.runs.update(_measured_by(manifest))

    def __refuse_foreign_pickles(self, folder: Path) -> None:
        if not (self.__host.get("trust_owner") or may_unpickle(folder)):
            raise PermissionError(
                f"{folder}: another user owns this pickle, and a pickle can run any code "
                "(--trust-owner unpickles it)"
            )

    def __take_host(self, config: dict[str, Any] | None) -> None:
        config = {} if config is None else config
        self.__host: dict[str, Any] = config.pop(REPORT_KEY)
        config.update(decode_keys(config))
        self.__paths = StudyPaths(Path(self.__host["study_dir"]))
        names = [run["run_name"] for run in self.__host["runs"]]  # of several nobody knows whose
        self.__images = logged_folder(self.__paths.run(names[0])) if len(names) == 1 else None
        self.__fault: StorageError | None = None
        self.__warnings: list[str] = []
        self.__since_checkpoint_s = self.__checkpoint_cost_s = 0.0
        self.__seconds: dict[str, float] = {}
        self.__steps: dict[str, int] = {}
        self.__points: dict[str, tuple[int, int]] = {}
        self.__early_end = EarlyEnd(self.__host)
        self.__measured = MetricCheck(self.__host["metric"], not self.__early_end.is_tried)
        self.__time()
        self.__code = code_of(self.__host)
        if self.__host["gpu"]:
            self.__gpus.start()
        settle_threads(self.__host["threads"])

    def __time(self) -> None:
        """Starts the trial's clock, and watches it where there is a limit."""
        host, runs = self.__host, self.__host["runs"]
        limit_s = host.get("time_limit_s") or math.inf
        self.__clock = TrialClock(limit_s, len(runs))
        self.ablate_trial = HostedTrial(
            target=host["trainable"], name=host["name"], study=self.__paths.root.name,
            run_names=tuple(run["run_name"] for run in runs), study_dir=host["study_dir"],
            folder=host["folder"], cpu=host.get("cpu", 1), gpu=host["gpu"], clock=self.__clock,
        )  # fmt: skip
        if self.__watchdog is not None:
            self.__watchdog.end()
            self.__watchdog = None
        if limit_s < math.inf:
            dump = None if host.get("is_local") else Path(host["logdir"], DUMP)
            self.__watchdog = Watchdog(host, self.__clock, self.__on_time_up, dump)

    def _setup_logdir(self) -> None:
        if getattr(self, "_storage", None):
            super()._setup_logdir()  # pyright: ignore
            self.__go_home()
            return
        # Without Tune: where Tune would put it, but without changing directory.
        self._logdir = self.__host["logdir"]
        Path(self._logdir).mkdir(parents=True, exist_ok=True)

    def __go_home(self) -> None:
        """Changes to the command's directory, to which paths in configs and code are relative."""
        try:
            os.chdir(self.__host["folder"])
        except OSError as error:
            self.__warn(f"the command's directory is not on this node: {error}")

    @contextlib.contextmanager
    def __guarded(self) -> Generator[None]:
        """Keeps a failure of the study's storage from counting as the trial's.

        `train` reports it, now and on every later call, and nothing else is done.
        """
        try:
            yield
        except Exception as error:
            self.__fault = fault_of(error, self.__paths)
            if self.__fault is None:
                raise

    def __halted(self) -> dict[str, Any]:
        assert self.__fault is not None
        halted = [
            RunReport(
                run_id=run["run_id"], status="halted", path=self.__fault.path,
                error=self.__fault.reason,
            )
            for run in self.__host["runs"]
        ]  # fmt: skip
        return {"done": False, REPORT_KEY: halted}

    def __start_from_checkpoint(self) -> None:
        """Resumes runs where earlier launches left them, whatever packs they were in."""
        runs = self.__host["runs"]
        starts = {run["run_id"]: run["start_from"] for run in runs if run.get("start_from")}
        if not starts or self._iteration:
            return
        for run_id, start in list(starts.items()):
            if not is_whole(Path(start)):
                self.__warn(f"{start}: not a whole checkpoint; the run starts from the beginning")
                del starts[run_id]
        if len(runs) == 1 and starts:
            self.__restore_folder(Path(starts[runs[0]["run_id"]]))
        elif starts:
            self.__load_runs(starts)

    def __load_runs(self, starts: Mapping[str, str]) -> None:
        """Loads runs of a pack from the checkpoints of other packs."""
        for start in starts.values():
            self.__refuse_foreign_pickles(Path(start))
        with self.__captured():
            self.load_runs(starts)  # pyright: ignore
        for run_id, start in starts.items():
            manifest = read_manifest(Path(start))
            self.__seconds[run_id] = manifest["seconds"].get(run_id, 0.0)
            self.__clock.before_s += self.__seconds[run_id]
            self.__steps[run_id] = manifest["steps"].get(run_id, 0)
            self.__points[run_id] = manifest.get("points", {}).get(run_id, NO_POINTS)
            self.__measured.runs.update({run_id} & _measured_by(manifest))

    def __share_time(self, reports: list[RunReport], seconds: float) -> None:
        """Divides a pack's time among its runs, so that together they cost what it costs."""
        for report in reports:
            run_id, facts = report["run_id"], report.setdefault("facts", {})
            spent_s = self.__seconds.get(run_id, 0.0) + seconds / len(reports)
            # A script resumes by itself: it may have trained before without this worker's knowing.
            self.__seconds[run_id] = facts.get("seconds", spent_s)
            self.__steps[run_id] = facts.get("step", 0)
            facts["seconds"] = self.__seconds[run_id]

    def __count_points(self, reports: list[RunReport]) -> None:
        """Counts the points of each run's curve, and notes the step of the last one.

        Those that later ones may supersede are not counted: there may be fewer of them any time.
        """
        for report in reports:
            if report.get("amends"):
                continue
            num, last = self.__points.get(report["run_id"], NO_POINTS)
            new = {point[0] for point in report.get("points", []) if point[0] > last}
            self.__points[report["run_id"]] = (num + len(new), max([last, *new]))

    def __tell_code(self, reports: list[RunReport]) -> None:
        """Reports the runs' code once it is known, and again when more is imported."""
        news = self.__code.news()
        for report in reports if news else ():
            report.setdefault("facts", {})["code_files"] = news

    def __ask_for_checkpoint(self, result: dict[str, Any]) -> None:
        self.__since_checkpoint_s += result.get("time_this_iter_s") or 0.0
        asked_s = self.__host["checkpoint_every_s"]
        rest_s = max(asked_s, self.__checkpoint_cost_s / CHECKPOINT_SHARE) if asked_s else 0.0
        due = self.__since_checkpoint_s >= rest_s
        says_so = "should_checkpoint" in result  # a trainable that decides by itself
        if due and not says_so and not result.get("done") and self.__can_save:
            result["should_checkpoint"] = True
        if result.get("should_checkpoint"):
            self.__since_checkpoint_s = 0.0

    def __warn(self, message: str) -> None:
        self.__warnings.append(message)
        with self.__captured():
            print(f"warning: {message}", file=sys.stderr)

    @contextlib.contextmanager
    def __captured(self) -> Generator[None]:
        """Counts the time, and copies what is printed meanwhile to the logs of the trial's runs."""
        paths = self.__paths
        check_storage(paths)
        logs = [paths.log(run["run_name"]) for run in self.__host["runs"]]
        encoding = self.__host.get("encoding", "utf-8")
        with self.__clock.running(), printed_to(logs, encoding), images_kept_in(self.__images):
            yield


def _measured_by(manifest: Mapping[str, Any]) -> set[str]:
    """The runs that had measured the study's metric; in earlier versions' manifests, all."""
    return set(manifest.get("measured", manifest["runs"]))
