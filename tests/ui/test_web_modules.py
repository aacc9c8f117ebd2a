"""The JavaScript of app/web/ as the server gives it: these files, kept for good by their address, and no others."""

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app import web_modules
from core.paths import ROOT

WEB = ROOT / "app" / "web"
NAMES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.mjs"))


def client(prefix: str = "") -> TestClient:
    pages = [Route("/word", lambda _: JSONResponse("word")), Route("/{page:path}", lambda _: HTMLResponse("<html>"))]
    return TestClient(Starlette(routes=[*web_modules.routes(prefix), *pages], middleware=web_modules.MIDDLEWARE))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_every_module_is_served_as_it_is_and_kept(name: str, prefix: str) -> None:
    answer = client(prefix).get(f"{prefix}/{web_modules.address(name)}")
    assert answer.content == (WEB / name).read_bytes()
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "name",
    ["viewer/viewer.css", "viewer", "", "viewer/none.mjs", "../web_modules.py", "%2e%2e/web_modules.py",
     "viewer/%2e%2e/%2e%2e/main.py", "/etc/passwd", "viewer%2fviewer.mjs%00", "..%5cmain.py", "viewer//viewer.mjs"],
)  # fmt: skip
def test_nothing_else_is(name: str) -> None:
    answer = client().get(f"/web-modules/{web_modules.version()}/{name}")
    assert answer.status_code == 404 or answer.text == "<html>"
    assert b"import" not in answer.content
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_another_version_is_not_answered_with_this_one() -> None:
    answer = client().get(f"/web-modules/{'0' * 16}/viewer/viewer.mjs")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_the_address_changes_with_any_module(monkeypatch: pytest.MonkeyPatch) -> None:
    found = web_modules.modules()
    versions = {web_modules.version()}
    for changed in (
        {**found, "shared/dom.mjs": b"other"},
        {**found, "shared/more.mjs": b""},
        dict(list(found.items())[1:]),
    ):
        monkeypatch.setattr(web_modules, "modules", lambda changed=changed: changed)
        versions.add(web_modules.version.__wrapped__())
    assert len(versions) == 4


def test_a_component_of_no_module_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        web_modules.script("viewer/none.mjs")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", "viewer/viewer"),
        ("/maps/", "viewer/viewer"),
        ("/temperature", "temperature/soft"),
        ("/browser", "in_browser/engine"),
    ],
)
def test_a_page_names_the_modules_that_it_shows_first(path: str, wanted: str) -> None:
    links = re.findall(r"<\./([^>]+)>; rel=modulepreload; fetchpriority=low", client().get(path).headers["link"])
    assert web_modules.address(f"{wanted}.mjs") in links
    assert [link for link in links if client().get(f"/{link}").status_code != 200] == []


def test_other_answers_name_none() -> None:
    for path in ("/word", "/gallery", f"/{web_modules.address('shared/dom.mjs')}"):
        assert "link" not in client().get(path).headers


def test_all_javascript_is_there_and_none_elsewhere() -> None:
    own = [path for kind in ("js", "mjs", "cjs", "ts") for path in (ROOT / "app").rglob(f"*.{kind}")]
    # The service worker is no module: app.web_offline writes its list of files above it.
    there = {path.relative_to(WEB).as_posix() for path in own if path.is_relative_to(WEB)}
    assert there == {*NAMES, "offline/service_worker.js"}
    assert [path for path in own if not path.is_relative_to(WEB)] == []
    assert Path(web_modules.__file__).parent == ROOT / "app"
