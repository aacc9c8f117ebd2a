"""Seeded aerial scenes with exact masks, drawn without a photograph."""

import numpy as np

from core.data.scene import Scene
from core.data.synthetic.noise import fractal


def synthesise(seed: int, *, size: int = 1024) -> Scene:
    """One scene: image uint8 (size, size, 3), mask uint8 (size, size) of the AERIAL classes. The same seed, the same scene."""
    rng = np.random.default_rng(seed)
    colours = np.array([(200, 195, 190), (195, 195, 200), (80, 70, 70), (70, 75, 60), (14, 20, 18), (150, 140, 130)])
    mask = np.ones((size, size), np.uint8)
    mask[fractal(rng, size, size / 3) > 0.4] = 3
    mask[fractal(rng, size, size / 3) > 0.5] = 4
    for _ in range(30):
        y, x = rng.integers(0, size, 2)
        mask[y : y + size // 20, x : x + size // 15] = 0
    for _ in range(4):
        at = int(rng.integers(0, size))
        mask[at : at + size // 50] = 2
        mask[: size // 100, : size // 100] = 5
    image = colours[mask] + 12 * rng.standard_normal((size, size, 3))
    return Scene(f"scene-{seed}", np.clip(image, 0, 255).astype(np.uint8), mask, tile=f"scene-{seed}")
