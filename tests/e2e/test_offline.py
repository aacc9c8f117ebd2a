"""A GeoTIFF in the visitor's browser gives polygons with coordinates, and all of it works without a network.

The component runs in a bare page here, with a model whose answer is known: the red of a pixel says its class.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from app import web_modules, web_offline, web_routes, web_security
from app.services import exports
from benchmarks.serving import CHROMIUM, browser
from core.imagery.geodesy import PixelAreas
from core.imagery.limits import Info

# Streamlit brings it: the app itself is served by it.
uvicorn = pytest.importorskip("uvicorn")

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_MS = 120_000
PLACE, UTM = (0.5, 0.0, 330_000.0, 0.0, -0.5, 2_780_000.0), "EPSG:32640"
HEIGHT, WIDTH = 201, 243


def red_says_the_class() -> bytes:
    """image uint8 (N, H, W, 3) → mask uint8 (N, H, W): red divided by 64."""
    constants = {"start": np.array([0]), "stop": np.array([1]), "axis": np.array([3])}
    nodes = [
        helper.make_node("Slice", ["image", "start", "stop", "axis"], ["thick"]),
        helper.make_node("Squeeze", ["thick", "axis"], ["red"]),
        helper.make_node("Cast", ["red"], ["number"], to=TensorProto.INT32),
        helper.make_node("Div", ["number", "sixty_four"], ["class"]),
        helper.make_node("Cast", ["class"], ["mask"], to=TensorProto.UINT8),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])
    answer = helper.make_tensor_value_info("mask", TensorProto.UINT8, ["N", "H", "W"])
    held = [numpy_helper.from_array(value.astype(np.int64), name) for name, value in constants.items()]
    held.append(numpy_helper.from_array(np.array(64, np.int32), "sixty_four"))
    graph = helper.make_graph(nodes, "red", [given], [answer], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def page_data() -> dict[str, object]:
    classes = [{"name": f"class {at}", "safe": [60 * at, 0, 90], "colour": [9, 9, 9]} for at in range(4)]
    model = base64.b64encode(red_says_the_class()).decode()
    told = {"id": "red", "title": "red", "size": "1 KB", "runtime": exports.RUNTIME_URL, "window": 1280, "margin": 64}
    return {**told, "model": model, "classes": classes, "sample": "", "palette": "safe",
            "server": [{"name": "Server", "took": "1.0 ms"}]}  # fmt: skip


@contextmanager
def served() -> Iterator[str]:
    """The component in a page of its own, beside the app's own routes and under its policy."""
    script = (
        f'import show from "./{web_modules.address("in_browser/in_browser.mjs")}"; const data = await (await '
        'fetch("data")).json(); show({ parentElement: document.body, data });'
    )
    page = '<!doctype html><body><div class="in-browser"></div><script type="module" src="start.mjs"></script></body>'
    own = [
        Route("/browser", lambda _: HTMLResponse(page)),
        Route("/start.mjs", lambda _: Response(script, media_type="text/javascript")),
        Route("/data", lambda _: JSONResponse(page_data())),
    ]
    routes = [*own, *web_offline.routes(), *web_modules.routes(), *web_routes.routes()]
    app = Starlette(routes=routes, middleware=[*web_security.MIDDLEWARE, *web_routes.MIDDLEWARE])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    try:
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def geotiff(path: Path) -> NDArray[np.uint8]:
    """Classes in fields of 9 x 11 pixels as the red of a picture."""
    mask = np.kron(np.random.default_rng(0).integers(0, 4, (23, 23), dtype=np.uint8), np.ones((9, 11), np.uint8))
    mask = mask[:HEIGHT, :WIDTH]
    shape = {"height": HEIGHT, "width": WIDTH, "count": 3, "dtype": "uint8", "crs": UTM, "compress": "DEFLATE"}
    with rasterio.open(
        path, "w", driver="GTiff", photometric="RGB", transform=rasterio.Affine(*PLACE), **shape
    ) as file:
        file.write(np.stack([mask * 64 + 3, mask, mask]))
    return mask


def test_a_geotiff_gives_polygons_and_the_page_works_without_a_network(tmp_path: Path) -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here")
    if not exports.runtime_is_there():
        pytest.skip("ONNX Runtime Web is not here: make web fetches it (it needs npm)")
    mask = geotiff(tmp_path / "place.tif")
    (tmp_path / "broken.tif").write_bytes(b"no picture")
    with served() as address, browser() as chromium:
        context = chromium.new_context(accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{address}/browser")
        page.locator('.in-browser[data-state="ready"]').wait_for()
        page.get_by_role("button", name="Keep for offline use").click()
        link = page.get_by_role("link", name="Open the offline page")
        assert link.get_attribute("href") == f"{address}/offline/"
        page.close()
        context.set_offline(True)
        kept = context.new_page()
        kept.goto(f"{address}/offline/")
        kept.locator('.in-browser[data-state="ready"]').wait_for()
        assert kept.evaluate("self.crossOriginIsolated")
        assert kept.get_by_role("button", name="Keep for offline use").count() == 0
        kept.locator(".in-browser input[type=file]").set_input_files(tmp_path / "place.tif")
        kept.get_by_text(f"{WIDTH} × {HEIGHT} pixels in").wait_for()
        with kept.expect_download() as download:
            kept.get_by_role("button", name="Download polygons").click()
        features = json.loads(Path(download.value.path()).read_text())["features"]
        kept.locator(".in-browser input[type=file]").set_input_files(tmp_path / "broken.tif")
        expect(kept.get_by_text("broken.tif cannot be read here: it is no TIFF.")).to_be_visible()
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in features])
    assert shapely.is_valid(shapes).all()
    west, south, east, north = shapely.total_bounds(shapes)
    assert 55.31 < west < east < 55.33
    assert 25.12 < south < north < 25.13
    sizes = PixelAreas(Info("TIFF", WIDTH, HEIGHT, (), UTM, PLACE)).sums(0, mask, 4)
    for index in range(4):
        own = [feature["properties"] for feature in features if feature["properties"]["class"] == index]
        assert sum(one["area_px"] for one in own) == (mask == index).sum()
        assert sum(one["area_m2"] for one in own) == pytest.approx(sizes[index], rel=2e-5)
