"""Trees, palms and bushes: lumpy crowns with a lit and a dark side, and the height that casts their shadow."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.noise import Field, fractal, ramp, smooth
from tools.synthetic.plan import Tree, TreeKind
from tools.synthetic.raster import Canvas
from tools.synthetic.styles import Light

GREEN = SHIPPED_SCENES.classes.names.index("Vegetation")
TONES: dict[TreeKind, tuple[tuple[float, float, float], ...]] = {
    "broad": ((58, 70, 48), (66, 76, 52), (52, 62, 46), (74, 80, 58), (62, 66, 52)),
    "palm": ((74, 86, 58), (84, 92, 66), (66, 78, 54)),
    "shrub": ((92, 94, 76), (100, 100, 82), (82, 86, 68), (108, 104, 88)),
}
TALL: dict[TreeKind, float] = {"broad": 1.5, "palm": 2.2, "shrub": 0.5}
"""Height as a multiple of the crown's radius."""

Sprite = tuple[Field, Field, Field]
"""Coverage 0..1, brightness about 1, and height 0..1 of a crown, each (2r + 1, 2r + 1)."""


def paint_trees(canvas: Canvas, rng: np.random.Generator, trees: list[Tree], light: Light) -> None:
    """Stamp every crown, label it, and raise the ground by its height."""
    crowns = _crowns(light.shadow)
    for tree in sorted(trees, key=lambda item: item.radius):
        radius = max(1, min(24, round(tree.radius / canvas.gsd)))
        tone = TONES[tree.kind][int(rng.integers(len(TONES[tree.kind])))]
        sprite = crowns(tree.kind, radius, int(rng.integers(6)))
        bright = float(rng.uniform(0.82, 1.16))
        _stamp(canvas, tree, sprite, np.array(tone, np.float32) * np.float32(bright))


def _stamp(canvas: Canvas, tree: Tree, sprite: Sprite, tone: Field) -> None:
    cover, shade, height = sprite
    half, size = cover.shape[0] // 2, canvas.size
    y, x = int(tree.y / canvas.gsd) - half, int(tree.x / canvas.gsd) - half
    top, left, bottom, right = max(0, y), max(0, x), min(size, y + 2 * half + 1), min(size, x + 2 * half + 1)
    if top >= bottom or left >= right:
        return
    inside = (slice(top - y, bottom - y), slice(left - x, right - x))
    window = (slice(top, bottom), slice(left, right))
    part = cover[inside]
    canvas.colour[window] += (tone * shade[inside][..., None] - canvas.colour[window]) * part[..., None]
    canvas.labels[window][part >= 0.5] = GREEN
    tall = np.float32(tree.radius * TALL[tree.kind]) * height[inside]
    np.maximum(canvas.height[window], tall * (part >= 0.3), out=canvas.height[window])


def _crowns(shadow: tuple[float, float]) -> Callable[[TreeKind, int, int], Sprite]:
    """A maker of crowns by kind, radius in pixels and variant, which makes each only once."""

    @cache
    def crown(kind: TreeKind, radius: int, variant: int) -> Sprite:
        rng = np.random.default_rng((variant, radius, len(kind)))
        return _palm(rng, radius) if kind == "palm" and radius >= 4 else _broad(rng, radius, shadow)

    return crown


def _broad(rng: np.random.Generator, radius: int, shadow: tuple[float, float]) -> Sprite:
    """A crown of several leafy lumps."""
    span = 2 * radius + 1
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32) / np.float32(radius + 0.35)
    dome = np.zeros((span, span), np.float32)
    for lump in range(1 if radius < 3 else 7):
        turn, away = rng.uniform(0, 2 * math.pi), 0.0 if lump == 0 else rng.uniform(0.3, 0.55)
        reach = 0.82 if lump == 0 else rng.uniform(0.35, 0.5)
        gap = (x - np.float32(away * math.cos(turn))) ** 2 + (y - np.float32(away * math.sin(turn))) ** 2
        dome = np.maximum(dome, np.sqrt(np.maximum(0, 1 - gap / np.float32(reach * reach))) * np.float32(reach + 0.18))
    leaves = (
        fractal(rng, span, 3.0, octaves=2) if radius >= 3 else rng.uniform(-0.3, 0.3, (span, span)).astype(np.float32)
    )
    cover = np.clip((dome - 0.18 + 0.10 * leaves) * 3.2, 0, 1)
    slope_y, slope_x = np.gradient(dome)
    unit = math.hypot(*shadow)
    lit = -(slope_x * np.float32(-shadow[0] / unit) + slope_y * np.float32(-shadow[1] / unit)) * radius
    shade = np.clip(0.92 + 0.42 * lit + 0.18 * leaves + 0.16 * (dome - 0.5), 0.35, 1.7)
    return np.asarray(cover, np.float32), np.asarray(shade, np.float32), np.clip(dome, 0, 1)


def _palm(rng: np.random.Generator, radius: int) -> Sprite:
    """Fronds from one middle."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] / radius
    away, turn = np.sqrt(x * x + y * y), np.arctan2(y, x)
    fronds = int(rng.integers(8, 12))
    star = 0.5 + 0.5 * np.cos(turn * fronds + rng.uniform(0, 6))
    cover = np.clip((1.0 - away) * 3, 0, 1) * np.clip(0.25 + star + (0.45 - away) * 2.2, 0, 1)
    shade = 0.75 + 0.5 * star * away + 0.15 * rng.uniform(-1, 1, away.shape)
    height = np.clip(1.1 - 0.4 * away, 0, 1) * (cover > 0.3)
    return cover.astype(np.float32), shade.astype(np.float32), height.astype(np.float32)


def paint_thicket(canvas: Canvas, rng: np.random.Generator, where: Field) -> None:
    """Low growth so dense that no ground shows, painted where `where` (0..1) says: salt bush, mangrove floor."""
    size, gsd = canvas.size, canvas.gsd
    tone = np.array((70, 78, 62), np.float32) + 16 * fractal(rng, size, 60 / gsd, octaves=4)[..., None]
    lumps = (
        0.16 * smooth(rng, size, 4.0 / gsd) + 0.14 * smooth(rng, size, 2.2 / gsd) + 0.05 * smooth(rng, size, 1.2 / gsd)
    )
    canvas.paint(where, tone * (1 + lumps)[..., None], label=GREEN, strength=0.95)


def paint_rough(canvas: Canvas, rng: np.random.Generator, where: Field) -> None:
    """Unmown grass, thin in places, painted where `where` (0..1) says."""
    size, gsd = canvas.size, canvas.gsd
    dry = ramp(fractal(rng, size, 70 / gsd, octaves=6, gain=0.65), -0.5, 1.0)[..., None]
    tone = np.array((64, 72, 52), np.float32) + dry * np.array((44, 36, 30), np.float32)
    clumps = 0.12 * fractal(rng, size, 9 / gsd, octaves=4, gain=0.8)
    canvas.paint(where, tone * (1 + clumps)[..., None], label=GREEN, strength=0.95)
