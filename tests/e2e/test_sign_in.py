"""Signing in by OpenID Connect, against a provider of our own on this machine, in a real browser."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from oidc_provider_mock import User
from oidc_provider_mock import app as provider_app
from playwright.sync_api import Browser, Page, expect

from app.services import access
from benchmarks.serving import CHROMIUM, ROOT, browser, free_port, serve, settled

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # The provider calls parts of Authlib that will go; its thread must not end by that.
    pytest.mark.filterwarnings("ignore"),
]

PATIENCE_MS = 120_000
SECRETS = """[auth]
redirect_uri = "{address}/oauth2callback"
cookie_secret = "a secret of this test alone, which is long enough"
client_id = "terrastill"
client_secret = "nothing"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
PEOPLE = {
    "ann@example.org": {"email_verified": True},
    "bob@example.org": {"email_verified": False},
    "eve@evil.example": {"email_verified": True},
}


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing among the lines of the tests."""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider that lets everybody in by their address, and says of each whether it is verified."""
    people = [User(sub=email, claims={"email": email, **more}) for email, more in PEOPLE.items()]
    server = make_server("127.0.0.1", 0, provider_app(user_claims=people), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path, provider: str) -> Iterator[str]:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    (ROOT / "artefacts").mkdir(exist_ok=True)
    port = free_port()
    secrets = home / "secrets.toml"
    secrets.write_text(SECRETS.format(address=f"http://localhost:{port}", provider=provider))
    options = ["--secrets.files", str(secrets)]
    with serve(home, log=ROOT / "artefacts" / "sign-in.log", port=port, options=options) as (found, _):
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A browser of its own for each test: no cookie of another one."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    context.close()


def allow(home: Path, text: str) -> None:
    (home / access.FILE).write_text(text)


def sign_in(page: Page, address: str, email: str) -> None:
    page.goto(f"{address}/runs")
    page.get_by_role("button", name="Sign in").wait_for()
    settled(page).get_by_role("button", name="Sign in").click()
    page.locator("input[name=sub]").fill(email)
    page.get_by_role("button", name="Authorize").click()
    page.get_by_role("button", name="Sign out").wait_for()


def sign_out(page: Page) -> None:
    """The cookie goes at once; then the provider asks whether its own session shall end too."""
    settled(page).get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/oauth2/end_session**")


def inside(page: Page, address: str) -> bool:
    """Whether a page is shown. The request to sign in, or to sign out, is there either way."""
    page.goto(f"{address}/runs")
    page.get_by_role("button", name="Sign").first.wait_for()
    settled(page)
    return page.get_by_role("heading", name="Runs").count() > 0


def test_who_is_listed_signs_in_sees_the_pages_and_signs_out(home: Path, address: str, page: Page) -> None:
    allow(home, 'may_view = ["*@example.org"]\n')
    assert not inside(page, address)
    sign_in(page, address, "ann@example.org")
    page.get_by_text("Signed in as ann@\u2060example.org.").wait_for()
    assert inside(page, address)
    page.screenshot(path=ROOT / "artefacts" / "signed-in.png")
    sign_out(page)
    assert not inside(page, address)


@pytest.mark.parametrize("email", ["bob@example.org", "eve@evil.example"])
def test_who_is_not_listed_or_not_verified_sees_nothing(home: Path, address: str, page: Page, email: str) -> None:
    allow(home, 'may_view = ["*@example.org"]\n')
    sign_in(page, address, email)
    expect(page.get_by_text("ask").first).to_be_visible()
    assert not inside(page, address)
    allow(home, 'may_view = ["*@example.org"]\nunverified_emails = true\n')
    assert inside(page, address) is (email == "bob@example.org")


def test_an_open_page_ends_when_its_person_loses_the_right_to_view(home: Path, address: str, page: Page) -> None:
    """Without a click: the parts that move by themselves ask each time."""
    allow(home, 'may_view = ["*@example.org"]\n')
    sign_in(page, address, "ann@example.org")
    assert inside(page, address)
    allow(home, 'may_view = ["bob@example.org"]\n')
    page.get_by_text("reload this page").first.wait_for()
    assert not inside(page, address)


def test_another_tab_stays_after_signing_out_until_its_time_is_over(home: Path, address: str, page: Page) -> None:
    """What docs/SECURITY.md says of other tabs: they end by `sign_in_hours`, not by signing out elsewhere."""
    allow(home, 'may_view = ["*@example.org"]\n')
    sign_in(page, address, "ann@example.org")
    other = page.context.new_page()
    other.set_default_timeout(PATIENCE_MS)
    assert inside(other, address)
    sign_out(page)
    time.sleep(6)
    assert other.get_by_role("heading", name="Runs").count() == 1
    assert other.get_by_text("reload this page").count() == 0
    assert not inside(other, address)
