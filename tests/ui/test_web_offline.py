"""The page for use without a network: all that it takes is served, and none of it is of anybody."""

import json
import re
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import web_modules, web_offline, web_routes
from app.services import exports


def client(prefix: str) -> TestClient:
    routes = [*web_offline.routes(prefix), *web_modules.routes(prefix), *web_routes.routes(prefix)]
    return TestClient(Starlette(routes=routes, middleware=web_routes.MIDDLEWARE))


@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_every_file_that_the_service_worker_keeps_is_served(prefix: str) -> None:
    browser = client(prefix)
    page = f"{prefix}/offline/"
    worker = browser.get(f"{page}service-worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
    assert web_modules.version() in worker.text
    found = re.search(r"const FILES = (\[.*?\]);", worker.text)
    assert found is not None
    files = json.loads(found[1])
    for name in files:
        answer = browser.get(urljoin(page, name))
        assert answer.status_code == 200, name
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    if exports.runtime_is_there():
        assert "../onnxruntime-web/ort-wasm-simd-threaded.wasm" in files


def test_every_module_that_the_page_imports_is_kept() -> None:
    kept = {name.split(web_modules.version() + "/")[1] for name in web_offline.files() if "web-modules" in name}
    for name in kept:
        text = web_modules.modules()[name].decode()
        for imported in re.findall(r'from "(\.[^"]+)"', text):
            assert urljoin(f"/{name}", imported)[1:] in kept, (name, imported)


@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_it_can_be_installed_and_lies_in_its_own_scope(prefix: str) -> None:
    browser, page = client(prefix), f"{prefix}/offline/"
    text = browser.get(page).text
    (named,) = re.findall(r'<link rel="manifest" href="([^"]+)">', text)
    answer = browser.get(urljoin(page, named))
    assert answer.headers["content-type"].startswith("application/manifest+json")
    told = answer.json()
    assert told["name"].startswith("Terrastill")
    # A home screen cuts longer ones.
    assert 0 < len(told["short_name"]) <= 12
    assert told["display"] == "standalone"
    scope, start = (urljoin(urljoin(page, named), told[key]) for key in ("scope", "start_url"))
    assert start.startswith(scope)
    assert (scope, start) == (page, page)
    assert all(re.fullmatch("#[0-9a-f]{6}", told[key]) for key in ("background_color", "theme_color"))
    assert f'name="theme-color" content="{told["theme_color"]}"' in text
    assert not re.search(r"<script(?![^>]* src=)", text)


def test_every_icon_of_the_manifest_is_served_and_as_large_as_it_says() -> None:
    browser, page = client(""), "/offline/"
    icons = browser.get(f"{page}manifest.webmanifest").json()["icons"]
    assert any(icon["sizes"] == "any" and "any" in icon["purpose"].split() for icon in icons)
    for icon in icons:
        answer = browser.get(urljoin(page, icon["src"]))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(icon["type"])
        assert icon["src"] in web_offline.files()
        # "any" is a drawing without a size of its own, and it is square.
        assert (icon["sizes"], icon["type"]) == ("any", "image/svg+xml")
        box = ElementTree.fromstring(answer.text).attrib["viewBox"].split()
        assert box[2] == box[3]


def test_the_service_worker_answers_for_its_own_scope_and_lists_no_file_twice() -> None:
    files = web_offline.files()
    assert len(set(files)) == len(files)
    assert {"./", "page.css", "icon.svg", "manifest.webmanifest"} <= set(files)
    # It may govern its own folder alone, which is where the page lies.
    browser = client("/maps")
    assert (
        browser.get("/maps/offline/").status_code == browser.get("/maps/offline/service-worker.js").status_code == 200
    )


def test_the_page_holds_nothing_of_anybody() -> None:
    """Whoever may not view gets code alone: no model, no picture, no name."""
    texts = [client("").get(f"/offline/{name}").text for name in ("", "page.css", "manifest.webmanifest")]
    assert not any(word in text for text in texts for word in ("student", "teacher", "base64", "onnx;"))
    assert client("").get("/offline/data.json").status_code == 404
