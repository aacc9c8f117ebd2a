"""The real server and a real browser: names, headers, and what the policy refuses.

That every page works under it, test_web_modules.py sees to.
"""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

VIOLATIONS = """window.violations = [];
document.addEventListener('securitypolicyviolation',
    event => window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));"""
"""Run before the scripts of a page: notes what its policy forbade."""


@pytest.fixture(scope="module")
def address(shared_server: tuple[str, Path]) -> str:
    return shared_server[0]


def violations(page: Page) -> list[str]:
    """What the browser refused to load so far, by directive and address."""
    found: list[str] = page.evaluate("window.violations")
    return found


def test_the_policy_holds_in_a_browser(address: str, chromium: Browser) -> None:
    """The negative control of the pages in test_web_modules.py: what a page may not do is seen as a violation."""
    page = chromium.new_page()
    page.add_init_script(VIOLATIONS)
    page.goto(address)
    page.evaluate("""() => { for (const [kind, source] of [['img', 'http://localhost:9/x.png'],
        ['script', 'http://localhost:9/x.js'], ['iframe', 'http://localhost:9/']]) {
            const made = document.createElement(kind); made.src = source; document.body.append(made); } }""")
    page.wait_for_function("() => window.violations.length >= 3")
    assert {found.split()[0] for found in violations(page)} == {"img-src", "script-src-elem", "frame-src"}
    page.close()


def test_no_other_page_frames_the_app(address: str, chromium: Browser) -> None:
    """A page of another site, whose own answer carries none of our headers."""
    page = chromium.new_page()
    page.route("http://localhost:9/**", lambda route: route.fulfill(body=frame, content_type="text/html"))
    frame = f'<iframe src="{address}"></iframe>'
    with page.expect_event("framenavigated", lambda found: found.parent_frame is not None) as shown:
        page.goto("http://localhost:9/attack")
    assert shown.value.url.startswith("chrome-error:")
    page.close()


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/stream", "/_stcore/host-config", "/media/x.png"])
def test_the_real_server_answers_to_its_own_names_alone(address: str, path: str) -> None:
    def asked(host: str) -> tuple[int, str | None]:
        link = http.client.HTTPConnection("127.0.0.1", urlsplit(address).port or 80, timeout=30)
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        more = {**upgrade, "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="} if "stream" in path else {}
        link.request("GET", path, headers={"Host": host, **more})
        answer = link.getresponse()
        link.close()
        answer.close()
        return answer.status, answer.headers["X-Content-Type-Options"]

    assert asked("evil.example")[0] == 403
    status, told = asked("localhost")
    assert status in (101, 200, 404)
    assert told == "nosniff" or status == 101


def test_other_machines_do_not_reach_it(address: str) -> None:
    """Bound to this machine's loopback alone, as `ss` and /proc/net/tcp tell it."""
    port = f"{urlsplit(address).port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    bound = {fields[1].split(":")[0] for fields in lines if fields[1].endswith(f":{port}") and fields[3] == "0A"}
    assert bound == {"0100007F"}
    lines6 = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    assert not [fields for fields in lines6 if fields[1].endswith(f":{port}") and fields[3] == "0A"]
