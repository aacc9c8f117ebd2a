"""A file for QGIS Deepness and GeoDeep: what both clients read from it, and that they mask as PyTorch does."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import rasterio
from numpy.typing import NDArray
from onnx import TensorProto
from PIL import Image
from rasterio.transform import from_origin

from core import checkpoint, paths
from core.cards import ModelCard
from core.errors import ConfigError
from core.export.deepness import deepness_metadata, overlap_per_cent
from core.export.formats import FORMATS, Options, known_resolution_cm, make_format, resolution_cm
from core.export.parity import logits
from core.export.session import run_floats
from core.export.tile_network import check_side
from core.infer.predict import predict
from core.infer.tiling import WHOLE
from core.normalise import Normaliser

from .conftest import CARD

MODEL = "student-2"
SIDE, LENGTH, CM = 256, 464, 30.0
CONTEXT = 64
"""Pixels from the border of a tile where a network sees enough around a pixel to answer as in the whole picture."""


@pytest.fixture(scope="module")
def content() -> bytes:
    """The smallest shipped student, as the command line writes it."""
    stem = checkpoint.resolve(MODEL)
    (made,) = make_format(stem, "deepness", Options(MODEL, CM, SIDE)).values()
    return made


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """uint8 (480, 464, 3): two tiles along its width, two and a rest along its height."""
    path = next(iter(sorted((paths.SAMPLES / "images").glob("*.jpg"))))
    return np.asarray(Image.open(path).convert("RGB"))[: LENGTH + 16, :LENGTH]


def test_both_clients_find_every_key() -> None:
    told = {
        key: json.loads(value) for key, value in deepness_metadata(CARD, resolution=CM, side=SIDE, overlap=19).items()
    }
    assert told["model_type"] == "Segmentor"
    assert told["class_names"] == {str(index): name for index, name in enumerate(CARD.classes.scored_names)}
    assert told["tile_size"] == told["tiles_size"] == SIDE
    assert told["resolution"] == CM
    assert told["seg_thresh"] == 0.0
    assert isinstance(told["seg_small_segment"], int)
    assert told["tiles_overlap"] == 19
    assert told["standardization_mean"] == [0.0] * 3
    assert told["standardization_std"] == [1.0] * 3


def test_the_resolution_is_that_of_the_training_pictures_and_asked_for_where_nobody_knows_it() -> None:
    assert known_resolution_cm(CARD) is None
    with pytest.raises(ConfigError, match=r"not known: give it in centimetres a pixel \(--resolution\)"):
        resolution_cm(CARD, None)
    known: ModelCard = replace(CARD, metres_per_pixel=0.3)
    assert resolution_cm(known, None) == 30.0
    assert resolution_cm(known, 12.5) == 12.5
    for wrong in (0.0, -3.0, 1e9, float("nan")):
        with pytest.raises(ConfigError, match="centimetres a pixel, not"):
            resolution_cm(known, wrong)


@pytest.mark.parametrize("side", [0, 63, 100, 4096])
def test_a_side_that_cannot_be_cut_is_refused(side: int) -> None:
    with pytest.raises(ConfigError, match=f"not {side}"):
        check_side(side)


def test_an_unknown_format_is_refused_before_a_model_is_read() -> None:
    with pytest.raises(ConfigError, match="There is no format 'shapefile'"):
        make_format(Path("nowhere"), "shapefile", Options("x"))
    assert "deepness" in FORMATS


@pytest.mark.slow
def test_old_runtimes_can_read_the_graph(content: bytes) -> None:
    model = onnx.load_model_from_string(content)
    assert model.ir_version <= 8
    assert {item.domain: item.version for item in model.opset_import} == {"": 17}
    (entry,), (out,) = model.graph.input, model.graph.output
    assert entry.type.tensor_type.elem_type == TensorProto.FLOAT
    shape = [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim]
    assert shape == ["batch", 3, SIDE, SIDE]
    assert [d.dim_value for d in out.type.tensor_type.shape.dim[1:]] == [CARD.classes.outputs, SIDE, SIDE]
    assert model.graph.node[-1].op_type == "Softmax"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_geodeep_masks_a_geotiff_as_the_app_does(content: bytes, picture: NDArray[np.uint8], tmp_path: Path) -> None:
    picture = picture[:LENGTH]
    geodeep = pytest.importorskip("geodeep", reason="geodeep is not installed: pip install -r requirements-dev.txt")
    ndimage = pytest.importorskip("scipy.ndimage", reason="GeoDeep smooths with SciPy")
    model, source = tmp_path / "model.onnx", tmp_path / "place.tif"
    model.write_bytes(content)
    place = {"crs": "EPSG:32640", "transform": from_origin(3e5, 2.79e6, CM / 100, CM / 100)}
    shape = {"width": LENGTH, "height": LENGTH, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(source, "w", driver="GTiff", photometric="RGB", **place, **shape) as file:
        file.write(picture.transpose(2, 0, 1))
    found = geodeep.segment(str(source), str(model))
    # GeoDeep takes the median over five by five pixels of its own accord.
    expected = ndimage.median_filter(whole_mask(picture), 5)
    assert step_of(content) == LENGTH - SIDE
    away = away_from_borders([0, LENGTH - SIDE])
    inside = away[:, None] & away
    assert inside.mean() > 0.3
    assert len(np.unique(expected)) > 2
    assert (found == expected)[inside].mean() >= 0.99


@pytest.mark.slow
def test_tiles_that_begin_at_the_lower_edge_mask_as_the_app_does(content: bytes, picture: NDArray[np.uint8]) -> None:
    """Deepness lays its tiles from the lower left corner, and hands over bytes divided by 255."""
    run, expected, same = run_floats(content), whole_mask(picture), []
    lowest = len(picture) - SIDE
    for top in (lowest, lowest - step_of(content)):
        part = np.s_[top : top + SIDE, :SIDE]
        values = (picture[part].transpose(2, 0, 1)[None] / 255).astype(np.float32)
        found = run(values)["probabilities"].argmax(1)[0]
        middle = np.s_[CONTEXT:-CONTEXT, : SIDE - CONTEXT]
        same.append((found == expected[part])[middle].mean())
    assert min(same) >= 0.99


def whole_mask(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The app's own: the picture goes through PyTorch in one piece."""
    loaded = checkpoint.load(checkpoint.resolve(MODEL))
    return predict(loaded.model, picture, normaliser=Normaliser.of_card(loaded.card, "cpu"), tile=WHOLE).mask


def step_of(content: bytes) -> int:
    """How far apart both clients lay their tiles, by the metadata."""
    told = {entry.key: json.loads(entry.value) for entry in onnx.load_model_from_string(content).metadata_props}
    return int(told["tile_size"]) - int(told["tile_size"]) * int(told["tiles_overlap"]) // 100


def away_from_borders(starts: list[int]) -> NDArray[np.bool_]:
    """Of a side of the picture, (464,): what is `CONTEXT` pixels from every border of a tile within it."""
    away = np.ones(LENGTH, bool)
    for border in [*starts[1:], *(start + SIDE for start in starts[:-1])]:
        away[max(0, border - CONTEXT) : border + CONTEXT] = False
    return away


@pytest.mark.parametrize("side", [64, 128, 256, 320, 512, 640, 1024, 2048])
@pytest.mark.parametrize("multiple", [1, 8, 16, 32])
def test_tiles_keep_to_the_grid_of_the_network(side: int, multiple: int) -> None:
    share = overlap_per_cent(side, multiple)
    assert 12 <= share <= 50
    assert (side - side * share // 100) % multiple == 0


_OLD = """
import sys, numpy, onnxruntime
assert onnxruntime.__version__ == "1.17.3", onnxruntime.__version__
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], session.run(None, {session.get_inputs()[0].name: given})[0])
"""


@pytest.mark.slow
def test_onnx_runtime_1_17_answers_as_pytorch_does(content: bytes, picture: NDArray[np.uint8], tmp_path: Path) -> None:
    if sys.version_info[:2] > (3, 12):
        pytest.skip("ONNX Runtime 1.17 has no wheel for this Python.")
    packages = tmp_path / "packages"
    how = ["-q", "--no-deps", "--no-compile", "--only-binary=:all:", "--disable-pip-version-check"]
    asked = [*how, "--target", str(packages), "onnxruntime==1.17.3", "numpy==1.26.4"]
    try:
        subprocess.run([sys.executable, "-m", "pip", "install", *asked], capture_output=True, check=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("The package index does not give ONNX Runtime 1.17 for this machine within a minute.")
    (tmp_path / "model.onnx").write_bytes(content)
    tile = np.ascontiguousarray(picture[:SIDE, :SIDE])
    np.save(tmp_path / "given.npy", (tile.transpose(2, 0, 1)[None] / 255).astype(np.float32))
    files = [str(tmp_path / name) for name in ("model.onnx", "given.npy", "found.npy")]
    subprocess.run([sys.executable, "-c", _OLD, *files], check=True, timeout=60, env={"PYTHONPATH": str(packages)})
    loaded = checkpoint.load(checkpoint.resolve(MODEL))
    expected = logits(loaded.model, loaded.card, tile[None]).argmax(1)
    found = np.load(tmp_path / "found.npy")
    assert np.allclose(found.sum(1), 1, atol=1e-4)
    assert (found.argmax(1) == expected).mean() >= 0.9995
