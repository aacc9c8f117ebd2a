"""A GeoTIFF of other bands than colours in the visitor's browser: the numbers and the mask are the server's."""

import base64
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from app.services import exports
from core.band_set import BandSet
from core.export.graph import OPSET
from core.export.surround import add_ends
from core.image import read_bands
from core.imagery.band_files import BandFile
from core.imagery.limits import Limits
from core.infer.predict import predict
from core.normalise import Normaliser
from tests.ui.test_viewer_js import HERE, needs_node, node
from tests.unit.banded import NAMES, TYPICAL, write_bands

pytestmark = needs_node
SHAPE = (75, 131)


def values(depth: str, count: int = 4, *, seed: int = 3) -> NDArray[Any]:
    """(H, W, count): smooth fields with noise, over the range that is typical of a depth."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, (SHAPE[0] // 8 + 1, SHAPE[1] // 8 + 1, count))
    smooth = np.kron(coarse, np.ones((8, 8, 1)))[: SHAPE[0], : SHAPE[1]]
    return ((smooth + rng.uniform(-0.05, 0.05, smooth.shape)) * TYPICAL[depth]).astype(depth)


def in_browser(bands: BandSet, *files: Path, model: Path | None = None, **more: int) -> list[dict[str, Any]]:
    """What the modules of the page make of these files under node."""
    told = {"bands": {"names": bands.names, "depth": bands.depth, "shown": bands.colours}, **more}
    base = exports.RUNTIME.as_uri() + "/"
    arguments = (base, str(model or "none"), json.dumps(told), *map(str, files))
    found: list[dict[str, Any]] = json.loads(node(str(HERE / "segment.mjs"), *arguments).splitlines()[-1])
    return found


def decoded(text: str, kind: str, *shape: int) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)


@pytest.mark.parametrize(
    ("depth", "more"),
    [
        ("uint16", {"compress": "DEFLATE", "predictor": 2, "tiled": True, "blockxsize": 16, "blockysize": 32}),
        ("uint16", {"compress": "LZW", "ENDIANNESS": "BIG", "interleave": "band", "predictor": 2}),
        ("float32", {"compress": "DEFLATE", "predictor": 3}),
        ("float32", {"compress": "LZW", "predictor": 3, "ENDIANNESS": "BIG", "interleave": "pixel"}),
        ("uint8", {"photometric": "RGB"}),
    ],
)
def test_the_numbers_of_every_band_are_the_servers(depth: str, more: dict[str, Any], tmp_path: Path) -> None:
    bands = BandSet(NAMES, depth)
    path = write_bands(tmp_path / "a.tif", values(depth), **more)
    (found,) = in_browser(bands, path)
    with BandFile(path, bands, limits=Limits()) as file:
        np.testing.assert_array_equal(decoded(found["values"], depth, *SHAPE, 4), file.read(0, 0, *SHAPE))


def test_what_holds_no_data_and_which_band_is_which_are_told_as_on_the_server(tmp_path: Path) -> None:
    bands = BandSet(NAMES, "float32")
    plain = values("uint16")
    plain[:20, :30] = 0
    plain[40, 50, 0] = 0
    plain[60:, :, 2] = 777
    wide = values("float32")
    wide[:9] = np.nan
    wide[30, 30, 1], wide[50:60] = 2e30, -9999
    mixed = np.concatenate([plain, np.where(plain[..., :1] > 0, 65_535, 0).astype(np.uint16)], axis=2)
    names = ("near infrared", "blue", "green", "red")
    files = [
        write_bands(tmp_path / "zero.tif", plain, nodata=0),
        write_bands(tmp_path / "value.tif", plain, nodata=777),
        write_bands(tmp_path / "none.tif", plain),
        write_bands(tmp_path / "float.tif", wide),
        write_bands(tmp_path / "signed.tif", np.where(plain == 777, -9999, plain).astype(np.int16)),
        write_bands(tmp_path / "alpha.tif", mixed[..., [0, 4, 1, 2, 3]], alpha="yes"),
        write_bands(tmp_path / "varies.tif", mixed, alpha="yes"),
        write_bands(tmp_path / "names.tif", plain, names),
        write_bands(tmp_path / "more.tif", mixed, (*names, "thermal")),
    ]
    for path, found in zip(files, in_browser(bands, *files), strict=True):
        assert "error" not in found, (path.name, found)
        with BandFile(path, bands, limits=Limits()) as file:
            expected, valid = file.read_known(0, 0, *SHAPE)
        np.testing.assert_array_equal(decoded(found["values"], "float32", *SHAPE, 4), expected, err_msg=path.name)
        seen = decoded(found["rgba"], "uint8", *SHAPE, 4)[..., 3] > 0
        np.testing.assert_array_equal(seen, np.ones(SHAPE, bool) if valid is None else valid, err_msg=path.name)


def test_pictures_of_other_bands_are_one_sentence(tmp_path: Path) -> None:
    files = [
        write_bands(tmp_path / "five.tif", values("uint16", 5)),
        write_bands(tmp_path / "float.tif", values("float32")),
        write_bands(tmp_path / "words.tif", values("uint16"), ("Blue", "Vert", "Rouge", "near infrared")),
    ]
    told = [found["error"] for found in in_browser(BandSet(NAMES, "uint16"), *files)]
    assert told[0].startswith("it has 5 bands, and the model sees red, green, blue, near infrared")
    assert told[1] == "it holds float32 values, and the model takes uint16"
    assert told[2].startswith("its bands are not called red, green, blue, near infrared")


class Convolution(nn.Module):
    """Five classes of four bands, of random weights."""

    inputs = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 5, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.layer(images))

    def to_onnx(self, depth: str, mean: list[float], std: list[float]) -> bytes:
        """The same as an exported graph: the ends are those of every export."""
        weights = [numpy_helper.from_array(each.detach().numpy(), name) for name, each in self.layer.named_parameters()]
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count, "h", "w"])
            for name, count in (("x", 4), ("y", 5))
        ]
        node_ = helper.make_node("Conv", ["x", "weight", "bias"], ["y"], pads=[1, 1, 1, 1])
        graph = helper.make_graph([node_], "core", ends[:1], ends[1:], weights)
        core = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        made = add_ends(core, mean=mean, std=std, multiple=1, outputs=5, argmax=True, depth=depth)
        return bytes(made.SerializeToString())


@pytest.mark.skipif(not exports.runtime_is_there(), reason="ONNX Runtime Web is not here: make web fetches it")
def test_the_mask_is_the_servers(tmp_path: Path) -> None:
    """Four bands through an exported graph in ONNX Runtime Web, in several windows."""
    torch.manual_seed(0)
    depth = "uint16"
    model, typical = Convolution().eval(), TYPICAL[depth]
    mean, std = [0.5 * typical] * 4, [0.2 * typical] * 4
    (tmp_path / "model.onnx").write_bytes(model.to_onnx(depth, mean, std))
    path = write_bands(tmp_path / "a.tif", values(depth), compress="DEFLATE", predictor=2)
    bands = BandSet(NAMES, depth)
    image = read_bands(path, bands)
    expected = predict(model, image, normaliser=Normaliser.of(mean, std, "cpu", bands=bands)).mask
    assert len(np.unique(expected)) == 5
    (found,) = in_browser(bands, path, model=tmp_path / "model.onnx", window=64, margin=16)
    assert (decoded(found["mask"], "uint8", *SHAPE) == expected).mean() > 0.999
