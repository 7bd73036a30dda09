"""Where in people's own code an exception came from, by the text of its traceback."""

import sysconfig
import traceback
from pathlib import Path

import pytest
import torch

import trainables.flow
from ablate.run_row import RunRow, Status
from ablate.text import MAX_CAUSE, cause_of, first_line, own_place

HERE = Path(__file__).name
STANDARD = f"{sysconfig.get_path('stdlib')}/json/decoder.py"
FLOW = f"{Path(trainables.flow.__file__).parent}/engine/pack.py"


def frames(*places, told="ValueError: no"):
    files = [f'  File "{file}", line {line}, in f\n    f()' for file, line in places]
    return "\n".join(["Traceback (most recent call last):", *files, told])


MINE, THEIRS = ("/home/me/nets.py", 12), ("/x/lib/python3.12/site-packages/torch/nn.py", 7)


@pytest.mark.parametrize(
    ("trace", "place"),
    [
        (frames(("/home/me/train.py", 1), MINE, THEIRS), "nets.py:12"),
        (frames(MINE, ("<frozen importlib>", 3), (STANDARD, 9)), "nets.py:12"),
        (frames(MINE, (FLOW, 1), ("/elsewhere/ablate/launch/host.py", 4)), "nets.py:12"),
        (frames(THEIRS), ""),
        ("", ""),
        (frames(MINE) + "\n\nThe above exception was the direct cause of ...\n\n" + frames(THEIRS),
         "nets.py:12"),
        (frames(MINE) + "\nDuring handling ...\n" + frames(("/home/me/other.py", 3)), "other.py:3"),
        ("\n".join(f"[rank1]: {line}" for line in frames(MINE).splitlines()), "nets.py:12"),
        (frames(MINE) + "\n" + frames(("/home/me/other.py", 3), told="KeyError: 2"), "nets.py:12"),
        ('  + Exception Group Traceback (most recent call last):\n  |   File "/me/a.py", line 2',
         "a.py:2"),
    ],
)  # fmt: skip
def test_the_last_call_in_ones_own_code(trace, place):
    assert own_place(trace, "no") == place


def test_the_place_ends_the_first_line_whatever_its_length_and_is_told_once():
    trace = frames(MINE)
    assert cause_of("ValueError", "no\nmore", trace) == "ValueError: no (nets.py:12)\nmore"
    assert cause_of("KeyError", "", trace) == "KeyError (nets.py:12)"
    assert cause_of("ConfigError", "path fails (nets.py:12)", trace).count("nets.py") == 1
    assert cause_of("SyntaxError", "bad (nets.py, line 12)", trace).count("nets.py") == 1
    assert cause_of("Diverged", "loss is nan", "") == "Diverged: loss is nan"
    cut = first_line(cause_of("ValueError", "no" * MAX_CAUSE, frames(MINE, told="no" * 999)))
    assert cut.endswith("… (nets.py:12)")
    assert len(cut) == MAX_CAUSE


def test_a_run_tells_where_its_own_code_failed():
    try:
        torch.zeros(2) @ torch.zeros(3)
    except RuntimeError as error:
        trace = "".join(traceback.format_exception(error))
    row = RunRow({"error_type": "RuntimeError", "error": "sizes", "traceback": trace},
                 status=Status.FAILED.value)  # fmt: skip
    assert row.cause.startswith(f"RuntimeError: sizes ({HERE}:")
