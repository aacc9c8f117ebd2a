"""Flat pieces of ground: yards, lawns, fairways, bunkers, pools, car parks, courts, heaps of building material."""

import math
from collections.abc import Sequence

import numpy as np

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.geometry import points
from tools.synthetic.noise import Field, blur, fractal, grain, ramp
from tools.synthetic.plan import Area, AreaKind, Colour
from tools.synthetic.raster import Canvas

LAND, ROAD, GREEN, WATER, NOBODY = (
    SHIPPED_SCENES.classes.names.index(name) for name in ("Land", "Road", "Vegetation", "Water", "Unlabeled")
)

TONES: dict[AreaKind, tuple[Colour, ...]] = {
    "dirt": ((150, 140, 132), (176, 166, 154), (136, 128, 124)),
    "paved": ((172, 166, 166), (150, 146, 150), (190, 180, 166), (132, 128, 132), (202, 194, 184)),
    "parking": ((84, 78, 80), (98, 92, 94), (74, 68, 68)),
    "court": ((146, 92, 76), (92, 112, 104), (160, 118, 96)),
    "lawn": ((66, 78, 54), (76, 84, 62), (60, 72, 52), (92, 94, 74), (72, 76, 60)),
    "fairway": ((90, 102, 66), (84, 96, 64), (94, 104, 72)),
    "green": ((118, 134, 90), (112, 128, 88)),
    "sand": ((214, 206, 196), (196, 196, 206), (222, 214, 200)),
    "pond": ((16, 34, 30), (14, 26, 24)),
    "pool": ((110, 190, 200), (92, 172, 190), (130, 200, 206), (70, 150, 176)),
    "clutter": ((128, 122, 122), (146, 136, 128), (112, 108, 112)),
}
"""Colours that each kind comes in; the order is the order of painting."""

LABELS: dict[AreaKind, int] = {
    "dirt": LAND,
    "paved": LAND,
    "parking": ROAD,
    "court": LAND,
    "lawn": GREEN,
    "fairway": GREEN,
    "green": GREEN,
    "sand": LAND,
    "pond": WATER,
    "pool": WATER,
    "clutter": NOBODY,
}


def paint_areas(canvas: Canvas, rng: np.random.Generator, areas: Sequence[Area], kinds: Sequence[AreaKind]) -> None:
    """Paint the areas of these kinds, kind by kind in the order of `TONES`."""
    for kind in TONES:
        chosen = [area for area in areas if area.kind == kind]
        if kind in kinds and chosen:
            _paint_kind(canvas, rng, chosen, kind)


def _paint_kind(canvas: Canvas, rng: np.random.Generator, areas: Sequence[Area], kind: AreaKind) -> None:
    palette = [area.colour or TONES[kind][int(rng.integers(len(TONES[kind])))] for area in areas]
    unique = sorted(set(palette))
    cover, tone = canvas.sheet(), canvas.sheet(scale=1)
    for area, colour in zip(areas, palette, strict=True):
        cover.polygon(area.outline)
        tone.polygon(_grown(area.outline, canvas.gsd), value=1 + unique.index(colour) % 254)
    index = np.clip((tone.cover() * 255 + 0.5).astype(np.int64) - 1, 0, len(unique) - 1)
    colour_map = np.array(unique, np.float32)[index]
    shape = cover.cover()
    if kind in ("fairway", "green", "dirt"):
        shape = ramp(blur(shape, 1.0) + 0.12 * fractal(rng, canvas.size, 7 / canvas.gsd, octaves=4) * 0.6, 0.3, 0.7)
    colour_map = colour_map * _texture(canvas, rng, kind, areas)[..., None]
    if kind in ("lawn", "fairway"):
        dry = ramp(fractal(rng, canvas.size, 30 / canvas.gsd, octaves=5), 0.2, 1.0)[..., None]
        colour_map = colour_map + dry * np.array((26, 18, 10), np.float32)
    if kind in ("pool", "pond"):
        rim = np.clip(blur(shape, 1.0) * 2.2, 0, 1) * (1 - shape)
        canvas.paint(rim, (214, 208, 198) if kind == "pool" else (96, 92, 80), strength=0.6)
    canvas.paint(shape, colour_map, label=LABELS[kind])
    if kind == "parking":
        _stalls(canvas, areas)


def _grown(outline: np.ndarray, margin: float) -> np.ndarray:
    """The outline pushed out from its middle by about `margin` metres, so that its tone reaches past its edge."""
    middle = outline.mean(axis=0)
    away = outline - middle
    reach = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)[:, None]
    return np.asarray(middle + away * (1 + margin / reach), dtype=np.float64)


def _texture(canvas: Canvas, rng: np.random.Generator, kind: AreaKind, areas: Sequence[Area]) -> Field:
    """Brightness about 1: fine grain for what is paved, clumps for grass, mowing stripes for fairways."""
    size, gsd = canvas.size, canvas.gsd
    if kind in ("pool", "pond"):
        return 1 + 0.05 * fractal(rng, size, 3 / gsd, octaves=2)
    if kind == "clutter":
        return 1 + 0.25 * fractal(rng, size, 5 / gsd, octaves=3) + 0.12 * grain(rng, size)
    broad = fractal(rng, size, 18 / gsd, octaves=5, gain=0.65)
    if kind in ("lawn", "fairway", "green"):
        texture = 1 + 0.13 * broad + 0.035 * grain(rng, size)
        return texture + _stripes(canvas, areas) if kind == "fairway" else texture
    if kind == "dirt":
        return 1 + 0.16 * broad + 0.05 * grain(rng, size)
    return 1 + 0.06 * broad + 0.03 * grain(rng, size)


def _stripes(canvas: Canvas, areas: Sequence[Area]) -> Field:
    """Alternate mown bands."""
    y, x = np.mgrid[0 : canvas.size, 0 : canvas.size].astype(np.float32) * np.float32(canvas.gsd)
    angle = areas[0].angle
    along = x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))
    return np.asarray(np.where(np.mod(along, 11) < 5.5, 0.025, -0.025), dtype=np.float32)


def _stalls(canvas: Canvas, areas: Sequence[Area]) -> None:
    """Thin lines between the places of a car park."""
    sheet = canvas.sheet(scale=4)
    for area in areas:
        middle = area.outline.mean(axis=0)
        along = np.array([math.cos(area.angle), math.sin(area.angle)])
        side = np.array([-along[1], along[0]])
        reach_u = float(np.abs((area.outline - middle) @ along).max()) - 2
        reach_v = float(np.abs((area.outline - middle) @ side).max()) - 1
        for v in np.arange(-reach_v + 2.5, reach_v - 2, 16.0):
            for u in np.arange(-reach_u, reach_u, 2.7):
                for row in (v, v + 5.2):
                    start = middle + along * u + side * (row - 2.4)
                    sheet.line(points(tuple(start), tuple(start + side * 4.8)), 0.12)
    canvas.paint(sheet.cover(), (206, 202, 196), strength=0.55)
