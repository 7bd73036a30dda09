"""`ablate.log_image`: what it takes, what it refuses, and where it keeps it."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from studies import toy_study

import ablate
from ablate.driver.session import execute
from ablate.images.log_call import IMAGES
from ablate.images.logged import (
    LoggedImage,
    copy_images,
    keep_found,
    keep_image,
    logged_folder,
    logged_images,
)
from ablate.images.png import encode_png, picture_of
from ablate.launch.base import Options
from ablate.study_dir import StudyPaths

PNG = encode_png(bytes(range(24)), 4, 2, 3)
JPEG = b"\xff\xd8\xff\xe0\0\x04xx\xff\xff\xc2\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0" + b"\xff\xd9"


def pixels_of(png):
    """(height, width, channels) of a PNG that this package has written."""
    width, height, _, colours = struct.unpack(">IIBB", png[16:26])
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colours]
    start, length = png.index(b"IDAT") + 4, struct.unpack(">I", png[33:37])[0]
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8)
    return rows.reshape(height, 1 + width * channels)[:, 1:].reshape(height, width, channels)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setenv(IMAGES, str(logged_folder(tmp_path)))
    return tmp_path


def logged(run_dir):
    """Names, steps and pixels of what a run has."""
    return {one.name: (one.step, one.file.read_bytes()) for one in logged_images(run_dir)}


class Figure:
    """As matplotlib's."""

    def savefig(self, file, format):
        file.write(PNG)


class Image:
    """As PIL's."""

    def save(self, file, format):
        file.write(PNG)


def test_files_bytes_figures_and_images_are_kept_as_they_are(run_dir):
    path = run_dir / "x.gif"  # told by what is in it
    path.write_bytes(JPEG)
    given = {"path": path, "text": str(path), "bytes": PNG, "fig": Figure(), "pil": Image()}
    for name, image in given.items():
        ablate.log_image(name, image)
    kept = {name: content for name, (_, content) in logged(run_dir).items()}
    assert kept == {"path": JPEG, "text": JPEG, "bytes": PNG, "fig": PNG, "pil": PNG}
    assert {one.file.suffix for one in logged_images(run_dir)} == {".jpg", ".png"}


def test_arrays_and_tensors_become_their_pixels(run_dir):
    grey = np.array([[0, 0.5, 1], [1, 0, np.nan]])
    colours = np.arange(30, dtype=np.uint8).reshape(2, 5, 3)
    given = {
        "grey": grey, "first": np.moveaxis(colours, 2, 0), "last": colours,
        "tensor": torch.tensor(colours / 255.0, dtype=torch.float32, requires_grad=True),
        "half": torch.ones(1, 5, 6, dtype=torch.bfloat16), "mask": np.eye(3, dtype=bool),
    }  # fmt: skip
    for name, image in given.items():
        ablate.log_image(name, image, step=np.int64(3))
    kept = {name: pixels_of(content) for name, (_, content) in logged(run_dir).items()}
    assert kept["grey"].tolist() == [
        [[0, 255], [128, 255], [255, 255]], [[255, 255], [0, 255], [0, 0]]
    ]  # fmt: skip
    for name in ("first", "last", "tensor"):
        np.testing.assert_array_equal(kept[name], colours, name)
    assert kept["half"].shape == (5, 6, 1)
    np.testing.assert_array_equal(kept["mask"][..., 0], 255 * np.eye(3))
    assert {step for step, _ in logged(run_dir).values()} == {3}


@pytest.mark.parametrize(("image", "told"), [
    (np.full((2, 2), 7.5), "(2, 2) of float64 from 7.5 to 7.5: floats are from 0 to 1"),
    (np.zeros((2, 2), np.int64), "(2, 2) of int64, not of uint8"),
    (np.zeros((4, 4, 4, 3)), "(4, 4, 4, 3) of float64, not (h, w)"),
    (np.zeros((5, 4, 6)), "(5, 4, 6)"),
    (np.zeros((0, 4)), "(0, 4)"),
    (np.zeros((65_536, 1), np.uint8), "of at most 65,535 pixels a side"),
    (b"GIF89a", "6 bytes: no whole PNG or JPEG"),
    (object(), "is of type object, not the path or the bytes"),
    (None, "is of type NoneType"),
])  # fmt: skip
def test_what_is_no_picture_is_refused_and_says_what_it_is(run_dir, image, told):
    with pytest.raises(TypeError) as raised:
        ablate.log_image("grid", image)
    assert told in str(raised.value)
    assert "grid" in str(raised.value)
    assert logged(run_dir) == {}


def test_the_last_of_a_name_is_kept_and_names_are_no_paths(run_dir):
    names = ["../../../up", "a b", "a_b", "x" * 300, "step-10", "step-9"]
    for name in names:
        ablate.log_image(name, JPEG, step=1)
        ablate.log_image(name, PNG, step=2)
    assert {name: step for name, (step, _) in logged(run_dir).items()} == dict.fromkeys(names, 2)
    assert all(content == PNG for _, content in logged(run_dir).values())
    order = [one.name for one in logged_images(run_dir)]
    assert order.index("step-9") < order.index("step-10")
    assert [path.name for path in run_dir.iterdir()] == [".ablate"]


def test_nothing_happens_outside_of_a_study_and_in_further_processes(run_dir, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    ablate.log_image("grid", PNG)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv(IMAGES)
    ablate.log_image("grid", PNG)
    assert logged(run_dir) == {}


def test_a_pattern_keeps_the_last_files_by_number_and_tells_of_others(tmp_path):
    for number in range(12):
        (tmp_path / f"at-{number}.png").write_bytes(PNG)
    (tmp_path / "at-11.png").write_bytes(b"no picture")
    told = list(keep_found([f"{tmp_path}/none-*.png", f"{tmp_path}/at-*.png"], tmp_path))
    assert told == ["at-11.png is no whole PNG or JPEG"]
    found = [(one.name, one.num) for one in logged_images(tmp_path)]
    assert found == [("at-8.png", 12), ("at-9.png", 12), ("at-10.png", 12)]
    assert list(keep_found([f"{tmp_path}/none"], tmp_path)) == ["finds no file"]
    assert logged_images(tmp_path) == []


def test_a_picture_that_cannot_be_kept_is_a_warning(run_dir, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with pytest.warns(UserWarning, match="log_image: grid is not kept: .*No such file"):
        ablate.log_image("grid", run_dir / "none.png")
    monkeypatch.setattr("ablate.images.logged.write_atomically", full)
    with pytest.warns(UserWarning, match="grid is not kept: .*No space left"):
        ablate.log_image("grid", PNG)


@pytest.mark.parametrize("note", [
    "[" * 100_000, '{"name": "x", "step": Infinity, "num": 1, "file": "x.png"}', "[]", "\xff",
    '{"name": "x", "step": 1, "num": 1e999, "file": "x.png"}',
])  # fmt: skip
def test_a_note_that_nobody_wrote_is_no_picture(run_dir, note):
    ablate.log_image("good", PNG)
    (logged_folder(run_dir) / "bad.json").write_text(note, "latin-1")
    os.mkfifo(logged_folder(run_dir) / "pipe.json")
    assert set(logged(run_dir)) == {"good"}


def test_a_copy_has_the_pictures_of_the_other_alone(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    keep_image(logged_folder(ours), LoggedImage("old"), PNG)
    keep_image(logged_folder(theirs), LoggedImage("new", 3), JPEG)
    copy_images(theirs, ours)
    assert logged(ours) == logged(theirs) == {"new": (3, JPEG)}
    copy_images(tmp_path / "none", ours)
    assert logged(ours) == {}


def test_what_is_torn_is_no_picture():
    for content in (
        b"",
        PNG[:20],
        PNG[:-12],
        JPEG[:-2],
        b"<svg/>",
        JPEG[:9],
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8\xff\xd8",
    ):
        assert picture_of(content) is None, content
    assert (picture_of(PNG).width, picture_of(JPEG).width, picture_of(JPEG).height) == (4, 7, 5)


@pytest.mark.parametrize(("trainable", "names"), [
    ("painters:paints", {"grid", "<b>odd</b>/name\n"}), ("painters:Painter", {"start", "end"}),
])  # fmt: skip
def test_functions_and_classes_log_for_their_run(tmp_path, console, trainable, names):
    study = toy_study(tmp_path, trainable=trainable, base={}, seeds=[1])
    outcome = execute(study, Options(local=True), console)
    assert outcome.exit_code == 0, console.export_text()
    paths = StudyPaths(study.directory)
    for run in outcome.plan.runs:
        assert set(logged(paths.run(run.run_name))) == names
    if "grid" in names:
        step, content = logged(paths.run("gain=1-s1"))["grid"]
        assert step == 10
        assert pixels_of(content).min() == 255
