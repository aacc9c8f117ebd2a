"""`python -m tools.mixture`: put Dubai and synthetic scenes into one folder, for the recipes of the shipped models.

The synthetic scenes have seeds that no shipped scene has. Each is cut to `SIDE` x `SIDE` pixels, so that about half of
the views of a training run come from them, and is numbered as one of the parts that train: none validates or tests.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.datasets.dubai import DUBAI
from core.data.datasets.mixture import MIXTURE
from core.data.scene import Scene
from tools.synthetic import synthesise
from tools.synthetic.samples import write_samples

FIRST_SEED = 1001
"""The shipped scenes have the seeds 1 to 12."""
SCENES = 126
SIDE, DRAWN = 724, 1024
"""Pixels along a side, of what is kept of a scene and of the whole of it."""


def places(scenes: int) -> Iterator[tuple[str, str, int]]:
    """Tile, name and seed of each of so many scenes: seven to a tile, numbered as the parts that train."""
    assert DUBAI.split is not None
    parts = DUBAI.split.train
    for number in range(scenes):
        part = parts[number % len(parts)]
        yield f"Synthetic {number // len(parts) + 1}", f"scene_part_{part:03d}", FIRST_SEED + number


def cut_scene(seed: int) -> Scene:
    """A square of `SIDE` pixels of the scene of this seed; where it lies is drawn with the same seed."""
    scene = synthesise(seed, size=DRAWN)
    assert scene.mask is not None
    top, left = np.random.default_rng(seed).integers(0, DRAWN - SIDE, 2)
    window = slice(top, top + SIDE), slice(left, left + SIDE)
    return replace(
        scene, image=np.ascontiguousarray(scene.image[window]), mask=np.ascontiguousarray(scene.mask[window])
    )


def add_dubai(source: Path, folder: Path) -> None:
    """Copy the tiles of the Dubai dataset with their images and masks; what is there stays."""
    for tile in sorted(source.glob("Tile *")):
        for part in ("images", "masks"):
            (folder / tile.name / part).mkdir(parents=True, exist_ok=True)
            for file in sorted((tile / part).iterdir()):
                if not (folder / tile.name / part / file.name).exists():
                    shutil.copyfile(file, folder / tile.name / part / file.name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mixture", description=MIXTURE.title)
    parser.add_argument("--dubai", metavar="DIR", help="the Dubai dataset (default: where it is by default)")
    parser.add_argument("--out", type=Path, default=MIXTURE.folder(), help="folder to write to (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=SCENES, help="synthetic scenes (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if not 1 <= chosen.scenes <= 1000:
        parser.error("give 1 to 1000 scenes")
    add_dubai(DUBAI.require_here(chosen.dubai), chosen.out)
    for tile, name, seed in places(chosen.scenes):
        if not (chosen.out / tile / "masks" / f"{name}.png").exists():
            write_samples(chosen.out / tile, [replace(cut_scene(seed), name=name)])
            sys.stdout.write(f"{tile}, {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
