"""What Ray prints goes to a file of the study, wherever Python's streams lead."""

import contextlib
import io
import logging
import os
import sys
import threading

from ablate.launch.ray.ray_log import ray_speaks_to


def test_all_ways_to_print_lead_to_the_file_and_back(tmp_path, capfd):
    log, cell = tmp_path / "logs" / "ray.log", io.StringIO()
    with contextlib.redirect_stderr(cell), contextlib.redirect_stdout(cell):  # as in a notebook
        with ray_speaks_to(log):
            kept = logging.StreamHandler()
            os.write(2, b"of C++\n")
            print("of Python", file=sys.stderr)
            told = threading.Thread(target=print, args=("of a thread",), name="ray_print_logs")
            told.start()
            told.join()
            print("of the study")
        kept.emit(logging.makeLogRecord({"msg": "afterwards"}))
    assert sorted(log.read_text().splitlines()) == ["of C++", "of Python", "of a thread"]
    assert cell.getvalue() == "of the study\nafterwards\n"
    assert capfd.readouterr() == ("", "")
