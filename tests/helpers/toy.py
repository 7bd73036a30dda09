"""Small trainables of one's own, good and bad, as users write them."""

import os
import random
import signal
import sys
import time
from pathlib import Path

from ray.tune import Trainable


class Counter(Trainable):
    """Counts to `length`; a config says how it misbehaves.

    With `until` it does not end before that file exists, then hurries: it waits at its `length`,
    or goes on if it has none.
    """

    def setup(self, config):
        self.total = 0.0
        if config.get("fail") == "setup":
            raise ValueError("no such thing as a good setup")

    def step(self):
        c = self.config
        if c.get("fail") == "step" and self.iteration == 2:
            raise RuntimeError("the third step is broken")
        if c.get("fail") == "exit" and self.iteration == 2:
            sys.exit("no licence")
        if c.get("fail") == "nan" and self.iteration == 2:
            return {"score": float("nan")}
        if c.get("fail") == "once" and self.iteration == 3 and _first_time(c["marker"]):
            os.kill(os.getpid(), signal.SIGKILL)
        if c.get("fail") == "stubborn":
            _swallow_everything()
        is_over = self._is_over(c)
        self.total += c.get("gain", 1) * (self.iteration + 1) + c["seed"]
        print(f"step {self.iteration + 1} total {self.total}")
        return {"score": self.total, "done": is_over}

    def _is_over(self, c):
        """Whether this step is the last; takes a step's time."""
        may_end = Path(c.get("until", "/"))
        if "until" not in c or not may_end.exists():
            time.sleep(c.get("step_s", 0.0))
        is_last = self.iteration + 1 >= c.get("length", 4)
        while is_last and "length" in c and not may_end.exists():
            time.sleep(0.05)
        return is_last and may_end.exists()

    def save_checkpoint(self, checkpoint_dir):
        return {"total": self.total}

    def load_checkpoint(self, checkpoint):
        self.total = checkpoint["total"]


class Fragile(Counter):
    """Fails in `setup`, the first time."""

    def setup(self, config):
        if _first_time(config["marker"]):
            raise ValueError("not yet")
        super().setup(config)


class Noisy(Trainable):
    """Scores once, with noise that config and seed decide."""

    def setup(self, config):
        self.gain = config["gain"]
        self.rng = random.Random(f"{config['gain']} {config['seed']}")

    def step(self):
        marker, at = self.config.get("fails_once"), f"{self.gain}-{self.config['seed']}"
        if marker and at == self.config["at"] and _first_time(marker):
            raise RuntimeError("once")
        score, other = (10 * self.gain + self.rng.gauss(0, 1) for _ in range(2))
        return {"score": score, "other": other, "done": True}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


class Recorder(Counter):
    """Writes when it ran and which GPU it saw; its actors can be reused."""

    def reset_config(self, new_config):
        self.setup(new_config)
        return True

    def step(self):
        folder = Path(self.config["folder"])
        name = f"{self.config['gain']}-{self.config['seed']}"
        start = time.time()
        result = super().step()
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        (folder / name).write_text(f"{start} {time.time()} {gpus}")
        return result


def _swallow_everything():
    while True:
        try:
            print("deaf", flush=True)
            time.sleep(60)
        except BaseException:
            continue


def _first_time(marker):
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Loud(Trainable):
    """Prints and raises what its config says, in whatever letters."""

    def step(self):
        c = self.config
        for stream in (sys.stdout, sys.stderr):
            print(c.get("says", ""), file=stream)
        sys.stdout.writelines([c.get("says", ""), "\n"])
        if "opens" in c:
            open(c["opens"]).close()
        if "raises" in c and self.iteration == 1:
            try:
                raise KeyError(c["raises"])
            except KeyError as error:
                raise RuntimeError(c["raises"]) from error
        score = c.get("gain", 1) + c["seed"]
        return {"score": score, c.get("reports", "other"): 2.0 * score, "done": self.iteration == 2}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


class Stumbler(Counter):
    """Raises once, at its third step."""

    def step(self):
        marker = Path(self.logdir, "stumbled")
        if self.iteration == 2 and _first_time(marker):
            raise RuntimeError("once")
        return super().step()


class Deaf(Trainable):
    """Reads some of its keys; what a config says of `depth` and `dropout` it misses, in part."""

    def setup(self, config):
        dropout = min(config.get("dropout", 0), 0.1) if config.get("net") == "mlp" else 0
        heard = [config.get(key) for key in ("gain", "net")]
        self.rng = random.Random(f"{heard} {dropout} {config['seed']}")

    def step(self):
        return {"score": self.rng.gauss(0, 1), "at_s": time.time(), "done": self.iteration == 1}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass
