"""How fast and in how much memory a large GeoTIFF is segmented, beside the model alone on ready tensors.

    python benchmarks/large_image.py [--side 4096] [--models teacher student] [--threads 1] [--json]
    python benchmarks/large_image.py --memory [--side 20000] [--sparse]
    python benchmarks/large_image.py --confidence [--side 2048] [--models student]

Speed: a seeded GeoTIFF (a shipped scene, repeated and mirrored) from the confined process to the mask on disk, in
megapixels of the picture a second, and the model alone on ready tensors, at the size of window at which it is fastest.
They take turns in one process. `ratio_clock` is what a person waits for: reading and writing go on beside the model
where there is a second core. Other work on the machine spoils it, so two more are told: `ratio_first` counts the
processor time of the thread that runs the model (the clock, if the others have a core of their own), `ratio_processor`
that of all threads and of the decoder's process (the clock, if all share one core). `overlap` is how many times the
model sees a pixel.

Memory: the same work as `python -m core predict` in a process of its own; the peak of it and its decoder together, less
that of the same command on a picture of 64 pixels.

Confidence: processor seconds for the masks of all windows on disk, and for these with the probability of the likeliest
class beside them, which polygons and the report need; they take turns.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from core import checkpoint, paths
from core.device import choose, describe
from core.freed_memory import keep_freed_memory
from core.imagery.confined_picture import ConfinedPicture
from core.infer.forward import evaluating
from core.infer.outputs.geotiff import ConfidenceWriter, MaskWriter, gdal
from core.infer.picture import Wanted, predict_picture
from core.infer.stream import segment
from core.infer.tiling import Tiling, windows
from core.normalise import Normaliser

TURNS = 3
RAW_SIDES = (512, 1024)
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


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, of the thread that runs the model, and of all threads and the decoder's process."""

    clock: float
    first: float
    processor: float

    def over(self, megapixels: float) -> "Took":
        return Took(*(seconds / megapixels for seconds in (self.clock, self.first, self.processor)))


def timed(work: Callable[[], object]) -> Took:
    def processor() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    clock, first, before = time.perf_counter(), time.thread_time(), processor()
    work()
    return Took(time.perf_counter() - clock, time.thread_time() - first, processor() - before)


def raw(loaded: checkpoint.Loaded, device: torch.device, side: int, pixels: int) -> Took:
    """The model on ready tensors of side x side, for so many pixels of the picture: the time for a megapixel."""
    view = torch.zeros(1, 3, side, side, device=device).to(memory_format=torch.channels_last)
    count = max(2, pixels // side**2)

    def read_windows() -> None:
        for _ in range(count):
            loaded.model(view)
        if device.type == "cuda":
            torch.cuda.synchronize()

    with evaluating(loaded.model), torch.inference_mode():
        loaded.model(view)
        took = timed(read_windows)
    return took.over(count * side**2 / 1e6)


def whole(path: Path, loaded: checkpoint.Loaded, device: torch.device, tiling: Tiling, folder: Path) -> Took:
    """From the file to the mask in a Cloud-Optimised GeoTIFF: the time for a megapixel of the picture."""

    def work() -> None:
        with ConfinedPicture(path) as picture:
            predict_picture(picture, folder / "mask", loaded, Wanted(png=False, tif=True), device=device, tiling=tiling)

    took = timed(work)
    with rasterio.open(path) as file:
        return took.over(file.width * file.height / 1e6)


def speeds(name: str, path: Path, side: int, device: torch.device, tiling: Tiling, folder: Path) -> dict[str, Any]:
    loaded = checkpoint.load(checkpoint.resolve(name), device=device)
    placed = windows(side, side, tile=tiling.tile, overlap=tiling.overlap)
    sides = sorted({*RAW_SIDES, max(window.height for window in placed)})
    alone: dict[int, list[Took]] = {each: [] for each in sides}
    together = []
    for _ in range(TURNS):
        for each in sides:
            alone[each].append(raw(loaded, device, each, side**2 // len(sides)))
        together.append(whole(path, loaded, device, tiling, folder))
    row: dict[str, Any] = {
        "model": name,
        "device": describe(device),
        "side": side,
        "windows": len(placed),
        "overlap": sum(window.height * window.width for window in placed) / side**2,
    }
    for kind in ("clock", "first", "processor"):
        best, at = min((_median(took, kind), each) for each, took in alone.items())
        row |= {
            f"raw_mpx_s_{kind}": 1 / best,
            f"raw_side_{kind}": at,
            f"whole_mpx_s_{kind}": 1 / _median(together, kind),
        }
        row[f"ratio_{kind}"] = best / _median(together, kind)
    return row


def confidence(name: str, path: Path, device: torch.device, tiling: Tiling, folder: Path) -> dict[str, Any]:
    """Processor seconds a megapixel of masks alone, and with confidence."""
    loaded = checkpoint.load(checkpoint.resolve(name), device=device)
    classes = loaded.card.classes

    def work(*, sure: bool) -> None:
        with gdal(), ConfinedPicture(path) as picture:
            writer = MaskWriter(folder / "plain.tif", picture.info, classes.scored_names, classes.colours)
            beside = ConfidenceWriter(folder / "sure.tif", picture.info) if sure else None
            normaliser = Normaliser.of_card(loaded.card, device)
            options = {"outputs": classes.outputs, "normaliser": normaliser, "tiling": tiling, "probabilities": sure}
            for strip in segment(picture, loaded.model, **options):
                writer.write(strip.y, strip.mask)
                if beside is not None:
                    beside.write(strip)
            writer.close()
            if beside is not None:
                beside.close()

    work(sure=False)
    took: dict[bool, list[Took]] = {False: [], True: []}
    for _ in range(TURNS):
        for sure in took:
            took[sure].append(timed(partial(work, sure=sure)))
    with rasterio.open(path) as file:
        megapixels = file.width * file.height / 1e6
    plain, with_confidence = (_median(took[sure], "processor") / megapixels for sure in (False, True))
    told = {"model": name, "device": describe(device), "megapixels": megapixels, "mask_s_mpx": plain}
    return {**told, "with_confidence_s_mpx": with_confidence, "factor": with_confidence / plain}


def _median(took: Sequence[Took], kind: str) -> float:
    return float(statistics.median(getattr(each, kind) for each in took))


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
    parser.add_argument("--confidence", action="store_true", help="what confidence beside the mask costs")
    parser.add_argument("--sparse", action="store_true", help="with --memory: only the diagonal holds data")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.memory:
            rows = [memory(args.side or 20_000, model, folder, sparse=args.sparse) for model in args.models]
        else:
            side, tiling = (
                args.side or (2048 if args.confidence else 4096),
                Tiling(tile=args.tile, overlap=args.overlap, batch=args.batch),
            )
            make_picture(folder / "picture.tif", side)
            device = choose(args.device)
            picture = folder / "picture.tif"
            if args.confidence:
                rows = [confidence(model, picture, device, tiling, folder) for model in args.models]
            else:
                rows = [speeds(model, picture, side, device, tiling, folder) for model in args.models]
    if args.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value:.3f}" if isinstance(value, float) else str(value) for key, value in row.items()))


if __name__ == "__main__":
    main()
