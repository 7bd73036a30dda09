"""Reports of studies that were trained, as people open them."""

import pytest
from browser import CHROMIUM, Page
from studies import flow_study, toy_study

from ablate.driver.run_study import run_study
from ablate.study_dir import StudyPaths

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
)
SHORT = {"hidden_dim": 64, "num_layers": 2, "steps": 20, "solver_steps": 4}
MOONS = {"source": "moons", "rows": 300}


@pytest.fixture(scope="module")
def page():
    with Page(width=1200) as opened:
        yield opened


def shown(page, study):
    """What a page shows of its cells: the accessible text of each picture, and all words."""
    run_study(study, local=True)
    for scheme in ("dark", "light"):
        page.scheme(scheme)
        page.open(StudyPaths(study.directory).report / "index.html")
        page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert page.js("document.documentElement.scrollWidth") == 1200
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    told = page.js("""[...document.querySelectorAll('.picture img, .picture svg')]
        .map(picture => picture.alt ?? picture.getAttribute('aria-label'))""")
    assert len(told) == 3, "the data, and a picture of each cell"
    return told, page.js("document.querySelector('.pictures').parentElement.innerText")


def test_digits_are_images(tmp_path, page):
    told, text = shown(page, flow_study(tmp_path, base=SHORT))
    assert told[1].startswith("256 samples of flow=icfm: mean ")
    assert "64 of 256 samples, run icfm-s" in text
    sizes = page.js("[...document.querySelectorAll('.picture img')].map(i => i.naturalWidth)")
    assert min(sizes) >= 8 * 8, "eight digits side by side"


def test_moons_are_clouds_with_their_paths(tmp_path, page):
    told, text = shown(page, flow_study(tmp_path, base={**SHORT, "data": MOONS}))
    assert told[1].startswith("256 samples of flow=icfm: mean ")
    assert "Lines: the way of some from noise to sample" in text
    assert page.js("document.querySelectorAll('.picture .mark-line path').length") == 48


def test_embeddings_are_points_on_the_datas_components(tmp_path, page, sentences):
    data = {"source": "parquet", "path": str(sentences), "size": 500}
    _, text = shown(page, flow_study(tmp_path, base={**SHORT, "data": data}))
    assert "% of their variance" in text
    assert "nearest training row at" in text


def test_pictures_of_a_trainable_of_ones_own_stand_in_their_place(tmp_path, page):
    study = toy_study(tmp_path, trainable="painters:Painter", base={}, seeds=[1])
    run_study(study, local=True)
    page.open(StudyPaths(study.directory).report / "index.html")
    page.js("document.querySelectorAll('details').forEach(part => part.open = true)")
    names = page.js("[...document.querySelectorAll('.picture img')].map(i => i.alt)")
    assert len(names) == 4, "start and end, of each cell"
    assert page.errors == []
