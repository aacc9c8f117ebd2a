"""The page for use without a network: all that it takes is served, and none of it is of anybody."""

import json
import re
from urllib.parse import urljoin

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


def test_it_can_be_installed_and_lies_in_its_own_scope() -> None:
    told = client("").get("/offline/manifest.webmanifest").json()
    assert (told["start_url"], told["scope"], told["display"]) == ("./", "./", "standalone")
    assert client("").get(f"/offline/{told['icons'][0]['src']}").headers["content-type"].startswith("image/svg")
    page = client("").get("/offline/").text
    assert 'rel="manifest"' in page
    assert not re.search(r"<script(?![^>]* src=)", page)


def test_the_page_holds_nothing_of_anybody() -> None:
    """Whoever may not view gets code alone: no model, no picture, no name."""
    texts = [client("").get(f"/offline/{name}").text for name in ("", "page.css", "manifest.webmanifest")]
    assert not any(word in text for text in texts for word in ("student", "teacher", "base64", "onnx;"))
    assert client("").get("/offline/data.json").status_code == 404
