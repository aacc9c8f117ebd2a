"""A person's first visit, in a real browser: look at masks, launch a quick distillation, compare its student.

The speeds of the shipped models are there; that of the new student is measured.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import CHROMIUM, ROOT, browser, serve, settled
from core import paths

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]

PATIENCE_MS = 240_000
RUN_PATIENCE_MS = 900_000
ARTEFACTS = ROOT / "artefacts"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """The app's first page, with no run yet. What the server said stays in artefacts/."""
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    if not (paths.CHECKPOINTS / "teacher.json").is_file() or not (paths.CHECKPOINTS / "student.json").is_file():
        pytest.skip("the shipped checkpoints are not here")
    ARTEFACTS.mkdir(exist_ok=True)
    with serve(tmp_path / "home", log=ARTEFACTS / "server.log", speeds=True) as (address, _), browser() as chromium:
        opened = chromium.new_page(viewport={"width": 1400, "height": 1000})
        opened.set_default_timeout(PATIENCE_MS)
        opened.goto(address)
        yield opened
        opened.screenshot(path=ARTEFACTS / "last.png")


def masks(page: Page, count: int) -> None:
    """Wait until this many panels are drawn, and check that they are not blank."""
    page.locator(".viewer[data-ready] .frame > canvas").nth(count - 1).wait_for()
    expect(page.locator(".viewer .stage figure")).to_have_count(count)
    page.wait_for_function(_COLOURS, arg=count)


_COLOURS = """count => [...document.querySelectorAll('*')].some(host => {
    const drawn = [...(host.shadowRoot?.querySelectorAll('.viewer .frame > canvas') ?? [])];
    return drawn.length === count && drawn.every(canvas => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size > 20;
    });
})"""


def shot(page: Page, name: str) -> None:
    page.screenshot(path=ARTEFACTS / f"{name}.png")


def see_masks(page: Page) -> None:
    """Opacity, a class and another view change in the browser alone; the link follows and brings them back."""
    masks(page, 3)
    shot(settled(page), "1-compare")
    page.get_by_role("button", name="Tools").click()
    page.get_by_label("Opacity of the masks").fill("85")
    page.get_by_role("button", name="Road", exact=True).click()
    page.get_by_role("button", name="Disagreement").click()
    page.wait_for_url(lambda url: all(part in url for part in ("view=disagreement", "hidden=2", "opacity=85")))
    link = page.url
    assert "opacity=85" in link
    shot(page, "2-disagreement")
    page.goto(link)
    masks(page, 3)
    expect(page.get_by_label("Opacity of the masks")).to_have_value("85")
    expect(page.get_by_role("button", name="Road", exact=True)).to_have_attribute("aria-pressed", "false")


def launch(page: Page) -> None:
    """A setting out of range is refused with its range; then the quick preset is launched, with two short epochs."""
    settled(page).get_by_role("link", name="Distill").click()
    page.wait_for_url("**/distill*")
    page.goto(f"{page.url.split('/distill')[0]}/distill?views=128")
    temperature = page.get_by_role("spinbutton", name="Temperature")
    temperature.fill("99")
    temperature.press("Enter")
    page.get_by_text("Temperature must be from 0.5 to 50").wait_for()
    expect(page.get_by_role("button", name="Launch")).to_be_disabled()
    settled(page)
    temperature.fill("2")
    temperature.press("Enter")
    settled(page)
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    page.wait_for_url("**epochs=2**")
    page.get_by_text("Estimated time, with control").wait_for()
    shot(page, "3-distill")
    settled(page).get_by_role("button", name="Launch").click()
    page.wait_for_url("**/runs?run=*")


def see_it_train(page: Page) -> None:
    """The run's page moves without a reload, and ends with a word on the control and the student to take away."""
    page.get_by_text(re.compile(r"Epoch \d+ of \d+")).wait_for(timeout=RUN_PATIENCE_MS)
    shot(page, "4-running")
    page.get_by_text("Student after epoch").wait_for(timeout=RUN_PATIENCE_MS)
    verdict = page.get_by_text(re.compile("(over|against) its control|made no difference"))
    verdict.wait_for(timeout=RUN_PATIENCE_MS)
    shot(page, "5-done")
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download student").click()
    assert download.value.suggested_filename.endswith(".zip")


def compare(page: Page) -> None:
    """The new student and its control stand beside their teacher, on a phone as well."""
    settled(page).get_by_role("button", name="Compare").click()
    page.wait_for_url("**students=*")
    masks(page, 4)
    page.get_by_text("warm runs").wait_for()
    shot(page, "6-new-student")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(1000)
    shot(page, "7-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_whole_road(page: Page) -> None:
    see_masks(page)
    launch(page)
    see_it_train(page)
    compare(page)
