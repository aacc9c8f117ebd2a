"""In your browser: without the runtime it says how to get it; with it the model travels to the page."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app import web_routes
from app.services import exports
from core.band_set import BandSet
from core.cards import load_card, resolve

from .conftest import ANYBODY, World, make_model, words

View = Callable[..., AppTest]


def test_without_the_runtime_the_page_says_how_to_get_it(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "runtime_is_there", lambda: False)
    test = view("browser")
    assert not test.exception
    assert "`make web`" in words(test)


def test_with_it_the_chosen_model_is_shown(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(exports, "runtime_is_there", lambda: True)
    monkeypatch.setattr(exports, "for_browser", lambda model, _: asked.append(model.name) or {"id": model.name})
    assert not view("browser").exception
    assert not view("browser", model="student-control").exception
    assert asked == ["student", "student-control"]


def test_no_model_is_told(view: View, world: World) -> None:
    world.models.clear()
    assert "No models yet" in words(view("browser"))


def test_a_model_for_another_tool_asks_for_the_resolution_where_nobody_knows_it(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "runtime_is_there", lambda: False)
    monkeypatch.setattr(exports, "resolution_of", lambda _: None)
    test = view("browser")
    key = "export_deepness_student"
    assert _button(test, key).proto.disabled
    test.number_input(key="export_resolution_student").set_value(30.0).run()
    assert not _button(test, key).proto.disabled
    monkeypatch.setattr(exports, "resolution_of", lambda _: 30.0)
    test = view("browser")
    assert not _button(test, key).proto.disabled
    assert not [field for field in test.number_input if field.key == "export_resolution_student"]


def _button(test: AppTest, key: str) -> Any:
    """A button that downloads, by the key of its widget."""
    return next(found for found in test.get("download_button") if key in found.proto.id)


def test_a_file_for_another_tool_is_made_once_for_each_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    def make(_stem: Path, kind: str, options: Any) -> dict[str, bytes]:
        asked.append(options.resolution)
        return {f"{options.name}-{kind}.onnx": b"at %g" % options.resolution}

    monkeypatch.setattr(exports, "resolve", lambda *_, **__: Path("nowhere"))
    monkeypatch.setattr(exports, "make_format", make)
    model = make_model("student")
    assert exports.for_tool(model, "deepness", ANYBODY, resolution=30.0) == b"at 30"
    assert exports.for_tool(model, "deepness", ANYBODY, resolution=30.0) == b"at 30"
    assert exports.for_tool(model, "deepness", ANYBODY, resolution=10.0) == b"at 10"
    assert asked == [30.0, 10.0]
    assert len(list(exports._folder().glob("*.deepness"))) == 1


def test_an_export_is_made_once_for_each_state_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.export import make

    built: list[int] = []

    class Exported:
        files: dict[str, bytes]

        def __init__(self) -> None:
            built.append(1)
            self.files = {"model.onnx": b"model %d" % len(built)}

    monkeypatch.setattr(exports, "resolve", lambda *_, **__: Path("nowhere"))
    monkeypatch.setattr(make, "export", lambda *_, **__: Exported())
    model = make_model("student")
    assert exports.mask_model(model) == exports.mask_model(model) == b"model 1"
    assert exports.mask_model(make_model("student", identity="student@2")) == b"model 2"
    assert len(list(exports._folder().glob("*.onnx"))) == 1


def test_what_the_browser_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "mask_model", lambda _: b"onnx")
    payload: dict[str, Any] = exports.for_browser(make_model("student"), ANYBODY)
    assert base64.b64decode(payload["model"]) == b"onnx"
    assert [item["name"] for item in payload["classes"]] == ["Building", "Land", "Road", "Vegetation", "Water"]
    assert base64.b64decode(payload["sample"])[:2] == b"\xff\xd8"
    monkeypatch.setattr(exports, "mask_model", lambda _: bytes(exports.LARGEST_IN_BROWSER + 1))
    with pytest.raises(exports.ExportError, match="choose a smaller one"):
        exports.for_browser(make_model("student"), ANYBODY)


def test_a_model_of_other_bands_says_which_before_a_picture_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = BandSet(("red", "green", "blue", "near infrared"), "uint16", ("near infrared", "red", "green"))
    card = replace(load_card(resolve("student")), bands=bands)
    monkeypatch.setattr(exports, "load_card", lambda _: card)
    monkeypatch.setattr(exports, "mask_model", lambda _: b"onnx")
    payload = exports.for_browser(make_model("student"), ANYBODY)
    assert payload["bands"] == {"names": list(bands.names), "depth": "uint16", "shown": [3, 0, 1]}
    assert payload["sample"] == ""


def test_every_answer_is_isolated_and_files_have_their_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ort.wasm.min.mjs", "ort.wasm"):
        (tmp_path / name).write_text("x")
    mount = web_routes.routes()[1]
    monkeypatch.setattr(mount.app, "all_directories", [tmp_path])
    page = Route("/page", lambda _: PlainTextResponse("ok"))
    client = TestClient(Starlette(routes=[page, mount], middleware=web_routes.MIDDLEWARE))
    for address, kind in (
        ("/page", "text/plain"),
        ("/onnxruntime-web/ort.wasm.min.mjs", "text/javascript"),
        ("/onnxruntime-web/ort.wasm", "application/wasm"),
    ):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert client.get("/onnxruntime-web/../main.py").status_code == 404
    monkeypatch.setattr(mount.app, "all_directories", [tmp_path / "not" / "there"])
    assert client.get("/onnxruntime-web/ort.wasm").status_code == 404
