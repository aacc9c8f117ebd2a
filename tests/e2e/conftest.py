"""A browser for the tests of the viewer, and the masks that they show in it."""

from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.serving import ROOT, browser
from benchmarks.viewer_page import World, make_world

ARTEFACTS = ROOT / "artefacts"
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test failed, for its page."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    with browser() as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A blank page; any error in it fails the test, and what it showed last is kept where the test failed."""
    made = chromium.new_page(viewport={"width": 1400, "height": 1000})
    made.set_default_timeout(60_000)
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    if errors or request.node.stash.get(_FAILED, False):
        made.screenshot(path=ARTEFACTS / f"viewer-{request.node.name}.png", full_page=True)
    made.close()
    assert errors == []


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()
