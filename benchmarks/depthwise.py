"""Milliseconds of the backward pass of depthwise convolutions on a CPU, in bfloat16 and in float32.

    python benchmarks/depthwise.py [--batch 16] [--repeats 5]

The shapes are those of EfficientNet-Lite0 at 256 x 256. Why some of them stay in float32 (`core/train/compiling.py`).
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.device import describe

SHAPES = ((672, 16, 5, 2), (144, 64, 5, 2), (96, 128, 3, 2), (672, 16, 5, 1), (144, 64, 3, 1))
"""Channels, side, kernel, stride."""


def backward_ms(shape: tuple[int, int, int, int], dtype: torch.dtype, *, batch: int, repeats: int) -> float:
    """The quickest of some, channels last."""
    channels, side, kernel, stride = shape
    images = torch.randn(batch, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel, dtype=dtype)
    images.requires_grad_()
    weight.requires_grad_()
    taken = []
    for _ in range(repeats):
        found = functional.conv2d(images, weight, stride=stride, padding=kernel // 2, groups=channels)
        gradient = torch.ones_like(found)
        started = time.perf_counter()
        found.backward(gradient)
        taken.append(1000 * (time.perf_counter() - started))
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(f"batch {args.batch} on {describe(torch.device('cpu'))}; the quickest of {args.repeats}\n")
    print("| channels, side, kernel, stride | bfloat16 | float32 |\n|---|---|---|")
    for shape in SHAPES:
        bfloat16, float32 = (
            backward_ms(shape, dtype, batch=args.batch, repeats=args.repeats)
            for dtype in (torch.bfloat16, torch.float32)
        )
        channels, side, kernel, stride = shape
        print(f"| {channels}, {side}, {kernel} x {kernel}, {stride} | {bfloat16:.0f} | {float32:.0f} |")


if __name__ == "__main__":
    main()
