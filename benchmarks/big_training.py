"""An orthophoto far larger than memory should hold: imported with its polygons, then trained on from the disk.

    python benchmarks/big_training.py [--side 20000] [--layout tiled] [--steps 30] [--batch 16] [--base 8] [--json]

A seeded GeoTIFF of side x side pixels of 0.3 m and a GeoPackage of polygons in longitude and latitude are made in a
temporary folder, imported by `python -m core data import`, and a compact student takes some steps on random views of
what was written; the disk's cache is emptied of it before. The same is done with a picture of 600 pixels: a peak of
memory less that of the small picture is what the large one costs above the program and the model.

`waiting` is the share of the time of the steps in which a step stood still because its views were not ready. `reading`
is the time that reading their windows takes (of a processor, in a thread beside the step) to that of the step, and
`making` the same with scaling, turning and recolouring.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiled": {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1},
    "plain": {"blockysize": 1},
    "striped": {"blockysize": 1, "compress": "deflate", "zlevel": 1},
    "jpeg": {"blockysize": 16, "compress": "jpeg", "photometric": "YCBCR"},
}
KINDS = ("field", "forest", "water", "building")
SMALL = 600
_ROWS, _EAST, _NORTH, _METRES = 512, 327_000, 2_783_000, 0.3


def make_source(folder: Path, side: int, layout: str) -> None:
    """The picture and its polygons: rectangles on a third of it, the rest is background."""
    import pyogrio.raw
    import rasterio
    import shapely
    from rasterio.warp import transform
    from rasterio.windows import Window

    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, (_ROWS // 4, 512, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    place = rasterio.Affine(_METRES, 0, _EAST, 0, -_METRES, _NORTH)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "BIGTIFF": "YES"}
    profile |= {"crs": "EPSG:32640", "transform": place, "photometric": "RGB", **LAYOUTS[layout]}
    with rasterio.open(folder / "ortho.tif", "w", **profile) as file:
        for top in range(0, side, _ROWS):
            tall = min(_ROWS, side - top)
            row = np.tile(np.roll(noise, top // 7, axis=1), (1, -(-side // noise.shape[1]), 1))[:tall, :side]
            # As a photo packs: to about a half.
            row = row // 2 + random.integers(0, 32, row.shape, dtype=np.uint8)
            file.write(np.moveaxis(row, 2, 0), window=Window(0, top, side, tall))
    count = max(40, side * side // 200_000)
    corners = random.uniform(0, side * _METRES, (count, 2))
    sides = random.uniform(10, 60, (count, 2))
    east, north = _EAST + corners[:, 0], _NORTH - corners[:, 1]
    shapes = shapely.box(east, north - sides[:, 1], east + sides[:, 0], north)

    def to_degrees(points: np.ndarray) -> np.ndarray:
        x, y = transform("EPSG:32640", "EPSG:4326", points[:, 0].tolist(), points[:, 1].tolist())
        return np.stack([x, y], axis=1)

    names = np.array([KINDS[at % len(KINDS)] for at in range(count)], object)
    pyogrio.raw.write(
        folder / "polygons.gpkg",
        shapely.to_wkb(shapely.transform(shapes, to_degrees)),
        [names],
        ["class"],
        geometry_type="Polygon",
        crs="EPSG:4326",
    )


def run_child(home: Path, *command: str) -> tuple[str, float, float]:
    """What a process printed, the peak of its memory in MB, and its seconds."""
    environment = {**os.environ, "TERRASTILL_HOME": str(home), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:4])} failed: {printed}")
    return printed, usage.ru_maxrss / 1024, time.perf_counter() - started


def forget(folder: Path) -> None:
    """Empty the disk's cache of the files below a folder."""
    for path in folder.rglob("*.tif"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def count_reading() -> list[float]:
    """From now on the seconds of a processor that reading windows took, as the one number of a list."""
    from core.data.stored_array import StoredArray

    spent, read = [0.0], StoredArray.__getitem__

    def timed(stored: StoredArray, window: Any) -> Any:
        started = time.thread_time()
        found = read(stored, window)
        spent[0] += time.thread_time() - started
        return found

    StoredArray.__getitem__ = timed  # type: ignore[method-assign]
    return spent


def train(steps: int, batch: int, base: int) -> dict[str, Any]:
    """Some steps of a compact student on the dataset `big`, in this process."""
    import torch

    from core.config import DataConfig, ModelConfig
    from core.data import open_split
    from core.data.transforms import ViewSampler
    from core.device import describe
    from core.losses.supervised import cross_entropy
    from core.models import build_model
    from core.models.pretrained import LITE_MEAN, LITE_STD
    from core.normalise import Normaliser
    from core.train.batches import epoch_batches

    started = time.perf_counter()
    config = DataConfig("big")
    data, split = open_split(config)
    opened, ignored = time.perf_counter() - started, data.dataset.classes.ignore_index
    reading = count_reading()
    sampler = ViewSampler(split.train, config.crop, config.scale, config.colour, ignored, seed=1)
    torch.manual_seed(1)
    model = build_model(ModelConfig("compact", {"base": base}), outputs=data.dataset.classes.outputs)
    model = model.to(memory_format=torch.channels_last).train()
    normaliser, optimiser = Normaliser.of(LITE_MEAN, LITE_STD, "cpu"), torch.optim.AdamW(model.parameters())
    waited = stepped = 0.0
    batches: Iterator[Any] = iter(epoch_batches(sampler, epoch=0, views=steps * batch, batch_size=batch))
    for number in range(steps):
        started = time.perf_counter()
        given = next(batches)
        ready = time.perf_counter()
        optimiser.zero_grad()
        cross_entropy(logits=model(normaliser(given.images)), labels=given.labels, ignore_index=ignored).backward()
        optimiser.step()
        if number:
            waited, stepped = waited + ready - started, stepped + time.perf_counter() - ready
    read, begun = reading[0] / steps, time.thread_time()
    sampler.batch(1, range(batch))
    step = stepped / (steps - 1)
    return {
        "device": describe(torch.device("cpu")),
        "open_seconds": opened,
        "step_seconds": step,
        "waiting": waited / (waited + stepped),
        "reading": read / step,
        "making": (time.thread_time() - begun) / step,
    }


def measure(side: int, layout: str, args: argparse.Namespace) -> dict[str, Any]:
    """The import of a picture of this side and a training on it."""
    with tempfile.TemporaryDirectory(prefix="big-training-") as name:
        source, home = Path(name) / "source", Path(name) / "home"
        make_source(source, side, layout)
        forget(source)
        size = sum(path.stat().st_size for path in source.iterdir())
        importing = ("-m", "core", "data", "import", str(source), "--name", "big", "--map", "outside=background")
        _, import_mb, import_seconds = run_child(home, *importing)
        forget(home)
        tiles = list(home.rglob("images/*.tif"))
        disk = sum(path.stat().st_size for path in home.rglob("*.tif"))
        wanted = [f"--{key}={getattr(args, key)}" for key in ("steps", "batch", "base")]
        printed, train_mb, _ = run_child(home, str(Path(__file__).resolve()), "--train", *wanted)
    return {
        "source_mb": size / 1e6,
        "tiles": len(tiles),
        "disk_mb": disk / 1e6,
        "import_seconds": import_seconds,
        "import_peak_mb": import_mb,
        "train_peak_mb": train_mb,
        **json.loads(printed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000, help="of the picture, in pixels")
    parser.add_argument("--layout", choices=list(LAYOUTS), default="tiled", help="how the picture is stored")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--base", type=int, default=8, help="width of the compact student")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.train:
        print(json.dumps(train(args.steps, args.batch, args.base)))
        return
    small, large = measure(SMALL, args.layout, args), measure(args.side, args.layout, args)
    large["import_above_mb"] = large["import_peak_mb"] - small["import_peak_mb"]
    large["train_above_mb"] = large["train_peak_mb"] - small["train_peak_mb"]
    if args.json:
        print(json.dumps({"side": args.side, "layout": args.layout, "small": small, "large": large}))
        return
    print(f"{args.side:,} x {args.side:,} pixels, {args.layout}, {large['source_mb']:,.0f} MB, on {large['device']}")
    print(
        f"import    {large['import_seconds']:6.0f} s, {large['import_above_mb']:6.0f} MB above a picture of {SMALL} "
        f"pixels; {large['tiles']} tiles, {large['disk_mb']:,.0f} MB"
    )
    print(
        f"training  {large['open_seconds']:6.1f} s to open, {large['train_above_mb']:6.0f} MB above the same on the "
        f"small one; a step of {args.batch} views {large['step_seconds']:.2f} s"
    )
    print(f"loader    waiting {large['waiting']:.1%}, reading {large['reading']:.1%}, making {large['making']:.1%}")


if __name__ == "__main__":
    main()
