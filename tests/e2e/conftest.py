"""What browser tests share: the app on one server, and for those of the viewer a page and masks to show in it."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.serving import CHROMIUM, ROOT, browser, serve
from benchmarks.viewer_page import World, make_world
from core import paths
from core.config import RunConfig
from core.runs.store.run_store import RunStore

ARTEFACTS = ROOT / "artefacts"
_FAILED = pytest.StashKey[bool]()
# Playwright waits five seconds, which a busy machine takes to answer.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the app, and its log: one server for all tests that leave nothing on it for other browsers."""
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    if not (paths.CHECKPOINTS / "student.json").is_file():
        pytest.skip("the shipped checkpoints are not here")
    ARTEFACTS.mkdir(exist_ok=True)
    home = tmp_path_factory.mktemp("shared-home")
    with serve(home, log=home / "server.log", speeds=True) as (address, _):
        yield address, home / "server.log"


@pytest.fixture
def no_traceback(shared_server: tuple[str, Path]) -> Iterator[None]:
    """The server says nothing of an error that nobody took meanwhile."""
    log = shared_server[1]
    before = log.stat().st_size
    yield
    assert b"Traceback" not in log.read_bytes()[before:]


@pytest.fixture
def failed_run(shared_server: tuple[str, Path]) -> Iterator[Callable[[RunConfig, str], Path]]:
    """Puts a run that failed for a reason before the shared server, until the test is over; gives its folder."""
    store, made = RunStore(home=shared_server[1].parent), list[str]()

    def put(config: RunConfig, why: str) -> Path:
        made.append(store.add(config, worker="w").id)
        store.fail(made[-1], "w", why, attempt=1)
        return store.folder(made[-1])

    yield put
    for run_id in made:
        store.delete(run_id)


@pytest.fixture(scope="module")
def app(shared_server: tuple[str, Path]) -> Iterator[tuple[Browser, str]]:
    """A browser of the module's own, and the address of the shared server."""
    with browser() as opened:
        yield opened, shared_server[0]


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
