"""Every page of the real app in a real browser: its modules arrive, and neither console nor policy has a word."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from app import web_modules
from benchmarks.serving import CHROMIUM, ROOT, browser, serve, settled
from core import paths
from tests.e2e.test_security import VIOLATIONS, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_MS = 240_000
ARTEFACTS = ROOT / "artefacts"
PAGES = {
    "": ".viewer[data-ready] .where",
    "gallery": "text=Compare on 12 images",
    "temperature": ".temperature[data-ready]",
    "images": "text=Your images",
    "distill": "text=Distill",
    "runs": "text=Runs",
    "benchmark": "text=Benchmark",
    "cost": "text=Cost",
    "browser": "text=In your browser",
}
"""What each page shows once it stands."""
OWN_MODULES = ("", "temperature", "browser")
"""Pages with modules of our own: where the app lies below a path, their addresses are what could be wrong."""


@pytest.fixture(scope="module", params=["", "/maps"], ids=["at the root", "below a path"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    if not (paths.CHECKPOINTS / "student.json").is_file():
        pytest.skip("the shipped checkpoints are not here")
    ARTEFACTS.mkdir(exist_ok=True)
    with ExitStack() as held:
        if request.param:
            home = tmp_path_factory.mktemp("home")
            below, log = ("--server.baseUrlPath", request.param), home / "server.log"
            started = serve(home, log=log, options=below, base=request.param, speeds=True)
            address, _ = held.enter_context(started)
        else:
            address, log = request.getfixturevalue("shared_server")
        before = log.stat().st_size
        yield held.enter_context(browser()), f"{address}{request.param}"
        assert b"Traceback" not in log.read_bytes()[before:]


def modules_of(page: Page) -> set[str]:
    """The names of our modules that the page has fetched."""
    entries = page.evaluate("() => performance.getEntriesByType('resource').map(({ name }) => name)")
    before = f"/web-modules/{web_modules.version()}/"
    return {urlsplit(name).path.partition(before)[2] for name in entries if before in name}


@pytest.mark.parametrize("name", OWN_MODULES)
def test_a_page_works_without_a_word_on_the_console(app: tuple[Browser, str], name: str) -> None:
    assert_works(app, name)


@pytest.mark.parametrize("app", [""], ids=["at the root"], indirect=True)
@pytest.mark.parametrize("name", [name for name in PAGES if name not in OWN_MODULES])
def test_so_does_a_page_without_modules_of_its_own(app: tuple[Browser, str], name: str) -> None:
    assert_works(app, name)


def assert_works(app: tuple[Browser, str], name: str) -> None:
    """What it needs arrives, and neither the console nor the policy has a word to say."""
    chromium, address = app
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(VIOLATIONS)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(f"{message.text} {message.location['url']}"))
    page.on("response", lambda answer: said.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/{name}")
    page.locator(PAGES[name]).first.wait_for()
    settled(page)
    # Streamlit tries one path after the other to find its server, and warns of fonts and switches that it knows itself.
    # Chromium says where a machine has no graphics card for WebGPU.
    own = [text for text in said if "/_stcore/" not in text and "/static/js/" not in text]
    assert [text for text in own if not text.startswith("No available adapters.")] == []
    assert violations(page) == []
    page.screenshot(path=ARTEFACTS / f"page-{name or 'compare'}.png")
    page.context.close()


def test_a_page_names_its_modules_early_and_no_others(app: tuple[Browser, str]) -> None:
    chromium, address = app
    for name in ("", "temperature"):
        page = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        answer = page.goto(f"{address}/{name}")
        assert answer is not None
        links = answer.headers["link"]
        page.locator(PAGES[name]).wait_for()
        wanted = modules_of_imports(page, f"{name or 'viewer'}/{name or 'viewer'}.mjs", address)
        assert wanted == {link for link in web_modules.modules() if f"/{link}>" in links}
        assert wanted <= modules_of(page)
        page.context.close()


def modules_of_imports(page: Page, entry: str, address: str) -> set[str]:
    """What a fresh page of the same server fetches when it imports this module and nothing else."""
    blank = page.context.new_page()
    blank.goto(f"{address}/_stcore/health")
    blank.evaluate("module => import(module)", f"{address}/{web_modules.address(entry)}")
    found = modules_of(blank)
    blank.close()
    return found
