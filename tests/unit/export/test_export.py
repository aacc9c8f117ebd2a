"""What is offered was compared with PyTorch first, and the zip is enough to use it."""

import json
import runpy
import struct
import subprocess
import sys
import venv
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core import checkpoint, paths
from core.config import DataConfig
from core.data.datasets import known
from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.errors import ExportError
from core.export import make, parity
from core.export.parity import cut_tiles, training_tiles
from core.export.quantise import quantise
from core.export.session import OnnxModel
from core.imagery.decode import open_here
from core.infer.picture import Wanted, predict_picture
from core.models import build_model
from tests.unit.networks import balance, noise
from tests.unit.own_dataset import ODD_NAMES, own_dataset

from .conftest import CARD, Pair, pictures, random_unet


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved unet(2) with random weights."""
    model = random_unet()
    path = tmp_path_factory.mktemp("model") / "tiny"
    checkpoint.save(path, model, CARD)
    return path


@pytest.fixture(scope="module")
def exported(stem: Path) -> make.Exported:
    """In float32 and INT8, calibrated on the shipped scenes."""
    return make.export(stem, int8=True)


def test_float32_is_as_good_as_equal_and_int8_is_close(exported: make.Exported) -> None:
    exact, rounded = exported.parities["model.onnx"], exported.parities["model-int8.onnx"]
    assert exact.agreement >= 0.9999
    assert exact.largest_difference is not None
    assert exact.largest_difference < 1e-3
    assert exact.agreement >= rounded.agreement >= 0.9
    assert exact.pixels > 400_000
    assert rounded.agreement < 1


def test_int8_is_integer_inside_and_smaller(exported: make.Exported) -> None:
    import onnx

    files = exported.files
    model = onnx.load_model_from_string(files["model-int8.onnx"])
    kinds = {item.data_type for item in model.graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) > 10
    assert len(files["model-int8.onnx"]) < len(files["model.onnx"])


def test_another_networks_file_is_refused(unet: Pair) -> None:
    torch.manual_seed(1)
    other = build_model(CARD.model, outputs=AERIAL.outputs)
    balance(other, other.head, noise())  # type: ignore[arg-type]
    found = parity.compare(unet.exported, other, CARD, list(pictures(3, 64, 64)))
    assert found.agreement < 0.9
    with pytest.raises(ExportError, match=r"PyTorch's class for \d+\.\d+ %"):
        parity.insist(found)


def test_parity_covers_odd_sizes(unet: Pair) -> None:
    found = parity.compare(unet.exported, unet.model, CARD, list(pictures(2, 64, 64)))
    assert found.pixels == 64 * 64 + (64 - 2) * (64 - 4)
    assert found.agreement == 1


def test_the_zip_holds_what_it_names(exported: make.Exported) -> None:
    with zipfile.ZipFile(BytesIO(make.archive(exported))) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    assert {"model.onnx", "model-int8.onnx", "card.json", "classes.json", "parity.json", "segment.py"} < files.keys()
    assert json.loads(files["classes.json"])["names"] == list(AERIAL.scored_names)
    assert json.loads(files["parity.json"])["files"]["model.onnx"]["tiles"] == make.PARITY_TILES
    readme = files["README.txt"].decode()
    assert [name for name in files if name not in readme] == ["README.txt"]


@pytest.mark.slow
def test_int8_that_answers_otherwise_is_left_out_of_a_zip_of_own_classes_and_the_zip_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    own_dataset(tmp_path)
    classes = known()["plots"].classes
    card = replace(CARD, classes=classes, data={"dataset": "plots"})
    checkpoint.save(tmp_path / "own", build_model(card.model, outputs=classes.outputs), card)
    for name in ("to_onnx", "quantise"):
        monkeypatch.setattr(make, name, _once(getattr(make, name)))
    monkeypatch.setattr(parity, "SAME_CLASS_INT8", 1.01)
    found = make.export(tmp_path / "own", int8=True, insist=False)
    with zipfile.ZipFile(BytesIO(make.archive(found))) as bundle:
        names, readme = bundle.namelist(), bundle.read("README.txt").decode()
        told, checks = json.loads(bundle.read("classes.json")), json.loads(bundle.read("parity.json"))
    assert ("model.onnx" in names, make.INT8 in names) == (True, False)
    assert told["names"] == list(ODD_NAMES)
    assert f"{make.INT8} is not here. {checks['left_out'][make.INT8]}" in readme
    assert f"mask.png {make.INT8}" not in readme
    assert checks["tiles_from"] == "plots"
    with pytest.raises(ExportError, match="the file is not offered"):
        make.export(tmp_path / "own", int8=True)
    monkeypatch.setattr(parity, "SAME_CLASS", 1.01)
    with pytest.raises(ExportError, match="the file is not offered"):
        make.export(tmp_path / "own", int8=True, insist=False)


def _once(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same work, done at the first call; the others are given what it made."""
    made: list[Any] = []

    def given(*args: Any, **more: Any) -> Any:
        if not made:
            made.append(work(*args, **more))
        return made[0]

    return given


def test_the_script_is_short(exported: make.Exported) -> None:
    lines = [line for line in make.contents(exported)["segment.py"].decode().splitlines() if line.strip()]
    assert len(lines) <= 28


def _phone(kind: str) -> tuple[Image.Image, dict[str, Any]]:
    """A picture of one of the kinds that people have, and how it is saved."""
    rgb = np.random.default_rng(1).integers(0, 256, (9, 13, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    grey, hidden = rgb[..., 0], np.zeros(rgb.shape[:2], np.uint8)
    hidden[10:40, 20:70] = 255
    name, _, number = kind.partition(" ")
    if name == "turned":
        exif = Image.Exif()
        exif[0x0112] = int(number)
        return Image.fromarray(rgb), {"format": "JPEG", "exif": exif, "quality": 95}
    made = {
        "rgb": lambda: Image.fromarray(rgb),
        "grey": lambda: Image.fromarray(grey),
        "grey16": lambda: Image.fromarray(grey.astype(np.uint16) * 251 + 7),
        "bits": lambda: Image.fromarray(grey).convert("1"),
        "alpha": lambda: Image.fromarray(np.dstack([rgb, 255 - hidden])),
        "half": lambda: Image.fromarray(np.dstack([rgb, 255 - hidden // 2])),
        "invisible": lambda: Image.fromarray(np.dstack([rgb, 0 * hidden])),
        "greyalpha": lambda: Image.merge("LA", [Image.fromarray(grey), Image.fromarray(255 - hidden)]),
        "palette": lambda: Image.fromarray(rgb).quantize(64),
        "keyed": lambda: Image.fromarray(rgb).quantize(16),
        "cmyk": lambda: Image.fromarray(rgb).convert("CMYK"),
    }[name]()
    return made, {"format": "JPEG"} if name == "cmyk" else {"format": "PNG"} | (
        {"transparency": made.getpixel((30, 20))} if name == "keyed" else {}
    )


def _keyed(png: bytes, value: int) -> bytes:
    """A grey PNG with a transparent value: a chunk tRNS behind its head."""
    chunk = b"tRNS" + struct.pack(">H", value)
    return png[:33] + struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


KINDS = [
    "rgb",
    "grey",
    "grey16",
    "grey16 keyed",
    "bits",
    "alpha",
    "half",
    "invisible",
    "greyalpha",
    "palette",
    "keyed",
    "cmyk",
]


@pytest.fixture(scope="module")
def unpacked(exported: make.Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    for name, data in make.contents(exported).items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("kind", [*KINDS, *(f"turned {number}" for number in range(1, 9))])
def test_the_script_reads_what_predict_reads(
    kind: str, unpacked: Path, stem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "picture", tmp_path / "script.png"
    picture, how = _phone(kind)
    picture.save(source, **how)
    if kind == "grey16 keyed":
        # Pillow writes no transparent value beside 16 bits.
        source.write_bytes(_keyed(source.read_bytes(), np.asarray(picture)[30, 20]))
    monkeypatch.setattr(sys, "argv", ["segment.py", str(source), str(target)])
    runpy.run_path(str(unpacked / "segment.py"), run_name="__main__")
    # In this process: that a confined one gives the same, tests/unit/imagery and tests/corpus hold.
    with closing(open_here(source)) as opened:
        predict_picture(opened, tmp_path / "own", checkpoint.load(stem), Wanted(), device="cpu")
    with Image.open(target) as script, Image.open(tmp_path / "own.png") as own:
        assert script.size == own.size
        assert script.convert("RGBA").getchannel("A").tobytes() == own.convert("RGBA").getchannel("A").tobytes()
        same = np.asarray(script) == np.asarray(own)
        assert len(np.unique(np.asarray(own))) > 2
        assert same.mean() >= 0.999


def test_a_session_needs_no_torch(exported: make.Exported, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(exported.files["model.onnx"])
    question = (
        "import sys, numpy, pathlib; from core.export.session import OnnxModel;"
        f"print(OnnxModel(pathlib.Path({str(file)!r})).run(numpy.zeros((1, 8, 9, 3), numpy.uint8)).shape);"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", question], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(1, 5, 8, 9)", "False"]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ExportError, match="cannot read this model"):
        OnnxModel(b"nothing of the kind")


def test_a_model_without_convolutions_is_not_quantised() -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Identity", ["image"], ["mask"], name="a")
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("image", "mask")]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]))
    with pytest.raises(ExportError, match="no convolution"):
        quantise(model, list(pictures(1, 8, 8)))


def test_tiles_come_from_training_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.data import open_split

    _, split = open_split(DataConfig())
    asked = []
    monkeypatch.setattr("core.export.parity.cut_tiles", lambda scenes, **_: asked.extend(scenes) or [])
    training_tiles(DataConfig(), count=1)
    assert [scene.name for scene in asked] == [scene.name for scene in split.train]


def test_tiles_are_drawn_by_the_seed() -> None:
    scenes = [Scene("a", pictures(1, 40, 50)[0], None), Scene("b", pictures(1, 10, 12)[0], None)]
    first, again, other = (cut_tiles(scenes, count=4, side=16, seed=seed) for seed in (0, 0, 1))
    assert [tile.shape for tile in first] == [(16, 16, 3), (10, 12, 3)] * 2
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.slow
def test_the_shipped_student_fits_in_a_megabyte_and_runs_in_a_bare_environment(tmp_path: Path) -> None:
    """The zip alone, in a fresh environment with onnxruntime, numpy and pillow: the same mask as PyTorch's."""
    loaded = checkpoint.load(checkpoint.resolve("student"))
    packed = make.archive(make.export(checkpoint.resolve("student"), int8=True))
    assert len(packed) <= 1_000_000
    with zipfile.ZipFile(BytesIO(packed)) as bundle:
        bundle.extractall(tmp_path / "model")
    python = _bare_environment(tmp_path / "bare")
    picture = paths.SAMPLES / "images" / "scene_01.jpg"
    expected = _mask(loaded, picture)
    for model, least in (("model.onnx", 0.9995), ("model-int8.onnx", 0.95)):
        target = tmp_path / f"{model}.png"
        command = [python, tmp_path / "model" / "segment.py", picture, target, model]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
        with Image.open(target) as mask:
            assert mask.getpalette()[:3] == list(AERIAL.colours[0])
            assert (np.asarray(mask) == expected).mean() >= least


def _bare_environment(folder: Path) -> Path:
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    needed = [f"{name}=={_version(name)}" for name in ("onnxruntime", "numpy", "pillow")]
    if subprocess.run([*pip, "install", "-q", "--no-compile", *needed], capture_output=True).returncode:
        pytest.skip("onnxruntime, numpy and pillow could not be installed here")
    listing = subprocess.run([*pip, "list"], capture_output=True, text=True, check=True).stdout
    assert "torch" not in listing
    return python


def _version(name: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(name)


def _mask(loaded: checkpoint.Loaded, picture: Path) -> np.ndarray:
    from core.export.parity import logits

    with Image.open(picture) as opened:
        image = np.array(opened.convert("RGB"))
    return logits(loaded.model, loaded.card, image[None])[0].argmax(axis=0)
