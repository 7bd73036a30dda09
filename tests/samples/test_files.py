"""Samples in study directories: written by many, copied to others."""

import numpy as np
import pytest

from ablate.samples import files
from ablate.samples.files import copy_samples, has_samples, keep
from ablate.samples.kept import KeptData, KeptSamples, read_data, read_samples, write_data
from ablate.study_dir import StudyPaths

ROWS = np.zeros((3, 2), np.float32)
DATA = KeptData(rows=ROWS, shape=(2,))


def samples(step=1, data="d"):
    return KeptSamples(rows=ROWS, shape=(2,), weights="best", step=step, solver="euler", data=data)


def never():
    raise AssertionError("the data are there")


def test_the_data_are_made_once_whoever_comes_first(tmp_path, monkeypatch):
    paths = StudyPaths(tmp_path)

    def beaten(path, kept):
        write_data(path, kept)
        raise FileNotFoundError("the partial file is another's, who was faster")

    monkeypatch.setattr(files, "write_data", beaten)
    keep(paths, "a-s1", samples(), lambda: DATA)
    keep(paths, "b-s1", samples(), never)
    assert read_data(paths.sampled_data("d")).shape == (2,)
    monkeypatch.setattr(files, "write_data", lambda path, kept: beaten(path.with_name("x"), kept))
    with pytest.raises(FileNotFoundError):
        keep(paths, "c-s1", samples(data="e"), lambda: DATA)


def test_those_that_are_torn_or_without_data_do_not_count(tmp_path):
    paths = StudyPaths(tmp_path)
    keep(paths, "a-s1", samples(), lambda: DATA)
    assert has_samples(paths, "a-s1")
    paths.sampled_data("d").unlink()
    paths.samples("b-s1").write_bytes(b"PAR1")
    assert not [name for name in ("a-s1", "b-s1", "c-s1") if has_samples(paths, name)]


def test_damaged_data_are_written_anew(tmp_path):
    paths, place = StudyPaths(tmp_path), StudyPaths(tmp_path).sampled_data("d")
    keep(paths, "a-s1", samples(), lambda: DATA)
    place.write_bytes(place.read_bytes()[:-9])
    assert not has_samples(paths, "a-s1")
    keep(paths, "a-s1", samples(), lambda: DATA)
    assert has_samples(paths, "a-s1")


def test_a_copy_replaces_what_was_there_even_by_nothing(tmp_path):
    theirs, ours = StudyPaths(tmp_path / "theirs"), StudyPaths(tmp_path / "ours")
    for paths in (theirs, ours):
        paths.root.mkdir()
        (paths.root / "samples").mkdir()
    ours.sampled_data("d").write_bytes(b"torn")
    keep(theirs, "a-s1", samples(step=2), lambda: DATA)
    keep(ours, "b-s1", samples(step=1, data=""), never)
    copy_samples(theirs, "a-s1", ours, "b-s1")
    assert read_samples(ours.samples("b-s1")).step == 2
    assert read_data(ours.sampled_data("d")).shape == (2,)
    copy_samples(theirs, "c-s1", ours, "b-s1")
    assert not ours.samples("b-s1").exists()
