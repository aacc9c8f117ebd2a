"""How fast and in how much memory a large GeoTIFF is segmented, beside the model alone on ready tensors.

    python benchmarks/large_image.py [--side 4096] [--models teacher student] [--threads 1] [--json]
    python benchmarks/large_image.py --memory [--side 20000] [--sparse]

Speed: a seeded GeoTIFF (a shipped scene, repeated and mirrored) from the door for strangers to the mask on disk, in
megapixels of the picture a second, and the model alone on tensors of the same windows. The two take turns, so that a
busy machine slows both alike. Windows overlap, so the model itself sees more pixels than the picture has: `overlap` is
how many more, and the share that is left for everything but the model is ratio x overlap.

Memory: the same work as `python -m core predict` in a process of its own; the peak of it and its decoder together, less
that of the same command on a picture of 64 pixels.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from core import checkpoint, paths
from core.device import choose, describe
from core.imagery.door import Picture
from core.infer.batch import Wanted, predict_picture
from core.infer.predict import evaluating
from core.infer.raster import Tiling
from core.infer.tiles import windows

TURNS = 3
_ROWS = 1024


def make_picture(path: Path, side: int, *, sparse: bool = False) -> None:
    """A tiled, deflated GeoTIFF of side x side pixels of 0.3 m, written row by row.

    `sparse`: only the blocks along the diagonal hold data, as after a flight across; the rest is not even stored.
    """
    from core.image import read_rgb

    scene = read_rgb(next(iter(sorted((paths.SAMPLES / "images").glob("*")))))[:_ROWS, :_ROWS]
    mirrored = np.concatenate([scene, scene[:, ::-1]], axis=1)
    row = np.tile(mirrored, (1, -(-side // mirrored.shape[1]), 1))[:, :side]
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    place = {"crs": "EPSG:32640", "transform": rasterio.Affine(0.3, 0, 327150, 0, -0.3, 2783400)}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "zlevel": 1, "BIGTIFF": "YES"}
    layout |= {"SPARSE_OK": True, "nodata": 0} if sparse else {}
    with rasterio.open(path, "w", **profile, **place, **layout) as file:
        for y in range(0, side, _ROWS):
            tall = min(_ROWS, side - y)
            turned = row if y // _ROWS % 2 == 0 else row[::-1]
            x, wide = (y, min(_ROWS, side - y)) if sparse else (0, side)
            file.write(np.moveaxis(turned[:tall, x : x + wide], 2, 0), window=Window(x, y, wide, tall))


def raw_speed(loaded: checkpoint.Loaded, device: torch.device, tiling: Tiling, count: int) -> float:
    """Megapixels a second of the model on ready tensors."""
    view = torch.zeros(tiling.batch, 3, tiling.tile, tiling.tile, device=device)
    view = view.to(memory_format=torch.channels_last)
    with evaluating(loaded.model), torch.inference_mode():
        loaded.model(view)
        started = time.perf_counter()
        for _ in range(count):
            loaded.model(view)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    return count * tiling.batch * tiling.tile**2 / 1e6 / seconds


def whole_speed(path: Path, loaded: checkpoint.Loaded, device: torch.device, tiling: Tiling, folder: Path) -> float:
    """Megapixels a second from the file to the mask in a Cloud-Optimised GeoTIFF."""
    started = time.perf_counter()
    with Picture(path) as picture:
        predict_picture(picture, folder / "mask", loaded, Wanted(png=False, tif=True), device=device, tiling=tiling)
        pixels = picture.info.pixels
    return pixels / 1e6 / (time.perf_counter() - started)


def speeds(name: str, path: Path, side: int, device: torch.device, tiling: Tiling, folder: Path) -> dict[str, Any]:
    loaded = checkpoint.load(checkpoint.resolve(name), device=device)
    placed = windows(side, side, tile=tiling.tile, overlap=tiling.overlap)
    overlap = sum(window.height * window.width for window in placed) / side**2
    count = max(2, len(placed) // tiling.batch // 2)
    raw, whole = [], []
    for _ in range(TURNS):
        raw.append(raw_speed(loaded, device, tiling, count))
        whole.append(whole_speed(path, loaded, device, tiling, folder))
    ratio = statistics.median(whole) / statistics.median(raw)
    return {
        "model": name,
        "device": describe(device),
        "raw_mpx_s": statistics.median(raw),
        "whole_mpx_s": statistics.median(whole),
        "ratio": ratio,
        "overlap": overlap,
        "rest": ratio * overlap,
    }


def peak_megabytes(path: Path, model: str, folder: Path, *extra: str) -> tuple[float, float]:
    """(peak of the command and its decoder together in MB, seconds)."""
    command = [sys.executable, "-m", "core", "predict", str(path), "--model", model, "--out", str(folder), *extra]
    started, most = time.monotonic(), 0.0
    process = subprocess.Popen(command, cwd=paths.ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, sum(_resident(pid) for pid in (process.pid, *_children(process.pid))))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"The command failed with code {process.returncode}.")
    return most, time.monotonic() - started


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def _children(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def memory(side: int, model: str, folder: Path, *, sparse: bool) -> dict[str, Any]:
    sizes = {"small": 64, "large": side}
    for name, pixels in sizes.items():
        make_picture(folder / f"{name}.tif", pixels, sparse=sparse)
    base, _ = peak_megabytes(folder / "small.tif", model, folder / "out", "--tif")
    most, seconds = peak_megabytes(folder / "large.tif", model, folder / "out", "--tif", "--areas")
    return {
        "model": model, "side": side, "base_mb": base, "peak_mb": most, "above_mb": most - base,
        "seconds": seconds, "mpx_s": side**2 / 1e6 / seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int)
    parser.add_argument("--models", nargs="+", default=["teacher", "student"])
    parser.add_argument("--tile", type=int, default=Tiling().tile)
    parser.add_argument("--overlap", type=int, default=Tiling().overlap)
    parser.add_argument("--batch", type=int, default=Tiling().batch)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--sparse", action="store_true", help="with --memory: only the diagonal holds data")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.memory:
            rows = [memory(args.side or 20_000, model, folder, sparse=args.sparse) for model in args.models]
        else:
            side, tiling = args.side or 4096, Tiling(tile=args.tile, overlap=args.overlap, batch=args.batch)
            make_picture(folder / "picture.tif", side)
            device = choose(args.device)
            rows = [speeds(model, folder / "picture.tif", side, device, tiling, folder) for model in args.models]
    if args.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    main()
