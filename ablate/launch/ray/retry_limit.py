"""Trials that end themselves once they have failed too often, since Tune retries without a limit.

Tune has a single count for all failures, lost nodes included, and no hook before it gives up.
"""

import contextlib
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, replace
from typing import Any

import ray

from ablate.events import Failure
from ablate.launch.ray.attempts import DIED_S, Attempt, Attempts
from ablate.launch.ray.worker_signals import hear_signals_again, was_signalled
from ablate.launch.retries import is_final
from ablate.losses import Loss
from ablate.trainable.contract import REPORT_KEY, RunReport


def retry_limited(cls: type[Any]) -> type[Any]:
    """The hosted class with a retry limit, under its own name (Tune restores by name)."""
    return type(cls.__name__, (RetryLimited, cls), {"__module__": cls.__module__})


class RetryLimited:
    """Mixin in front of a hosted `Trainable`, in a Ray worker.

    A trial without retries left only reports how its last attempt failed. Counted is what hosting
    raises, so no failure of the study's storage.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        hear_signals_again()
        self.__is_set_up = False
        self.__begin(args[0] if args else kwargs["config"])
        with self.__counted():
            super().__init__(*args, **kwargs)

    def reset(self, new_config: dict[str, Any], *args: Any, **kwargs: Any) -> bool:
        """Gives a reused actor the next trial."""
        self.__begin(new_config)
        with self.__counted():
            return super().reset(new_config, *args, **kwargs)  # pyright: ignore

    def setup(self, config: dict[str, Any]) -> None:
        """Sets the trainable up, unless the trial is out of retries."""
        if self.__fatal is None:
            super().setup(config)  # pyright: ignore
            self.__is_set_up = True

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Resets the trainable, or sets it up if this actor's earlier trials never did."""
        if self.__fatal is not None:
            return True
        if not self.__is_set_up:
            self.setup(new_config)
            return True
        return super().reset_config(new_config)  # pyright: ignore

    def restore(self, checkpoint_path: Any) -> None:
        """Restores a checkpoint, unless the trial is out of retries."""
        if self.__fatal is None:
            with self.__counted():
                super().restore(checkpoint_path)  # pyright: ignore

    def train(self) -> dict[str, Any]:
        """One result, or how the last attempt failed."""
        if self.__fatal is not None:
            return {"done": True, REPORT_KEY: self.__reports(self.__fatal)}
        with self.__counted():
            return super().train()  # pyright: ignore

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Saves the trainable."""
        with self.__counted():
            return super().save(checkpoint_dir)  # pyright: ignore

    def cleanup(self) -> None:
        """Cleans up what was set up."""
        if self.__is_set_up:
            super().cleanup()  # pyright: ignore

    def __begin(self, config: Mapping[str, Any]) -> None:
        self.__attempts = Attempts.of(config)
        self.__runs = config[REPORT_KEY]["runs"]
        self.__fatal = _settled(self.__attempts)
        with contextlib.suppress(OSError):  # hosting reports failures of the storage
            self.__attempts.begin(own_node())

    def __reports(self, fatal: Attempt) -> list[RunReport]:
        return [
            RunReport(
                run_id=run["run_id"], status="failed", stop_reason="crashed",
                failure=asdict(fatal.failure),
            )
            for run in self.__runs
        ]  # fmt: skip

    @contextlib.contextmanager
    def __counted(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            # Who ends the job or the node ends the children of its workers, too.
            node, failure = None, Failure.of(error)
            if was_signalled():
                node, failure = own_node(), replace(failure, lost_to=Loss.INFRASTRUCTURE)
            final = is_final(error, was_signalled())
            with contextlib.suppress(OSError):  # then the driver counts it, or knows why not
                self.__attempts.add(Attempt(failure, node, DIED_S if node else 0.0, final))
            raise


def own_node() -> str:
    """The id of the node that this process runs on."""
    return ray.get_runtime_context().get_node_id()


def is_alive(node: str) -> bool:
    """Whether a node is alive, as far as the cluster knows."""
    return any(listed["NodeID"] == node and listed["Alive"] for listed in ray.nodes())


def _settled(attempts: Attempts) -> Attempt | None:
    """The fatal failure, once it is certain that it was not a lost node's."""
    begun = time.monotonic()
    while (fatal := attempts.fatal(is_alive)) is not None:
        if fatal.node is None or time.monotonic() - begun > fatal.settle_s:
            return fatal
        time.sleep(0.5)
    return None
