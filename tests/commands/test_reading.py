"""What is read of scripts, in the forms in which they tell it."""

import json
import math
import sys

import pytest
from commanded import LOG, PLAIN, SCRIPTS, Told, a_run, advance, finished


def script(name, *arguments):
    return " ".join([sys.executable, str(SCRIPTS / f"{name}.py"), *arguments])


def test_json_lines_that_a_script_writes_anyway(tmp_path):
    told = finished(tmp_path, f"{PLAIN} --lr {{lr}}", config={"lr": 0.5}, read=LOG)
    assert told.ending is None
    assert told.curve("acc") == {s: 1 + 0.5 * s * (s + 1) / 2 for s in range(1, 11)}
    assert set(told.points[1]) == {"acc"}
    assert told.facts["step"] == 10
    assert told.printed.splitlines()[-2:] == ["step 10 acc=28.5", "done"]


def test_patterns_over_a_progress_bar(tmp_path):
    """Colours and carriage returns are no obstacle; of marked ranks the first one counts."""
    told = finished(
        tmp_path,
        script("bar"),
        read={
            "step": r"Epoch (\d+)",
            "loss": r"loss=([-+.0-9eE]+|nan)",
            "acc": r"val_acc: (\S+),|val_acc: (nan)%",
            "steps": r"steps ([\d,]+)",
        },
    )
    assert told.ending is None
    assert told.curve("loss") == {1: 0.5, 2: 0.3333}
    assert told.curve("acc").keys() == {1, 2, 3}
    assert told.curve("acc")[2] == 52.5
    assert math.isnan(told.curve("acc")[3])
    assert told.curve("steps") == {1: 1001, 2: 1002}
    lines = told.printed.splitlines()
    assert len(lines) == 6, "a bar is one line"
    assert lines[0] == "Epoch 1: 100%|██████████| loss=0.5000"


def test_what_is_printed_without_a_step_is_counted(tmp_path):
    told = finished(tmp_path, PLAIN, read={"acc": r"acc=(\S+)"})
    assert list(told.curve("acc")) == list(range(1, 11))


@pytest.mark.parametrize("delimiter", [",", "';'"])
def test_a_table(tmp_path, delimiter):
    """Half a row waits; a header written again is none; the last row needs no end."""
    read = {"file": "metrics.csv", "step": "epoch"}
    told = finished(tmp_path, script("table", "{run_dir}", delimiter), read=read)
    assert told.ending is None
    assert list(told.points) == [1, 2, 3, 4, 5, 6]
    assert told.points[4] == {"train/loss": 0.25, "acc": 0.45, "lr": 1e-3}
    assert math.isnan(told.points[2]["acc"])
    assert told.points[6]["lr"] == 1e-4


def test_event_files_and_a_resume_that_writes_one_more(tmp_path):
    read, resumes = {"file": "tb"}, {"checkpoint": "*.pt", "resume": "--resume"}
    line = script("board", "{run_dir}", "--break")
    told = finished(tmp_path, line, read=read, retries=1, **resumes)
    assert (told.ending, told.raised) == (None, None)
    assert told.curve("acc") == {s: s * 10 + (s > 4) for s in range(1, 13)}
    assert told.curve("train/loss")[8] == 0.125
    assert set(told.points[1]) == {"acc", "train/loss"}


def test_scalars_in_tensors(tmp_path):
    """As TensorFlow 2 and JAX write them."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.proto.tensor_pb2 import TensorProto

    from ablate.commands.event_files import EventFile

    tensors = {
        "float": TensorProto(dtype="DT_FLOAT", float_val=[0.5]),
        "double": TensorProto(dtype="DT_DOUBLE", double_val=[0.25]),
        "long": TensorProto(dtype="DT_INT64", int64_val=[-3]),
        "bytes": TensorProto(dtype="DT_FLOAT", tensor_content=b"\0\0\x80\x3f"),
        "vector": TensorProto(dtype="DT_FLOAT", float_val=[1.0, 2.0]),
    }
    tensors["vector"].tensor_shape.dim.add(size=2)
    writer = EventsWriter(str(tmp_path / "events"))
    for tag, tensor in tensors.items():
        summary = Summary(value=[Summary.Value(tag=tag, tensor=tensor)])
        writer.write_event(Event(wall_time=1.0, step=2**40, summary=summary))
    writer.close()
    [path] = tmp_path.glob("events*")
    records = list(EventFile(path, None).new(None, is_final=True))
    found = {name: value for record in records for name, value in record.metrics.items()}
    assert found == {"float": 0.5, "double": 0.25, "long": -3.0, "bytes": 1.0}
    assert {record.step for record in records} == {2**40}


def test_calls_of_ablate_log_cost_nothing_and_need_nothing(tmp_path):
    told = finished(tmp_path, script("logs"))
    assert told.ending is None
    assert told.points[1] == {"loss": 0.5, "val/acc": 0.25, "more": 7.0}
    assert told.points[2]["one"] == 1.0
    assert math.isnan(told.points[2]["loss"])
    assert told.points[3] == {"loss": 0.125}
    assert told.facts["world_size"] == 2
    took, heavy = told.printed.split()[1], told.printed.split("heavy ")[1].strip()
    assert heavy == "[]"
    assert float(took) < 1, "milliseconds, on a machine that is busy"


def test_ablate_log_elsewhere_is_silent_and_refuses_what_is_no_number(monkeypatch, capsys):
    from ablate import log

    monkeypatch.delenv("ABLATE_LOG", raising=False)
    log({"acc": 0.5})
    assert capsys.readouterr() == ("", "")
    with pytest.raises(TypeError, match=r"val/acc = '0.5' is not a number"):
        log({"val": {"acc": "0.5"}})
    with pytest.raises(TypeError, match=r"step = 0.5 is not an integer"):
        log({"acc": 1}, step=0.5)


@pytest.mark.parametrize(
    ("read", "key", "instead"),
    [
        ({"acc": r"accuracy: (\S+)"}, "trainable.read.acc", "step 10 acc=56.0 | done"),
        ({"acc": r"acc=(\S+)", "step": r"epoch (\d+)"}, "trainable.read.step", "step 10 acc=56.0"),
        ({"file": "metrics.jsonl"}, "trainable.read.file", "log.jsonl"),
        ({"file": "log.jsonl", "step": "epoch"}, "trainable.read.step", "step, acc, note"),
        (None, "trainable.read", "never called ablate.log"),
    ],
)
def test_what_never_matched_is_told_with_what_is_there(tmp_path, read, key, instead):
    told = finished(tmp_path, PLAIN, read=read, retries=2)
    assert told.ending.kind == "NothingRead"
    assert told.ending.message.startswith(f"{key} ")
    assert instead in told.ending.message
    assert told.printed.count("done") == 1, "no retry can help"


def test_numbers_of_several_processes_are_told_apart_or_warned_of(tmp_path):
    """By torchrun's `--tee`, which cuts into a bar; a script's own marks are no process's."""
    code = (
        "for step in (1, 2): print(f'[epoch{{step}}]: acc={{step}}')\n"
        "print('[default1]:acc=8')\n"
        "print('[default0]:\\r acc=3[default1]:\\r acc=9\\r acc=9')\n"
    )
    line, read = [sys.executable, "-c", code], {"acc": r"acc=(\d)"}
    assert finished(tmp_path, line, read=read).curve("acc") == {1: 1, 2: 2, 3: 3}
    code = "for rank in (0, 1): print(f'step 1 acc={{rank}}')"
    line = ["env", sys.executable, "-c", code, "--nproc-per-node=2"]
    told = finished(tmp_path / "2", line, read={**read, "step": r"step (\d)"})
    assert "acc was told with several values at one step" in told.warnings[0]
    bar = [*line[:3], code.replace("step 1", "\\rstep 1"), line[-1]]
    for number, quiet in enumerate((bar, line[:-1])):
        told = finished(tmp_path / f"3{number}", quiet, read={**read, "step": r"step (\d)"})
        assert not told.warnings


def test_a_pattern_of_another_metric_may_find_nothing(tmp_path):
    read = {"acc": r"acc=(\S+)", "f1": r"f1=(\S+)"}
    told = finished(tmp_path, PLAIN, read=read, given={"metric": "acc"})
    assert told.ending is None
    assert "trainable.read.f1 = 'f1=" in told.warnings[0]
    told = finished(tmp_path / "2", PLAIN, read=read, given={"metric": "f1"})
    assert told.ending.message.startswith("trainable.read.f1 ")


def test_a_file_that_is_written_anew_each_time(tmp_path):
    """As `to_csv` and `json.dump` do: the whole history, again and again."""
    code = (
        "import json, sys, time\n"
        "rows = []\n"
        "for step in range(1, 9):\n"
        "    rows.append({'step': step, 'acc': step / 10})\n"
        "    with open(sys.argv[1] + '/h.jsonl', 'w') as file:\n"
        "        for row in rows:\n"
        "            file.write(json.dumps(row) + '\\n'); file.flush(); time.sleep(0.01)\n"
        "rows[2]['acc'] = 5.0\n"
        "with open(sys.argv[1] + '/h.jsonl', 'w') as file:\n"
        "    file.writelines(json.dumps(row) + '\\n' for row in rows)\n"
    )
    line = [sys.executable, "-c", code.replace("{", "{{").replace("}", "}}"), "{run_dir}"]
    told = finished(tmp_path, line, read={"file": "h.jsonl"})
    assert told.curve("acc") == {1: 0.1, 2: 0.2, 3: 5.0, **{s: s / 10 for s in range(4, 9)}}


def test_a_table_with_row_numbers_that_gets_a_column_more(tmp_path, monkeypatch):
    """Written anew, or by a script that goes on: the header of before no longer holds."""
    monkeypatch.setattr("ablate.commands.tail.REWRITE_S", 0.1)
    code = (
        "import sys, time\n"
        "path = sys.argv[1] + '/t.csv'\n"
        "open(path, 'w').write(',epoch,loss\\n0,1,0.5\\n'); time.sleep(0.5)\n"
        "open(path, 'w').write(',epoch,acc,loss\\n0,1,0.9,0.5\\n'); time.sleep(0.7)\n"
        "open(path, 'a').write(',epoch,lr,acc,loss\\n0,2,1e-3,0.8,0.4\\n')\n"
    )
    line = [sys.executable, "-c", code, "{run_dir}"]
    told = finished(tmp_path, line, read={"file": "t.csv", "step": "epoch"})
    assert told.curve("loss") == {1: 0.5, 2: 0.4}
    assert told.curve("acc") == {1: 0.9, 2: 0.8}


def test_one_document_of_results(tmp_path):
    code = (
        "import json,sys; json.dump(dict(acc=0.5, n=3), open(sys.argv[1]+'/r.json','w'), indent=1)"
    )
    line = [sys.executable, "-c", code, "{run_dir}"]
    assert finished(tmp_path, line, read={"file": "r.json"}).points == {1: {"acc": 0.5, "n": 3.0}}


def test_a_document_with_an_item_a_line(tmp_path):
    rows = ",\n".join(json.dumps({"step": step, "acc": step / 10}) for step in (1, 2, 3))
    code = "import sys; open(sys.argv[2] + '/r.json', 'w').write(sys.argv[1])"
    line = [sys.executable, "-c", code, "{rows}", "{run_dir}"]
    config = {"rows": f"[\n{rows}\n]\n"}
    told = finished(tmp_path, line, config=config, read={"file": "r.json"})
    assert told.curve("acc") == {1: 0.1, 2: 0.2, 3: 0.3}


def test_many_points_at_once(tmp_path):
    """A script that was faster than its reader: time grows with their number, not its square."""
    code = (
        "import sys; open(sys.argv[1] + '/r.csv', 'w').write('step,acc\\n' + ''.join("
        "f'{{s}},{{s}}\\n' for s in range(40_000)))"
    )
    told = finished(tmp_path, [sys.executable, "-c", code, "{run_dir}"], read={"file": "r.csv"})
    assert len(told.points) == 40_000


def test_what_lay_there_before_is_no_result(tmp_path):
    """A log in the script's folder, which an earlier run of it has left."""
    (tmp_path / "log.jsonl").write_text('{"step": 99, "acc": 99}\n')
    line = PLAIN.replace("{run_dir}", str(tmp_path))
    assert list(finished(tmp_path, line, read=LOG).points) == list(range(1, 11))


def test_points_come_while_the_script_runs(tmp_path):
    told, run = Told(), a_run(tmp_path, f"{PLAIN} --step-s 0.5 --steps 100", read=LOG)
    assert not advance(run, told, until=lambda: len(told.points) >= 2)
    run.stop()
    assert told.facts["step"] < 20


def test_a_log_that_other_runs_share_is_warned_of(tmp_path):
    told = finished(tmp_path, PLAIN.replace("{run_dir}", str(tmp_path)), read=LOG)
    assert len(told.warnings) == 1
    assert "let the script write to {run_dir}" in told.warnings[0]


def test_what_was_read_of_much_that_is_printed_takes_no_space(tmp_path, monkeypatch):
    monkeypatch.setattr("ablate.commands.printed.LEFT_BYTES", 2**16)
    code = (
        "import time\n"
        "for i in range(9): print('x' * 99999, 'acc=%d' % i, flush=True); time.sleep(0.3)"
    )
    run = a_run(tmp_path, [sys.executable, "-c", code], read={"acc": r"acc=(\d)"})
    told = Told()
    assert advance(run, told, until=lambda: run.state() is None)
    output = tmp_path / "run" / ".ablate" / "output.log"
    assert output.stat().st_size > 9 * 99999
    assert output.stat().st_blocks * 512 < 6 * 99999
    assert told.curve("acc") == {i + 1: float(i) for i in range(9)}
