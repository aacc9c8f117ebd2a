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
    rows, columns = int(size / tall) + 3, int(size / wide) + 3
    lattice = rng.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32)
    offset_y, offset_x = rng.random(2)
    middle = _interpolate(lattice, (np.arange(size) / tall + offset_y).astype(np.float32))
    return np.ascontiguousarray(_interpolate(middle.T, (np.arange(size) / wide + offset_x).astype(np.float32)).T)


def _interpolate(values: Field, position: Field) -> Field:
    """Rows of `values` at fractional positions, eased so that no lattice shows."""
    low = position.astype(np.int64)
    part = position - low
    part = part * part * (3 - 2 * part)
    below, above = values[low], values[low + 1]
    return np.asarray(below + (above - below) * part[:, None], dtype=np.float32)


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
    return total / np.float32(0.6 * max(reach, 1e-6))


def grain(rng: np.random.Generator, size: int) -> Field:
    """White noise of unit spread, one value a pixel."""
    return rng.standard_normal((size, size), dtype=np.float32)


def warp(field: Field, shift_y: Field, shift_x: Field) -> Field:
    """`field` read at places moved by the shifts (pixels), nearest pixel, edges held."""
    size = field.shape[0]
    rows, columns = np.indices(field.shape)
    y = np.clip(rows + shift_y.astype(np.int64), 0, size - 1)
    x = np.clip(columns + shift_x.astype(np.int64), 0, size - 1)
    return field[y, x]


def ramp(field: Field, low: float, high: float) -> Field:
    """0 at and below `low`, 1 at and above `high`, eased between."""
    part = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), dtype=np.float32)


def blur(field: Field, radius: float) -> Field:
    """About a Gaussian of standard deviation `radius` pixels, along the first two axes: three box means each way."""
    half = round(radius)
    if half < 1:
        return _small_blur(field, radius)
    result = field
    for axis in (0, 1):
        for _ in range(3):
            result = _box(result, half, axis)
    return result


def _box(field: Field, half: int, axis: int) -> Field:
    """The mean over 2·half + 1 neighbours along an axis, edges held."""
    padding = [(0, 0)] * field.ndim
    padding[axis] = (half + 1, half)
    total = np.cumsum(np.pad(field, padding, mode="edge"), axis=axis, dtype=np.float64)
    length = field.shape[axis]
    window = 2 * half + 1
    upper = np.take(total, range(window, window + length), axis=axis)
    lower = np.take(total, range(length), axis=axis)
    return np.asarray((upper - lower) / window, dtype=np.float32)


def _small_blur(field: Field, radius: float) -> Field:
    """A 3-tap blur for radii under one pixel: its variance is that of the Gaussian asked for."""
    side = np.float32(min(radius * radius / 2, 1 / 3))
    result = field
    for axis in (0, 1):
        padding = [(0, 0)] * field.ndim
        padding[axis] = (1, 1)
        padded = np.pad(result, padding, mode="edge")
        count = field.shape[axis]
        before, after = np.take(padded, range(count), axis=axis), np.take(padded, range(2, count + 2), axis=axis)
        result = result + side * (before + after - 2 * result)
    return result


def resized(field: Field, size: int) -> Field:
    """A square field at another size, bilinear."""
    return np.asarray(Image.fromarray(field).resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)
