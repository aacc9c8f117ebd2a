"""What windows change: the mask of a picture in one piece beside that in windows, by how much they overlap.

    python benchmarks/seams.py PICTURE… [--models teacher student] [--tile 512] [--overlaps 0 16 32 64 128]

For each overlap: the share of pixels whose class differs from that of the whole picture; the share among the pixels
within 32 of a seam; and how many times the model sees a pixel. Small windows, so that there are seams enough: with
windows of 1,536 a third of them is left.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from numpy.typing import NDArray

from core import checkpoint
from core.freed_memory import keep_freed_memory
from core.image import read_rgb
from core.imagery.limits import Info
from core.infer.stream import segment
from core.infer.tiling import Tiling, spans, windows
from core.normalise import Normaliser

NEAR = 32


class Held:
    """A picture in memory, read in windows."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        self.rgb = rgb
        self.info = Info("PNG", rgb.shape[1], rgb.shape[0])

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[np.uint8], None]:
        return self.rgb[y : y + height, x : x + width], None


def mask(rgb: NDArray[np.uint8], loaded: checkpoint.Loaded, tiling: Tiling) -> NDArray[np.uint8]:
    card = loaded.card
    strips = segment(
        Held(rgb),
        loaded.model,
        outputs=card.classes.outputs,
        normaliser=Normaliser.of_card(card, "cpu"),
        tiling=tiling,
    )
    return np.concatenate([strip.mask for strip in strips])


def near_seams(height: int, width: int, tile: int, overlap: int) -> NDArray[np.bool_]:
    """Pixels within `NEAR` of where one window takes over from another."""
    near = np.zeros((height, width), np.bool_)
    for start, _ in spans(height, tile=tile, overlap=overlap)[1:]:
        near[max(0, start + overlap // 2 - NEAR) : start + overlap // 2 + NEAR] = True
    for start, _ in spans(width, tile=tile, overlap=overlap)[1:]:
        near[:, max(0, start + overlap // 2 - NEAR) : start + overlap // 2 + NEAR] = True
    return near


def compare(
    pictures: Sequence[NDArray[np.uint8]], loaded: checkpoint.Loaded, tile: int, overlaps: Sequence[int]
) -> None:
    whole = [mask(rgb, loaded, Tiling(tile=2**20)) for rgb in pictures]
    for overlap in overlaps:
        differ, around, seen, pixels = [], [], 0, 0
        for rgb, expected in zip(pictures, whole, strict=True):
            height, width = expected.shape
            wrong = mask(rgb, loaded, Tiling(tile=tile, overlap=overlap)) != expected
            differ.append(wrong.ravel())
            around.append(wrong[near_seams(height, width, tile, overlap)])
            seen += sum(w.height * w.width for w in windows(height, width, tile=tile, overlap=overlap))
            pixels += expected.size
        shares = [100 * np.concatenate(parts).mean() for parts in (differ, around)]
        print(
            f"{loaded.card.name} {overlap:4d}: {shares[0]:.3f} % of all, {shares[1]:.2f} % near, x {seen / pixels:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--models", nargs="+", default=["teacher", "student"])
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--overlaps", nargs="+", type=int, default=[0, 16, 32, 64, 128])
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    pictures = [read_rgb(path) for path in args.pictures]
    for name in args.models:
        compare(pictures, checkpoint.load(checkpoint.resolve(name), device="cpu"), args.tile, args.overlaps)


if __name__ == "__main__":
    main()
