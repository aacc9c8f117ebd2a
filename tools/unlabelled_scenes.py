"""`python -m tools.unlabelled_scenes`: draw synthetic scenes without labels, on which a teacher answers for students.

Their seeds are neither those of the shipped scenes nor those of the mixture that taught the teacher: what it says of
them it knows from other scenes. Each is cut to a square as there. No mask is written.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.datasets.unlabelled_scenes import UNLABELLED_SCENES
from tools.mixture import cut_scene
from tools.synthetic.samples import QUALITY

FIRST_SEED = 3101
SCENES = 84


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.unlabelled_scenes", description=UNLABELLED_SCENES.title)
    parser.add_argument(
        "--out", type=Path, default=UNLABELLED_SCENES.folder(), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--scenes", type=int, default=SCENES, help="how many (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if not 1 <= chosen.scenes <= 1000:
        parser.error("give 1 to 1000 scenes")
    pictures = chosen.out / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    for seed in range(FIRST_SEED, FIRST_SEED + chosen.scenes):
        file = pictures / f"scene_{seed}.jpg"
        if not file.exists():
            Image.fromarray(np.asarray(cut_scene(seed).image)).save(file, quality=QUALITY, subsampling=0)
            sys.stdout.write(f"{file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
