"""What the driver and the sink's process say to each other."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.tracking.wandb.protocol import (
    Close,
    Complete,
    End,
    Notice,
    Opened,
    Pending,
    Points,
    Sent,
    ServerState,
    Start,
    Sync,
    Table,
    UnknownMessageError,
    decode_fact,
    decode_message,
    encode,
)
from ablate.tracking.wandb.sink.sink import Notices, serve

START = Start(
    wandb_id="a", run_id="b", name="n", group="g", job_type="train", notes=None,
    config={"lr": 0.1, "num": 1, "deep": {"x": [None, True]}}, tags=["t"], program="p", commit=None,
)  # fmt: skip
END = End(wandb_id="a", summary={"loss": 1}, failed=False, exit_code=0, content="c")
TABLES = replace(END, tables={"one": Table(columns=["x"], rows=[["1"]])}, page="/p.html")
COMPLETE = Complete(start=START, end=TABLES, num_rows=3)
MESSAGES = [
    START, Points(wandb_id="a", points=[[1, {"loss": 2, "acc": 0.5}]], is_behind=True), END,
    COMPLETE, Sync(runs=[COMPLETE, Complete(start=START, end=END, num_rows=0)], dry_run=True),
    Close(patience_s=2.0),
]  # fmt: skip
FACTS = [
    Notice(text="x"), Opened(entity="e"), Pending(num_runs=2), Sent(name="n", num_rows=1),
    ServerState(name="n", num_rows=1, is_whole=True, is_known=True),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_a_message_arrives_as_it_was_sent(message):
    assert decode_message(encode(message)) == message
    with pytest.raises(UnknownMessageError):
        decode_fact(encode(message))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind)
def test_a_fact_arrives_as_it_was_sent(fact):
    assert decode_fact(encode(fact)) == fact
    with pytest.raises(UnknownMessageError):
        decode_message(encode(fact))


def test_the_home_directory_is_published_nowhere_but_its_files_are_found():
    home = str(Path.home())
    start = replace(START, config={"path": f"{home}/data.npy"}, program=f"{home}/run.py")
    end = replace(END, log=f"{home}/run.log")
    sent = decode_message(encode(Complete(start=start, end=end, num_rows=1)))
    assert (sent.start.config["path"], sent.start.program) == ("~/data.npy", "~/run.py")
    assert sent.end.log == end.log
    assert decode_fact(encode(Notice(text=f"{home}/x"))).text == f"{home}/x"


class Way:
    """Nothing of W&B: what it was given is kept."""

    moved_at = 0.0

    def __init__(self):
        self.messages, self.exit_code = [], None

    def take(self, message):
        self.messages.append(message)

    def end_open_runs(self, exit_code):
        self.exit_code = exit_code

    def num_pending(self):
        return 0


@pytest.mark.parametrize(
    "odd", ['{"kind": "strat"}', '{"kind": "start", "nmae": 1}', "[]", "7", '{"id": "a"}', "null"]
)
def test_an_unknown_message_is_told_and_the_next_one_carried_out(odd):
    way, said = Way(), io.StringIO()
    lines = io.StringIO(f"{odd}\n{encode(START)}{encode(Close(patience_s=1.0))}")
    assert serve(way, lines, Notices(said), 1.0)
    assert way.messages == [START]
    notice = decode_fact(said.getvalue())
    assert "does not know a message of its driver" in notice.text
    assert (json.loads(odd) != {"kind": "strat"}) or "strat" in notice.text
