"""Functions as people give them to Ray Tune, or write them without any."""

import contextlib
import json
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

from ray import tune
from ray.tune import Checkpoint, get_checkpoint, report

from ablate.trainable.contract import TrainableConfig


def tuned(config):
    """Tune's function API: reports with checkpoints, and resumes by them."""
    done, total = 0, 0.0
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            done, total = json.loads(Path(folder, "state.json").read_text())
    for step in range(done, config.get("length", 5)):
        time.sleep(config.get("step_s", 0.0))
        total += random.Random(f"{config['gain']} {config['seed']} {step}").random()
        _die_once(config, step)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps([step + 1, total]))
            saved = Checkpoint.from_directory(folder) if step % 2 else None
            tune.report({"score": total, "eval": {"acc": step / 10}}, checkpoint=saved)


def imported_report(config):
    """The names imported before any session is there; what its trial is called."""
    resumed = get_checkpoint() is not None
    trial = tune.get_context()
    told = [trial.get_trial_name(), trial.get_trial_id(), trial.get_trial_dir()]
    cpus = trial.get_trial_resources().required_resources["CPU"]
    Path(config["folder"], f"{config['gain']}.json").write_text(json.dumps([*told, cpus]))
    for step in range(3):
        report({"score": config["gain"] * step, "resumed": int(resumed)})


def by_name(gain, seed, width=64, **others):
    """One result, by the names of keys."""
    return {"score": gain * 10 + seed + width / 1000 + len(others)}


def yields(gain, seed, *, length=3):
    """Each dict is a result."""
    for step in range(length):
        yield {"score": gain * step + seed}


def yields_and_returns(gain, seed):
    yield {"score": 1.0}
    return {"score": gain}


def lingers(config):
    """Leaves a thread behind that reports while the next run trains."""
    gain, is_first = config["gain"], not _LINGERING
    if is_first:
        _LINGERING.append(threading.Thread(target=_report_late))
        _LINGERING[0].start()
    for _ in range(3):
        tune.report({"score": float(gain)})
        if gain == 2:
            _MAY_REPORT.set()
            _LINGERING[0].join()


_LINGERING: list[threading.Thread] = []
_MAY_REPORT = threading.Event()


def _report_late():
    _MAY_REPORT.wait(10)
    with contextlib.suppress(BaseException):
        tune.report({"score": 500.0})


def of_train(config):
    """As many write it for Ray Train."""
    from ray import train

    train.report({"score": float(config["gain"])})
    train.report({"score": float(config["seed"])})


def raises(config):
    """Fails in its second step, in a function of its own."""
    yield {"score": 1.0}
    _divide(config["gain"], 0)


def returns_number(gain, seed):
    return 0.5 * gain


def says_nothing(config):
    pass


def counts_forever(gain, seed):
    """Never ends by itself."""
    step = 0
    while True:
        step += 1
        yield {"score": 10.0 - gain * step, "eval": {"acc": step / 10}}


def hangs(gain, seed, how="python"):
    """Does not come back from its second step."""
    yield {"score": 1.0}
    if how == "python":
        while True:
            pass
    if how == "swallows":
        while True:
            try:
                time.sleep(0.05)
            except Exception:
                continue
    if how == "c":
        import ctypes

        while True:
            ctypes.CDLL(None).usleep(900_000_000)
    if how == "locked":
        sum(range(10**14))  # gives Python's lock back to nobody
    yield {"score": 2.0}


async def later(config):
    return {"score": 1.0}


def no_seed(gain):
    return {"score": gain}


def needs_more(gain, seed, depth, lr=0.1):
    return {"score": gain}


def forgets_first(model, gain=1):
    return {"score": gain}


class NotTrainable:
    pass


def _divide(number, by):
    return number / by


def _die_once(config, step):
    """The worker dies, once."""
    marker = config.get("dies")
    if not marker or step != 3:
        return
    try:
        Path(marker, f"{config['gain']}-{config['seed']}").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Endless(tune.Trainable):
    """Leaves its end to others."""

    def step(self):
        return {"score": float(self.iteration)}


class Reads(Endless):
    """Its config names a file."""

    class Config(TrainableConfig):
        paths = frozenset({"path"})
        path: str
        scores: str = ""


class Swallows(Endless):
    """Whatever goes wrong in a step, it tries again."""

    def step(self):
        while True:
            try:
                time.sleep(60)
            except Exception:
                continue


class HangsInC(Endless):
    """Waits in C, which no signal of Python's ends."""

    def step(self):
        import ctypes

        wait = ctypes.CDLL(None).pause
        threading.Thread(target=lambda: None).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL})
        return {"score": wait()}


class Stumbles(Endless):
    """Each attempt comes a step further, and takes its time."""

    def step(self):
        time.sleep(0.2)
        if self.iterations_since_restore == 1:
            raise RuntimeError("again")
        return {"score": float(self.iteration)}

    @property
    def iterations_since_restore(self):
        return self._iterations_since_restore

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


def objective(config):
    """A loop without an end, that cleans up."""
    accuracy = 0.0
    try:
        while True:
            accuracy += config["gain"]
            tune.report({"accuracy": accuracy})
    finally:
        Path(config["folder"], f"ended-{config['gain']}").touch()


class Descent(tune.Trainable):
    """A step of gradient descent on a parabola; saves into the folder that it is given."""

    def setup(self, config):
        self.position = 10.0
        self.rate = config["gain"] / 10

    def step(self):
        self.position -= self.rate * 2 * self.position
        return {"score": self.position**2}

    def save_checkpoint(self, checkpoint_dir):
        Path(checkpoint_dir, "position.txt").write_text(str(self.position))

    def load_checkpoint(self, checkpoint_dir):
        self.position = float(Path(checkpoint_dir, "position.txt").read_text())

    def reset_config(self, new_config):
        self.setup(new_config)
        return True
