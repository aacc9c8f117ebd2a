"""From a zip of one's own pictures to a small model in a real browser: named, saved, trained, compared."""

import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from benchmarks.serving import CHROMIUM, browser, serve, settled
from core.cards import load_card
from core.runs.store.records import RunRecord
from core.runs.store.run_store import RunStore
from tests.unit.data.test_import_process import odd_zip

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_MS = 120_000
NAMES = {"3": "Löß & Co", "17": "Road", "90": "Roof <b>", "201": "Pool"}
SMALL = "network=small&teacher_epochs=1&teacher_batch_size=2&teacher_crop=32&teacher_student=2"


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[tuple[Page, str, Path]]:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    home = tmp_path / "home"
    with serve(home, log=tmp_path / "server.log", speeds=True) as (address, _), browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        yield page, address, home


def finished(home: Path) -> list[RunRecord]:
    """Both runs, the teacher first, once they are done."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        known = sorted(RunStore(home=home).list(), key=lambda run: run.config.kind != "train")
        assert not [run.error for run in known if run.state == "failed"]
        if len(known) == 2 and all(run.state == "done" for run in known):
            return known
        time.sleep(0.5)
    raise TimeoutError("The runs did not finish.")


def test_a_zip_of_odd_masks_becomes_a_student_of_its_classes(visit: tuple[Page, str, Path], tmp_path: Path) -> None:
    page, address, home = visit
    page.goto(f"{address}/datasets")
    page.locator("input[type=file]").set_input_files(odd_zip(tmp_path / "plots.zip", pictures=8))
    page.get_by_text("2 masks are 3 % larger than their image.").wait_for()
    page.get_by_text("1 image has no labels.").wait_for()
    for value, name in NAMES.items():
        field = page.get_by_label(f"Name of {value}", exact=True)
        field.fill(name)
        field.press("Enter")
        settled(page)
    page.get_by_text("4 classes: Löß & Co").wait_for()
    page.get_by_text("Roof <b> 2", exact=False).wait_for()
    settled(page).get_by_role("button", name="Save").click()
    page.get_by_text("plots is saved").wait_for()
    settled(page).get_by_test_id("stMain").get_by_role("button", name="Train a teacher").first.click()
    page.get_by_role("heading", name="Distill").wait_for()
    assert "dataset=plots" in page.url
    page.goto(f"{address}/distill?goal=teacher&dataset=plots&{SMALL}")
    page.get_by_role("button", name="Launch both").wait_for()
    settled(page).get_by_role("button", name="Launch both").click()
    page.get_by_role("heading", name="Runs").wait_for()
    teacher, student = finished(home)
    assert teacher.summary["test_miou5"] is not None
    page.goto(f"{address}/start?teacher={teacher.id}&students={student.id}")
    page.get_by_text("test picture of").wait_for()
    page.get_by_text("Known mask: this layer, PNG").wait_for(state="attached")
    assert load_card(home / student.id / "student").classes.scored_names == tuple(NAMES.values())
    page.goto(f"{address}/browser?model={student.id}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download ONNX").click()
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert json.loads(bundle.read("classes.json"))["names"] == list(NAMES.values())
        assert bundle.read("model.onnx")
    assert "Traceback" not in (tmp_path / "server.log").read_text(errors="replace")
