"""Every export of one model beside PyTorch: bytes, time, agreement and mIoU, written to benchmarks/exports.json.

    OMP_NUM_THREADS=1 python benchmarks/exports.py [--model student] [--tiles 8] [--passes 7]

Squares of 512 x 512 pixels out of the shipped scenes, which are synthetic and have masks; one picture at a time, on
one thread. Time is that of the processor, which other work on the machine disturbs little; the median of warm passes.
The browser's file runs in ONNX Runtime Web under Node (`make web`), which is the same WebAssembly without a browser
around it. The Benchmark page shows what is written here.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.services.exports import RUNTIME
from core import checkpoint, paths
from core.benchmark.artefacts import weights_digest
from core.cards import beside
from core.config import DataConfig
from core.data import open_split
from core.export.formats import Options, make_format
from core.export.graph import padding_multiple, translate, with_ends
from core.export.make import CALIBRATION_TILES
from core.export.parity import logits, training_tiles
from core.export.quantise import quantise
from core.export.session import OnnxModel, run_floats
from core.metrics import confusion_matrix, scores

SIDE = 512
TARGET = Path(__file__).with_name("exports.json")
Masks = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def tiles_of_scenes(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(N, 512, 512, 3) and their masks (N, 512, 512), from all scenes in turn, each time from another place."""
    _, split = open_split(DataConfig())
    scenes = [scene for scene in (*split.val, *split.test, *split.train) if scene.mask is not None]
    draw, pictures, masks = np.random.default_rng(0), [], []
    for index in range(count):
        scene = scenes[index % len(scenes)]
        height, width = scene.image.shape[:2]
        y, x = int(draw.integers(max(1, height - SIDE + 1))), int(draw.integers(max(1, width - SIDE + 1)))
        pictures.append(scene.image[y : y + SIDE, x : x + SIDE])
        masks.append(scene.mask[y : y + SIDE, x : x + SIDE])
    return np.stack(pictures), np.stack(masks)


def timed(run: Masks, pictures: NDArray[np.uint8], passes: int) -> tuple[NDArray[np.uint8], float]:
    """The masks, and milliseconds of the processor for one picture."""
    found = np.concatenate([run(pictures[at : at + 1]) for at in range(len(pictures))])
    taken = []
    for _ in range(passes):
        begun = time.process_time()
        run(pictures[:1])
        taken.append(1000 * (time.process_time() - begun))
    return found, median(taken)


def in_the_browser(file: bytes, pictures: NDArray[np.uint8], passes: int) -> tuple[NDArray[np.uint8], float] | None:
    """The same in ONNX Runtime Web under Node; None where that is not here."""
    node = shutil.which("node")
    if node is None or not (RUNTIME / "ort.wasm.min.mjs").is_file():
        print("no row for the browser: it needs node, and `make web` once")
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(file)
        (folder / "pictures").write_bytes(pictures.tobytes())
        script = str(Path(__file__).with_name("web_session.mjs"))
        arguments = [str(RUNTIME.resolve()), str(folder / "model.onnx"), str(folder / "pictures"), str(SIDE)]
        # Else V8 compiles for speed in threads beside the passes, and on a busy machine these are slow for minutes.
        command = [node, "--no-liftoff", script, *arguments, str(folder / "masks"), str(passes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        masks = np.frombuffer((folder / "masks").read_bytes(), np.uint8).reshape(pictures.shape[:3])
        return masks, median(json.loads(done.stdout.splitlines()[-1]))


def openvino_masks(files: dict[str, bytes], mean: NDArray[np.float32], std: NDArray[np.float32]) -> Masks:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / Path(name).name).write_bytes(content)
        hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(f"{folder}/model.xml", "CPU", hints).create_infer_request()

    def run(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        given = ((pictures - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
        return request.infer([np.ascontiguousarray(given)])[0].argmax(1).astype(np.uint8)

    return run


def forms(model: str) -> tuple[dict[str, tuple[int, Masks]], bytes]:
    """By title: bytes, and what makes masks of pictures; and the file that browsers get."""
    stem = checkpoint.resolve(model)
    loaded = checkpoint.load(stem)
    multiple = padding_multiple(loaded.model)
    core = translate(loaded.model, multiple)
    usual = with_ends(core, loaded.card, multiple=multiple, argmax=False)
    browser = with_ends(core, loaded.card, multiple=multiple, argmax=True).SerializeToString()
    quantised = quantise(usual, training_tiles(DataConfig(), count=CALIBRATION_TILES)).SerializeToString()
    exact = usual.SerializeToString()
    print("translated", flush=True)
    (deepness,) = make_format(stem, "deepness", Options(model, 30.0, SIDE)).values()
    openvino = make_format(stem, "openvino", Options(model, tile=SIDE))
    float32, int8 = (OnnxModel(content, threads=1) for content in (exact, quantised))
    squares = run_floats(deepness)
    mean, std = (np.asarray(values, np.float32) for values in (loaded.card.mean, loaded.card.std))

    def as_deepness(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        given = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)) / np.float32(255)
        return squares(given.astype(np.float32))["probabilities"].argmax(1).astype(np.uint8)

    return {
        "PyTorch": (
            beside(stem, ".safetensors").stat().st_size,
            lambda pictures: logits(loaded.model, loaded.card, pictures).argmax(1).astype(np.uint8),
        ),
        "ONNX": (len(exact), lambda pictures: float32.run(pictures).argmax(1).astype(np.uint8)),
        "ONNX, INT8": (len(quantised), lambda pictures: int8.run(pictures).argmax(1).astype(np.uint8)),
        "OpenVINO": (sum(map(len, openvino.values())), openvino_masks(openvino, mean, std)),
        "QGIS Deepness": (len(deepness), as_deepness),
    }, browser


def measure(model: str, tiles: int, passes: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    pictures, truth = tiles_of_scenes(tiles)
    card = checkpoint.load_card(checkpoint.resolve(model))
    runs, browser = forms(model)
    found = {title: (size, *timed(run, pictures, passes)) for title, (size, run) in runs.items()}
    if (web := in_the_browser(browser, pictures, passes)) is not None:
        found["Browser (WebAssembly)"] = (len(browser), *web)
    expected = found["PyTorch"][1]
    rows = [
        {
            "export": title,
            "bytes": size,
            "ms": round(milliseconds, 2),
            "agreement": float((masks == expected).mean()),
            "miou": scores(confusion_matrix(masks, truth, len(card.classes.names)), card.classes).miou5,
        }
        for title, (size, masks, milliseconds) in found.items()
    ]
    told = {"model": model, "weights": weights_digest(model), "side": SIDE, "tiles": tiles, "passes": passes}
    return {**told, "measured": date.today().isoformat(), "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="student")
    parser.add_argument("--tiles", type=int, default=8)
    parser.add_argument("--passes", type=int, default=7)
    args = parser.parse_args()
    found = measure(args.model, args.tiles, args.passes)
    TARGET.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{'':24}{'bytes':>12}{'ms':>10}{'agreement':>12}{'mIoU':>9}")
    for row in found["rows"]:
        share, miou = f"{100 * row['agreement']:.3f} %", f"{100 * row['miou']:.2f}"
        print(f"{row['export']:24}{row['bytes']:>12,}{row['ms']:>10.1f}{share:>12}{miou:>9}")
    print(f"written to {TARGET.relative_to(paths.ROOT)}")


if __name__ == "__main__":
    main()
