"""Names that the server answers to, pages that may change something, and the headers of every answer."""

import tomllib
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from app import web_security
from app.services import access, hosts
from core import paths
from core.paths import ROOT

FOREIGN = (
    "evil.example",
    "evil.example:8501",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "localhost@evil.example",
    "localhost:8501@evil.example",
    "localhost, evil.example",
    "localhost/evil.example",
    "localhost:port",
    "localhost:99999",
    "0x7f000001",
    "127.1",
    "10.1.2.3",
    "169.254.169.254",
    "[::ffff:10.1.2.3]",
    "[fe80::1",
    "",
    "*",
)


async def _page(_: Request) -> Response:
    return HTMLResponse("the inside")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("the inside")
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/", _page, methods=["GET", "POST", "PUT", "DELETE"]), WebSocketRoute("/socket", _socket)]
    return TestClient(Starlette(routes=routes, middleware=web_security.MIDDLEWARE))


def _reached(client: TestClient, **headers: str) -> bool:
    """Whether a socket is opened; a page that is read must say the same."""
    try:
        with client.websocket_connect("/socket", headers=headers) as socket:
            return bool(socket.receive_text() == "the inside")
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_reaches_neither_page_nor_socket(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "the inside" not in answer.text
    assert host not in answer.text or len(host) < 2
    assert not _reached(client, host=host)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8501", "localhost.", "app.localhost:1", "127.0.0.1:8501", "127.3.2.1", "[::1]:80"]
)
def test_this_machines_own_names_reach_both(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).text == "the inside"
    assert _reached(client, host=host)


def test_the_address_that_a_connection_came_in_on_is_answered() -> None:
    assert hosts.answers_to("192.168.1.7:8501", came_in_on="192.168.1.7")
    assert hosts.answers_to("[2001:db8::7]", came_in_on="2001:db8:0::7")
    assert not hosts.answers_to("192.168.1.8:8501", came_in_on="192.168.1.7")
    assert not hosts.answers_to("evil.example", came_in_on="evil.example")


def test_two_host_headers_or_none_are_refused() -> None:
    def scope(*names: bytes) -> dict[str, Any]:
        return {"type": "http", "method": "GET", "headers": [(b"host", name) for name in names]}

    assert web_security.refusal(scope(b"localhost")) is None
    assert web_security.refusal(scope())
    assert web_security.refusal(scope(b"localhost", b"evil.example"))


def test_the_operator_lists_more_names(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.home() / access.FILE).write_text('hosts = ["Maps.example.org", "*.example.net"]\n')
    for host in ("maps.example.org", "maps.example.org:443", "a.example.net"):
        assert client.get("/", headers={"host": host}).status_code == 200
    for host in ("example.net", "evil.example", "maps.example.org.evil.example"):
        assert client.get("/", headers={"host": host}).status_code == 403
    (paths.home() / access.FILE).write_text("hosts = 3\n")
    assert client.get("/", headers={"host": "maps.example.org"}).status_code == 403
    (paths.home() / access.FILE).unlink()
    monkeypatch.setenv(hosts.VARIABLE, "maps.example.org, [2001:db8::7]")
    assert client.get("/", headers={"host": "maps.example.org"}).status_code == 200
    assert client.get("/", headers={"host": "[2001:db8::7]:8501"}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("http://localhost:8501", True),
        ("http://localhost:9999", False),
        ("http://127.0.0.1:8501", False),
        ("http://evil.example", False),
        ("http://localhost:8501.evil.example", False),
        ("https://maps.example.org", True),
        ("null", False),
        ("file://", False),
        ("http://[", False),
    ],
)
def test_only_own_pages_open_sockets_and_change_things(client: TestClient, origin: str, good: bool) -> None:
    (paths.home() / access.FILE).write_text('hosts = ["maps.example.org", "*"]\n')
    asked = {"host": "localhost:8501", "origin": origin}
    assert _reached(client, **asked) is good
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, "/", headers=asked).status_code == (200 if good else 403)
    assert client.get("/", headers=asked).status_code == 200


def test_every_answer_carries_the_headers(client: TestClient) -> None:
    for host, path in (("localhost", "/"), ("localhost", "/nowhere"), ("evil.example", "/")):
        told = client.get(path, headers={"host": host}).headers
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"
        assert told["x-frame-options"] == "DENY"
        rules = dict(rule.strip().partition(" ")[::2] for rule in told["content-security-policy"].split(";"))
        assert rules["frame-ancestors"] == rules["object-src"] == "'none'"
        assert rules["default-src"] == "'self'"
        everything = " ".join(rules.values())
        assert "http" not in everything
        assert "*" not in everything
        for unsafe in ("'unsafe-inline'", "'unsafe-eval'", "data:"):
            assert unsafe not in rules["script-src"].split()


def test_the_server_is_for_this_machine_alone_unless_it_is_opened() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert hosts.is_loopback(settings["server"]["address"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "HOST ?= localhost" in makefile
    assert "--server.address $(HOST)" in makefile
    assert not any(map(hosts.is_loopback, ("0.0.0.0", "::", "192.168.1.7", "maps.example.org")))


def test_who_opens_the_server_without_sign_in_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for address, text, told in (
        ("localhost", "", False),
        ("0.0.0.0", "", True),
        ("::", "", True),
        ("0.0.0.0", "sign_in = true\n", False),
    ):
        (paths.home() / access.FILE).write_text(text)
        caplog.clear()
        hosts.warn_if_open(address)
        assert bool(caplog.records) is told
