"""One run of a command: its script, attempt by attempt, and what is read of it."""

import glob
import os
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ablate.commands import surroundings
from ablate.commands.child import TOKEN, Child, Exit, Place
from ablate.commands.endings import (
    NOTHING_READ,
    STALLED,
    TIME_LIMIT,
    Cause,
    Ending,
    ScriptFailedError,
    ending_of,
)
from ablate.commands.log_call import LOG_FILE
from ablate.commands.printed import LEFT_BYTES, LogCopy, free_space, last_lines
from ablate.commands.reading import Places, Reading, Start
from ablate.commands.records import Batch
from ablate.commands.render import CONFIG_FILE, RunContext, render, render_text, write_config
from ablate.commands.resume import Saved, newest, versions
from ablate.commands.run_state import RunState
from ablate.commands.spec import Command, FileRead
from ablate.errors import reason_of
from ablate.images.log_call import IMAGES
from ablate.images.logged import keep_found, logged_folder
from ablate.numbers import clock

LOOK_S = 0.2
"""Between looks at what the script has written."""
PAUSE_S = 5.0
"""Before a script that was ended from outside starts again: its machine may be going."""
MOST_PREEMPTIONS = 5
"""In a row without progress, after which it is the script itself that ends so."""


@dataclass
class News:
    """What has happened in a run.

    Attributes:
        batch: Points that are new.
        facts: Columns of its row.
        warnings: For its row.
        has_ended: Whether it is over.
        ending: How, if badly.
    """

    batch: Batch = field(default_factory=Batch)
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    has_ended: bool = False
    ending: Ending | None = None


class CommandRun:
    """A run in a worker.

    Args:
        command: The command.
        run: `run_id`, `run_name`, `seed` and `config`.
        given: What the driver says of all runs, see `ablate.launch.command_trials`.
        run_dir: Its directory, absolute; it outlives attempts.
    """

    def __init__(
        self, command: Command, run: Mapping[str, Any], given: Mapping[str, Any], run_dir: Path
    ) -> None:
        self._command = command
        self._given = given
        self._state = RunState.of(run_dir)
        self._context = RunContext(
            config=run["config"], seed=run["seed"], run_dir=str(run_dir), run_id=run["run_id"],
            run_name=run["run_name"], varied=tuple(given.get("varied", ())),
            num_gpus=given.get("num_gpus", 0),
        )  # fmt: skip
        self._reading = Reading(command.read, self._places(run_dir), self._state.starts)
        self._copy = LogCopy(self._state.output, lambda text: sys.stdout.write(text))
        self._copy.tail.skip_to(self._state.copied)
        self._child: Child | None = None
        self._ending: Ending | None = None
        self._from: Saved | None = None
        self._batches: list[Batch] = []
        self._facts: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._has_ended = False
        self._num_before = self._saved_upto = 0
        self._begins_at = 0.0
        self._has_warned = set[str]()
        self._output_size = 0
        self._heard_at = self._lived_at = time.monotonic()

    def step(self, most_s: float) -> News:
        """What is new after at most about so long, or sooner if there are points.

        Raises:
            ScriptFailedError: If the script failed and another attempt may help.
        """
        deadline = time.monotonic() + most_s
        while not (self._batches or self._has_ended):
            if self._child is None and time.monotonic() >= self._begins_at:
                self._begin()
            if self._child is not None:
                self._look()
            if time.monotonic() >= deadline:
                break
            if not (self._batches or self._has_ended):
                time.sleep(LOOK_S)
        return self._news()

    def state(self) -> dict[str, Any]:
        """What it needs to go on reading."""
        self._state.write()
        read_upto, self._saved_upto = self._saved_upto, self._copy.tail.offset
        free_space(self._state.output, read_upto)  # of what an earlier checkpoint has no need
        return {
            "reading": self._reading.state(), "copied": self._copy.tail.state(),
            "untold": [asdict(batch) for batch in self._batches],
            "launch": self._given.get("launch"), "freed": read_upto > LEFT_BYTES,
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on reading; the script itself resumes from a checkpoint of its own.

        In another launch all that is still there is read again: a power cut may have cost the
        ledger points, and those that it has it gets once more.
        """
        if state["copied"]["offset"] > self._state.copied:
            self._copy.tail.load(state["copied"])
        if state["launch"] != self._given.get("launch") and not state["freed"]:
            return
        self._reading.load(state["reading"])
        self._batches = [
            Batch([(step, metrics) for step, metrics in batch["points"]], batch["times"],
                  batch["supersedes"])
            for batch in state["untold"]
        ]  # fmt: skip

    def stop(self) -> None:
        """Ends the script, if it runs: SIGTERM, its grace time, SIGKILL of all that is left."""
        if self._child is not None:
            self._child.stop()
            self._copy.copy(is_final=True)
            self._state.copied = self._copy.tail.offset
            self._state.write()
            self._let_go()

    def _begin(self) -> None:
        """Starts an attempt, from the newest checkpoint if there is one."""
        place = Place(self._state.place, self._command.grace_s)
        self._read(is_over=True)  # what an earlier worker has not
        if self._command.checkpoint is not None and not self._state.starts:
            # Of another study, or of a run by hand: this one has saved nothing yet.
            self._state.unusable = versions(self._paths_of(self._command.checkpoint))
        self._from, self._num_before = self._newest(), self._reading.points.num
        attempt = len(self._state.starts)
        start = Start(self._reading.begin(), resumed=self._from is not None)
        self._state.begin(start, self._given["folder"])
        context = replace(
            self._context, attempt=attempt,
            latest=self._from and self._from.path, step=self._from and self._from.step,
        )  # fmt: skip
        argv = render(self._command, context)
        if any(CONFIG_FILE in word for word in argv):
            write_config(context)
        self._port = surroundings.Port()
        self._tell_start(argv, attempt)
        self._child = Child(
            argv, self._given["folder"], self._variables(argv), self._state.output,
            self._command.grace_s, place, surroundings.wanted_niceness(os.environ),
        )  # fmt: skip
        self._heard_at = self._lived_at = time.monotonic()

    def _tell_start(self, argv: list[str], attempt: int) -> None:
        size = surroundings.world_size(argv, self._given.get("num_gpus", 0))
        if size is not None:
            self._facts["world_size"] = size
        if attempt and self._from is not None:
            sys.stdout.write(f"ablate: attempt {attempt + 1}, from {self._from.path}\n")
            if self._reading.points.num and not self._reading.points.has_steps:
                self._warnings.append(
                    "resumed, and what it tells has no steps: points are numbered on from the last"
                )
        elif attempt:
            sys.stdout.write(f"ablate: attempt {attempt + 1}, from the beginning\n")

    def _variables(self, argv: list[str]) -> dict[str, str]:
        added = {
            **self._given.get("environment", {}),
            LOG_FILE: str(self._state.logged),
            IMAGES: str(logged_folder(Path(self._context.run_dir))),
            TOKEN: f"{self._context.run_id}-{uuid.uuid4().hex}",
        }
        cpus, gpus = self._given.get("num_cpus", 1), self._given.get("num_gpus", 0)
        return surroundings.variables(os.environ, self._port.number, argv, cpus, gpus, added)

    def _look(self) -> None:
        """Reads what the script has written, and settles its end."""
        assert self._child is not None
        now = time.monotonic()
        self._state.spend(now - self._lived_at)
        self._facts["seconds"] = self._state.trained_s
        self._lived_at = now
        before = self._copy.tail.offset, self._reading.points.num, self._output_size
        ended = self._child.poll()
        self._read(ended is not None, ended == Exit(0))
        if (self._copy.tail.offset, self._reading.points.num, self._seen_size()) != before:
            self._heard_at = now
        if ended is not None:
            self._settle(ended)
        elif ending := self._overdue(now):
            self._child.kill()
            self._read(is_over=True)
            self._end(ending)

    def _seen_size(self) -> int:
        """Of what it printed: a progress bar that does not end its line is output, too."""
        if self._state.output.exists():
            self._output_size = self._state.output.stat().st_size
        return self._output_size

    def _read(self, is_over: bool, is_final: bool = False) -> None:
        self._copy.copy(is_over)
        self._state.copied = self._copy.tail.offset
        self._batches += self._reading.new(is_over, is_final)
        if self._reading.world_size is not None:
            self._facts["world_size"] = self._reading.world_size
        if self._reading.points.last_step >= 0:
            self._facts["step"] = self._reading.points.last_step
        epochs = [p["epoch"] for batch in self._batches for _, p in batch.points if _is_whole(p)]
        if epochs:
            self._facts["epoch"] = int(epochs[-1])
        is_of_several = self._facts.get("world_size", 1) > 1 and not self._copy.has_bars
        told = self._reading.warnings(is_of_several)
        self._warnings += [warning for warning in told if warning not in self._has_warned]
        self._has_warned.update(told)

    def _overdue(self, now: float) -> Ending | None:
        """Whether the script has taken too long."""
        limit_s, stalled_s = self._given.get("time_limit_s"), self._command.stalled_after_s
        if limit_s is not None and self._state.seconds > limit_s:
            told = f"exceeded time_limit_s: {limit_s:g} of this run"
            return self._limited(TIME_LIMIT, told)
        if stalled_s is not None and now - self._heard_at > stalled_s:
            told = f"the script printed and measured nothing for {clock(stalled_s)}"
            return self._limited(STALLED, f"{told} (trainable.stalled_after_s)")
        return None

    def _limited(self, kind: str, message: str) -> Ending:
        return Ending(kind, message, "\n".join(self._printed()), Cause.LIMIT)

    def _settle(self, ended: Exit) -> None:
        """The script has ended by itself."""
        if ended == Exit(0):
            lacking, unmatched = (
                self._reading.lacking(self._given.get("metric")),
                self._reading.unmatched(),
            )
            if unmatched and not lacking:
                self._warnings.append(_told(unmatched))
            self._end(Ending(NOTHING_READ, _told(lacking)) if lacking else None)
            return
        ending = ending_of(ended, self._printed())
        if ending.cause is Cause.PREEMPTION and self._may_go_on():
            self._let_go()
            sys.stdout.write(f"ablate: {ending.message}; it starts again\n")
            self._begins_at = time.monotonic() + PAUSE_S
            return
        self._end(ending)

    def _may_go_on(self) -> bool:
        """Whether a script that was ended from outside starts again, which uses up no retry."""
        self._state.preemptions = 1 if self._has_advanced() else self._state.preemptions + 1
        return self._state.preemptions <= MOST_PREEMPTIONS

    def _end(self, ending: Ending | None) -> None:
        """The attempt is over; with no ending, well."""
        self._ending, self._has_ended = ending, True
        self._state.write()
        self._let_go()
        self._keep_samples()

    def _keep_samples(self) -> None:
        """Keeps the pictures that the script has made, for the report; none costs the run."""
        if self._command.samples is None:
            return
        try:
            paths = self._paths_of(self._command.samples)
            for told in keep_found(paths, Path(self._context.run_dir)):
                self._warnings.append(f"trainable.samples: {told}")
        except OSError as error:
            told = f"trainable.samples: no pictures could be kept: {reason_of(error)}"
            self._warnings.append(told)

    def _news(self) -> News:
        """What is to be told; a failure comes when its points have been."""
        if not self._batches and self._ending is not None and self._may_help(self._ending):
            raise ScriptFailedError.of(self._ending)
        news = News(facts=dict(self._facts), warnings=self._warnings)
        self._warnings = []
        if self._batches:
            news.batch = self._batches.pop(0)
        news.has_ended = self._has_ended and not self._batches
        if news.has_ended and news.batch.points and self._ending is not None:
            news.has_ended = False
        news.ending = self._ending if news.has_ended else None
        return news

    def _may_help(self, ending: Ending) -> bool:
        """Whether another attempt can: it did not fail by itself, or has come further."""
        failure = {
            "launch": self._given.get("launch", 0), "kind": ending.kind,
            "message": ending.message, "step": self._reading.points.last_step,
        }  # fmt: skip
        is_same, has_advanced = self._state.has_failed_so(failure), self._has_advanced()
        self._state.failures.append(failure)
        is_worth_it = ending.cause in (Cause.SIGNAL, Cause.MACHINE, Cause.PREEMPTION)
        if not has_advanced and ending.cause is Cause.ITSELF and self._give_up_checkpoint():
            is_worth_it = True
        self._state.write()
        return (
            ending.cause is not Cause.LIMIT
            and ending.kind != NOTHING_READ
            and ((is_worth_it or has_advanced) and not (is_same and not has_advanced))
        )

    def _give_up_checkpoint(self) -> bool:
        """Sets aside a checkpoint after which the script failed before it measured anything."""
        if self._from is None or self._reading.points.num > self._num_before:
            return False
        self._state.unusable.append(self._from.version)
        return True

    def _has_advanced(self) -> bool:
        """Whether the script has saved a checkpoint in this attempt."""
        latest = self._newest()
        return latest is not None and latest != self._from

    def _newest(self) -> Saved | None:
        if self._command.checkpoint is None:
            return None
        paths = self._paths_of(self._command.checkpoint)
        found = (newest(path, self._state.unusable) for path in paths)
        return next(filter(None, found), None)

    def _paths_of(self, pattern: str) -> list[str]:
        """A pattern of paths in the run's directory, else in the script's folder, now or before."""
        filled = render_text(pattern, self._context, glob.escape)
        folders = self._context.run_dir, self._given["folder"], *self._state.folders
        return [os.path.join(folder, filled) for folder in dict.fromkeys(folders)]

    def _printed(self) -> list[str]:
        """What the last attempt has printed."""
        start = self._state.starts[-1].sizes if self._state.starts else {}
        return last_lines(self._state.output, start.get(str(self._state.output), 0))

    def _let_go(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
            self._port.close()

    def _places(self, run_dir: Path) -> Places:
        read = self._command.read
        file = render_text(read.file, self._context, glob.escape) if isinstance(
            read, FileRead
        ) else ""  # fmt: skip
        return Places(
            output=self._state.output, logged=self._state.logged, run_dir=run_dir,
            folder=Path(self._given["folder"]), file=file,
        )  # fmt: skip


def _told(lacking: tuple[str, str]) -> str:
    key, instead = lacking
    return f"trainable.{key} {instead}"


def _is_whole(metrics: Mapping[str, float]) -> bool:
    """Whether a point says its epoch, as a whole number."""
    return metrics.get("epoch", 0.5).is_integer()
