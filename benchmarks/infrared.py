"""What a teacher that sees near infrared is worth to a student of colours, on the four-band pictures of NAIP.

    python benchmarks/infrared.py FOLDER [--work DIR] [--labelled 2] [--seconds 60] [--seeds 0 1 2]

FOLDER holds four-band GeoTIFFs (red, green, blue, near infrared; docs/RESULTS.md says where they come from). Nobody
labelled them: a pixel is Vegetation where NDVI = (nir - red) / (nir + red) is above `--ndvi`, else Other. The pictures
of one city train and validate, those of the other test. For each seed a teacher of four bands learns from the labels of
all training pictures; then a student of red, green and blue learns with that teacher from few labels, and its control
from the same few alone. All have as many seconds of the processor (`--clock processor`), since other work may run
beside; the teacher's passes over the pictures count among the student's.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core import checkpoint
from core.band_set import BandSet
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data import open_split
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from core.errors import DatasetNotFoundError
from core.evaluate import evaluate
from core.image import read_bands
from core.normalise import Normaliser
from core.runs.execution import execute

BANDS = BandSet(("red", "green", "blue", "near infrared"))
CLASSES = (DescribedClass("Other", (150, 150, 150)), DescribedClass("Vegetation", (40, 150, 60)))
NAME = "naip-ndvi"


def ndvi(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The vegetation index of a picture of red, green, blue and near infrared.

    Args:
        picture: uint8 (H, W, 4).

    Returns:
        (H, W) from -1 to 1; 0 where both bands are 0.
    """
    red, infrared = (picture[..., band].astype(np.float32) for band in (0, 3))
    found: NDArray[np.float32] = (infrared - red) / np.maximum(infrared + red, 1)
    return found


def make_dataset(source: Path, home: Path, threshold: float) -> dict[str, float]:
    """Write the dataset below `home`; the share of vegetation in each part of its split."""
    pictures = sorted(source.glob("*.tif"))
    if not pictures:
        raise DatasetNotFoundError(f"{source} holds no four-band TIFF: name the folder of the NAIP pictures.")
    folder = home / "datasets" / NAME
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    parts: dict[str, list[str]] = {"train": [], "validate": [], "test": []}
    shares: dict[str, list[float]] = {use: [] for use in parts}
    city = max({path.stem.rsplit("_", 2)[0] for path in pictures}, key=lambda name: _count(pictures, name))
    for number, path in enumerate(pictures):
        here = path.stem.startswith(city)
        use = ("validate" if number % 5 == 0 else "train") if here else "test"
        mask = (ndvi(read_bands(path, BANDS)) > threshold).astype(np.uint8)
        shutil.copy(path, folder / "images" / path.name)
        Image.fromarray(mask).save(folder / "masks" / f"{path.stem}.png")
        parts[use].append(path.stem)
        shares[use].append(float(mask.mean()))
    split = DescribedSplit("names", *(tuple(parts[use]) for use in ("train", "validate", "test")))
    described = Description(NAME, "NAIP by NDVI", CLASSES, bands=BANDS.names, metres_per_pixel=0.6, split=split)
    write_description(folder, described)
    return {f"{use} ({len(parts[use])} pictures)": statistics.mean(found) for use, found in shares.items()}


def _count(pictures: list[Path], city: str) -> int:
    return sum(path.stem.startswith(city) for path in pictures)


def score(runs: Path, name: str, data: DataConfig) -> float:
    """Mean IoU of a run's model on the test pictures."""
    loaded, split = open_split(data)
    found = checkpoint.load(runs / name / "student")
    normaliser = Normaliser.of_card(found.card, "cpu", loaded.dataset.band_set)
    return evaluate(found.model, split.test, loaded.dataset.classes, normaliser=normaliser).scores.miou5


def carry_out(config: RunConfig, runs: Path, name: str) -> float:
    """Train, unless that was done before, and give the score on the test pictures."""
    folder = runs / name
    if not (folder / "student.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        execute(config, folder, emit=lambda _: None, cancelled=lambda: False, runs=runs)
    return score(runs, name, replace(config.data, labelled=None))


def student_run(seed: int, seconds: float, labelled: int) -> RunConfig:
    """A student of colours that learns from the labels of few pictures."""
    train = TrainConfig(
        epochs=2, batch_size=8, seed=seed, device="cpu", precision="float32", compile=False,
        match_seconds=seconds, clock="processor", validate_every=2,
    )  # fmt: skip
    few = DataConfig(NAME, crop=128, views_per_epoch=48, bands="red,green,blue", labelled=labelled)
    return RunConfig("train", data=few, model=ModelConfig("compact", {"base": 4}), train=train)


def measure(home: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Scores on the test pictures for each seed."""
    rows = []
    for seed in args.seeds:
        control = student_run(seed, args.seconds, args.labelled)
        every = replace(control.data, bands=None, labelled=None)
        teacher = replace(control, data=every, model=ModelConfig("compact", {"base": 8}))
        taught = replace(control, kind="distill", distill=DistillConfig(teacher=f"infrared-{seed}"))
        row = {
            "seed": seed,
            "teacher": carry_out(teacher, home, f"infrared-{seed}"),
            "control": carry_out(control, home, f"control-{args.labelled}-{seed}"),
            "student": carry_out(taught, home, f"student-{args.labelled}-{seed}"),
        }
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, default=Path("infrared"), help="where datasets and runs are written")
    parser.add_argument("--labelled", type=int, default=2, help="pictures with labels of student and control")
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ndvi", type=float, default=0.1, help="vegetation is above it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    home = args.work.absolute()
    os.environ["TERRASTILL_HOME"] = str(home)
    for part, share in make_dataset(args.folder, home, args.ndvi).items():
        print(f"{part}: {share:.1%} vegetation")
    rows = measure(home, args)
    gains = [row["student"] - row["control"] for row in rows]
    for name in ("teacher", "control", "student"):
        print(f"{name:<8} {100 * statistics.mean(row[name] for row in rows):5.1f} % mIoU on the test pictures")
    spread = statistics.stdev(gains) if len(gains) > 1 else float("nan")
    print(f"gain     {100 * statistics.mean(gains):+5.1f} points, deviation {100 * spread:.1f}, {len(gains)} seeds")


if __name__ == "__main__":
    main()
