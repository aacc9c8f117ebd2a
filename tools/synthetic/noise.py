"""Random textures out of numpy alone: smooth noise at one scale or many, and a fast blur.

Only additions, multiplications and square roots touch the values, so that a field thresholded into a mask comes out
the same on every processor.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def smooth(rng: np.random.Generator, size: int, cell: float, *, stretch: tuple[float, float] = (1.0, 1.0)) -> Field:
    """Noise of one scale, (size, size), about -1..1: random values every `cell` pixels, joined by a smooth curve.

    `stretch` lengthens the cells down and across, which gives ripples and furrows.
    """
    tall, wide = max(1.0, cell * stretch[0]), max(1.0, cell * stretch[1])
    rows, columns = int(size / tall) + 6, int(size / wide) + 6
    lattice = Image.fromarray(rng.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32))
    top, left = (float(offset) for offset in rng.uniform(2, 3, 2))
    window = (left, top, left + size / wide, top + size / tall)
    return np.asarray(lattice.resize((size, size), Image.Resampling.BICUBIC, box=window), dtype=np.float32)


def fractal(
    rng: np.random.Generator, size: int, cell: float, *, octaves: int = 5, gain: float = 0.5, finest: float = 1.0
) -> Field:
    """Noise of many scales, (size, size), about -1..1: each octave half as large and `gain` as strong as the last."""
    total = np.zeros((size, size), np.float32)
    weight, reach = 1.0, 0.0
    for _ in range(octaves):
        if cell < finest:
            break
        total += np.float32(weight) * smooth(rng, size, cell)
        reach += weight
        weight *= gain
        cell /= 2
    return np.asarray(total / np.float32(0.6 * max(reach, 1e-6)), dtype=np.float32)


def grain(rng: np.random.Generator, size: int) -> Field:
    """White noise of unit spread, one value a pixel."""
    return rng.standard_normal((size, size), dtype=np.float32)


def warp(field: Field, shift_y: Field, shift_x: Field) -> Field:
    """`field` read at places moved by the shifts (pixels), nearest pixel, edges held."""
    size = field.shape[0]
    rows, columns = np.indices(field.shape)
    y = np.clip(rows + shift_y.astype(np.int64), 0, size - 1)
    x = np.clip(columns + shift_x.astype(np.int64), 0, size - 1)
    return np.asarray(field[y, x], dtype=np.float32)


def ramp(field: Field, low: float, high: float) -> Field:
    """0 at and below `low`, 1 at and above `high`, eased between."""
    part = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), dtype=np.float32)


def blur(field: Field, radius: float) -> Field:
    """About a Gaussian of standard deviation `radius` pixels, along the first two axes.

    Wide blurs are made on a smaller copy of a plain (H, W) field, and enlarged again.
    """
    shrink = int(radius / 1.4) if field.ndim == 2 else 1
    if shrink > 1 and min(field.shape) // shrink > 4:
        wide, tall = field.shape[1] // shrink, field.shape[0] // shrink
        small = np.asarray(Image.fromarray(field).resize((wide, tall), Image.Resampling.BILINEAR), dtype=np.float32)
        left = ((radius / shrink) ** 2 - 1 / 6) ** 0.5  # making it smaller has blurred it already
        soft = Image.fromarray(_blur(small, left))
        return np.asarray(soft.resize((field.shape[1], field.shape[0]), Image.Resampling.BICUBIC), dtype=np.float32)
    return _blur(field, radius)


def _blur(field: Field, radius: float) -> Field:
    """Three-tap means, as often as the radius needs: each adds at most a variance of 0.6."""
    passes = max(1, int(np.ceil(radius * radius / 0.6)))
    side = np.float32(radius * radius / passes / 2)
    result = field
    for _ in range(passes):
        for axis in (0, 1):
            lines = np.moveaxis(result, axis, 0)
            change = np.zeros_like(result)
            step = np.moveaxis(change, axis, 0)
            difference = lines[1:] - lines[:-1]
            step[:-1] += difference
            step[1:] -= difference
            result = result + side * change
    return result
