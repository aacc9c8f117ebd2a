"""Bare ground: sand and gravel in tones of many scales, with low relief, wind ripples, old tracks and dry scrub."""

import numpy as np

from tools.synthetic.geometry import Points, offset
from tools.synthetic.noise import Field, blur, fractal, grain, ramp, smooth, warp
from tools.synthetic.plan import Colour
from tools.synthetic.raster import Canvas
from tools.synthetic.styles import Light


def paint_ground(
    canvas: Canvas, rng: np.random.Generator, light: Light, tones: tuple[Colour, Colour, Colour], scrub: float
) -> None:
    """Cover the whole scene with bare land of the three `tones` (common, bright, dark)."""
    size = canvas.size
    common, bright, dark = (np.array(tone, np.float32) for tone in tones)
    canvas.colour[:] = common
    wide = fractal(rng, size, 350 / canvas.gsd, octaves=8, gain=0.58)
    swirl = np.float32(30 / canvas.gsd) * fractal(rng, size, 120 / canvas.gsd, octaves=5)
    patches = warp(fractal(rng, size, 150 / canvas.gsd, octaves=8, gain=0.68), swirl, np.roll(swirl, size // 3, 0))
    canvas.paint(ramp(wide + 0.45 * patches, -0.1, 1.0), bright, strength=0.95)
    canvas.paint(ramp(-wide + 0.6 * patches, 0.0, 1.0), dark, strength=0.8)
    edges = np.abs(patches + 0.3 * wide).astype(np.float32)
    veins = ramp(np.float32(1) - 1.7 * edges, 0.72, 1.0) * ramp(wide + 0.2 * patches, -0.2, 0.6)
    canvas.paint(veins, bright + 14, strength=0.5)
    stony = ramp(-patches - 0.3 * wide, -0.1, 0.5)
    pebbles = ramp(fractal(rng, size, 18 / canvas.gsd, octaves=5, gain=0.75), 0.15, 0.75) * stony
    canvas.paint(pebbles, dark - 22, strength=0.42)
    hue = fractal(rng, size, 120 / canvas.gsd, octaves=4)
    canvas.colour *= 1 + hue[..., None] * np.array([0.03, 0.004, -0.035], np.float32)
    canvas.shade(_relief(canvas, rng, light, wide))
    _scrub(canvas, rng, scrub, wide)


def _relief(canvas: Canvas, rng: np.random.Generator, light: Light, wide: Field) -> Field:
    """Brightness of slopes towards and away from the sun, about 1."""
    size = canvas.size
    rough = ramp(fractal(rng, size, 220 / canvas.gsd, octaves=4), -0.2, 0.7)
    height = 1.9 * fractal(rng, size, 40 / canvas.gsd, octaves=6, gain=0.62) * (0.25 + rough)
    spoil = ramp(fractal(rng, size, 110 / canvas.gsd, octaves=3), 0.45, 0.6)
    heaps = np.maximum(smooth(rng, size, 4.4 / canvas.gsd), smooth(rng, size, 6.3 / canvas.gsd))
    height += 0.9 * np.maximum(0, heaps + 0.5 * fractal(rng, size, 5 / canvas.gsd, octaves=3)) * spoil
    ripple = smooth(rng, size, 3.2 / canvas.gsd, stretch=(1.0, 7.0)) + smooth(
        rng, size, 2.0 / canvas.gsd, stretch=(1.0, 5.0)
    )
    height += 0.10 * ripple * ramp(rough + 0.3 * wide, 0.5, 1.0)
    slope_y, slope_x = np.gradient(height, canvas.gsd)
    shadow_x, shadow_y = light.shadow
    towards = slope_x * shadow_x + slope_y * shadow_y
    speckle = grain(rng, size) * 0.6 + blur(grain(rng, size), 0.9) * 2.2
    return np.asarray(1 - 0.26 * np.clip(towards, -1.5, 1.5) + 0.018 * speckle * (0.6 + rough), dtype=np.float32)


def _scrub(canvas: Canvas, rng: np.random.Generator, density: float, wide: Field) -> None:
    """Dry tufts too small to be called vegetation: dark grains where the ground is rough."""
    spots = blur(grain(rng, canvas.size), 0.8)
    where = ramp(fractal(rng, canvas.size, 90 / canvas.gsd, octaves=6, gain=0.7) - 0.3 * wide, 0.0, 0.8)
    limit = 0.85 - 0.35 * where * np.float32(min(density, 1.6))
    tufts = ramp(spots - limit, 0.0, 0.35) * where
    canvas.paint(tufts, (92, 88, 78), strength=0.75)


def paint_tracks(canvas: Canvas, rng: np.random.Generator, tracks: list[Points]) -> None:
    """Wheel tracks over the sand: two faint lines each, and the ground between brighter or darker. Still land."""
    pale, dark = canvas.sheet(), canvas.sheet()
    for path in tracks:
        width = rng.uniform(2.0, 5.0)
        (pale if rng.random() < 0.5 else dark).line(path, width)
        for side in (-0.9, 0.9):
            dark.line(offset(path, side), 0.5)
    worn = ramp(fractal(rng, canvas.size, 30 / canvas.gsd, octaves=5), -0.6, 0.5)
    canvas.shade(1 + 0.14 * blur(pale.cover(), 1.0) * worn)
    canvas.shade(1 - 0.17 * blur(dark.cover(), 0.8) * worn)


def paint_pads(canvas: Canvas, rng: np.random.Generator, pads: list[Points]) -> None:
    """Levelled ground: plots scraped clean, each in its own tone with a rim."""
    if not pads:
        return
    mottle = fractal(rng, canvas.size, 25 / canvas.gsd, octaves=5, gain=0.6)
    for pad in pads:
        sheet = canvas.sheet(scale=1)
        sheet.polygon(pad)
        soft = blur(sheet.cover(), 1.2 / canvas.gsd)
        rim = soft * (1 - soft) * 4
        canvas.shade(
            1 + soft * (float(rng.uniform(-0.16, 0.12)) + 0.05 * mottle) + rim * float(rng.uniform(-0.08, 0.1))
        )
