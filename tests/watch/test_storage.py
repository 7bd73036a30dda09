"""Which studies `ablate watch` finds, by the place that it is given."""

import os

import pytest

from ablate.errors import InputError
from ablate.watch.page import live_page
from ablate.watch.storage import DEFAULT, Storage

YAML = "study: s\nmetric: loss\nfactors: {flow: [a, b]}\nseeds: [1, 2]\n"


def test_a_directory_whose_name_is_not_utf8_is_listed_and_found(tmp_path):
    directory = tmp_path / os.fsdecode(b"caf\xe9")
    directory.mkdir()
    (directory / "study.yaml").write_text(YAML)
    storage = Storage.of(tmp_path)
    [line] = storage.listing()
    assert (line["study"], line["name"]) == (r"caf\udce9", r"caf\udce9")
    assert storage.study(line["study"]).paths.root == directory
    only = Storage.of(directory)
    assert only.study(only.only).paths.root == directory
    live_page(only.only)[0].encode()


def test_a_loop_of_links_is_refused_and_the_first_study_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="is not there"):
        Storage.of(tmp_path / "loop")
    monkeypatch.chdir(tmp_path)
    storage = Storage.of(DEFAULT)
    assert storage.listing() == []
    (DEFAULT / "s").mkdir(parents=True)
    (DEFAULT / "s" / "study.yaml").write_text(YAML)
    assert [line["name"] for line in storage.listing()] == ["s"]


def test_a_place_that_holds_no_study_is_refused(tmp_path):
    assert Storage.of(tmp_path).names() == {}  # a storage before its first study
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="neither a study directory nor a folder of studies"):
        Storage.of(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        Storage.of(tmp_path / "missing")
    assert os.listdir(tmp_path) == ["notes.txt"]
