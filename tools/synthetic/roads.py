"""Roads on the ground: pavement, asphalt with worn lanes, kerbs, lane markings and crossings, medians."""

import math
from itertools import pairwise

import numpy as np

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.geometry import Points, length, offset, resample
from tools.synthetic.noise import Field, blur, fractal, grain, ramp
from tools.synthetic.plan import Road
from tools.synthetic.raster import Canvas, Sheet

LAND, ROAD, GREEN = (SHIPPED_SCENES.classes.names.index(name) for name in ("Land", "Road", "Vegetation"))
PAVING = (168.0, 163.0, 170.0)
FRESH, WORN, GRAVEL = (62.0, 56.0, 57.0), (112.0, 103.0, 102.0), (158.0, 153.0, 152.0)


def paint_roads(
    canvas: Canvas, rng: np.random.Generator, roads: list[Road], *, green: tuple[float, float, float]
) -> None:
    """Paint a whole network, small roads first, so that the large ones run through."""
    if not roads:
        return
    roads = sorted(roads, key=lambda road: road.width)
    _pavements(canvas, rng, roads)
    asphalt = _asphalt(canvas, rng, roads)
    crossings = _crossings(canvas, roads)
    _medians(canvas, rng, roads, crossings, green)
    _markings(canvas, rng, roads, crossings, asphalt)


def _pavements(canvas: Canvas, rng: np.random.Generator, roads: list[Road]) -> None:
    walk, verge = canvas.sheet(), canvas.sheet(scale=2)
    for road in roads:
        verge.line(road.path, road.width + 2 * road.walk + 3)
        if road.walk > 0:
            walk.line(road.path, road.width + 2 * road.walk)
    canvas.shade(1 - 0.06 * blur(verge.cover(), 1.5 / canvas.gsd))
    slabs = 1 + 0.03 * grain(rng, canvas.size) + 0.05 * fractal(rng, canvas.size, 20 / canvas.gsd, octaves=4)
    cover = walk.cover()
    canvas.paint(cover, np.array(PAVING, np.float32) * slabs[..., None], label=LAND, strength=0.9)


def _fillets(cover: Field, metres: float) -> Field:
    """Inner corners filled as kerbs are at a junction: where three quarters of the surroundings are road."""
    around = blur(cover, metres)
    return np.maximum(cover, ramp(around, 0.50, 0.62))


def _asphalt(canvas: Canvas, rng: np.random.Generator, roads: list[Road]) -> Field:
    """Paint the carriageways; gives their coverage."""
    size, gsd = canvas.size, canvas.gsd
    paved, gravel, age = canvas.sheet(), canvas.sheet(), canvas.sheet(scale=1)
    for road in roads:
        sheet = paved if road.paved else gravel
        sheet.line(road.path, road.width)
        for end in (road.path[0], road.path[-1]):
            sheet.disc(end[0], end[1], road.width * 0.5)
        age.line(road.path, road.width + 2, value=int(255 * min(1.0, max(0.0, road.age))))
    ragged = blur(gravel.cover(), 2 / gsd) + 0.22 * fractal(rng, size, 12 / gsd, octaves=4)
    loose = ramp(ragged, 0.42, 0.55)
    canvas.paint(
        loose,
        np.array(GRAVEL, np.float32) * (1 + 0.07 * fractal(rng, size, 9 / gsd))[..., None],
        label=ROAD,
        strength=0.85,
    )
    cover = _fillets(paved.cover(), 3.0 / gsd)
    canvas.paint(np.clip(blur(cover, 0.8) * 2.2, 0, 1) * (1 - cover), (205, 200, 198), strength=0.35)
    old = blur(age.cover(), 2.0)
    mixed = np.clip(old + 0.16 * fractal(rng, size, 120 / gsd, octaves=5), 0, 1)
    fresh, worn = np.array(FRESH, np.float32), np.array(WORN, np.float32)
    colour = fresh + (worn - fresh) * mixed[..., None]
    colour = colour * (1 + 0.035 * fractal(rng, size, 6 / gsd, octaves=3) + 0.025 * grain(rng, size))[..., None]
    canvas.paint(cover, colour, label=ROAD)
    _wear(canvas, roads, cover)
    _drift(canvas, rng, cover)
    return cover


def _wear(canvas: Canvas, roads: list[Road], cover: Field) -> None:
    """Dark oily middles and pale wheel paths of the lanes."""
    oil, wheels = canvas.sheet(scale=2), canvas.sheet(scale=2)
    for road in roads:
        if road.paved and road.width >= 5.5 and len(road.path) > 1:
            for middle, lane in _lanes(road):
                oil.line(offset(road.path, middle), 0.8)
                for side in (-0.28, 0.28):
                    wheels.line(offset(road.path, middle + side * lane), 0.6)
    canvas.shade(1 - 0.16 * blur(oil.cover(), 0.7) * cover)
    canvas.shade(1 + 0.12 * blur(wheels.cover(), 0.7) * cover)


def _drift(canvas: Canvas, rng: np.random.Generator, cover: Field) -> None:
    """Sand blown over the edges."""
    edge = cover * (1 - blur(cover, 2.5 / canvas.gsd))
    sand = edge * ramp(fractal(rng, canvas.size, 45 / canvas.gsd, octaves=5), 0.1, 0.9)
    canvas.paint(np.clip(sand * 1.6, 0, 1), (176, 168, 158), strength=0.6)


def _lanes(road: Road) -> list[tuple[float, float]]:
    """Sideways place of the middle of each lane, and its width."""
    usable = road.width - road.median - 0.8
    lane = usable / road.lanes
    places = []
    for index in range(road.lanes):
        at = -usable / 2 + (index + 0.5) * lane
        places.append((at + math.copysign(road.median / 2, at) if road.median else at, lane))
    return places


def _crossings(canvas: Canvas, roads: list[Road]) -> Field:
    """1 where two roads meet, soft at the edge."""
    count = np.zeros((canvas.size, canvas.size), np.uint8)
    for road in roads:
        if road.paved:
            sheet = canvas.sheet(scale=1)
            sheet.line(road.path, road.width)
            count += sheet.cover() > 0.5
    return ramp(blur((count >= 2).astype(np.float32), 2.2 / canvas.gsd), 0.04, 0.15)


def _medians(
    canvas: Canvas, rng: np.random.Generator, roads: list[Road], crossings: Field, green: tuple[float, float, float]
) -> None:
    stone, planted = canvas.sheet(), canvas.sheet()
    for road in roads:
        if road.median > 0:
            stone.line(road.path, road.median)
        if road.median > 2.5 and road.planted:
            planted.line(road.path, road.median - 1.2)
    open_road = 1 - crossings
    canvas.paint(stone.cover() * open_road, (178, 172, 170), label=LAND)
    mottle = 1 + 0.14 * fractal(rng, canvas.size, 8 / canvas.gsd, octaves=4)
    canvas.paint(planted.cover() * open_road, np.array(green, np.float32) * mottle[..., None], label=GREEN)


def _markings(canvas: Canvas, rng: np.random.Generator, roads: list[Road], crossings: Field, asphalt: Field) -> None:
    paint, zebra = canvas.sheet(scale=4), canvas.sheet(scale=3)
    for road in roads:
        if road.marked and road.paved and len(road.path) > 2:
            _lines(paint, road)
            if road.walk > 0 and road.width < 20:
                _zebras(zebra, road, rng)
    faded = ramp(fractal(rng, canvas.size, 25 / canvas.gsd, octaves=4), -1.2, 0.6)
    strength = 0.35 + 0.6 * faded
    canvas.paint(paint.cover() * (1 - crossings) * strength * (asphalt > 0.9), (226, 222, 214))
    canvas.paint(zebra.cover() * (1 - crossings) * strength * (asphalt > 0.9), (214, 210, 204), strength=0.8)


def _lines(paint: Sheet, road: Road) -> None:
    """Solid lines at the edges and in the middle, dashes between lanes."""
    half = road.width / 2 - 0.45
    for side in (-half, half):
        paint.line(offset(road.path, side), 0.14)
    if road.median:
        for side in (-road.median / 2 - 0.4, road.median / 2 + 0.4):
            paint.line(offset(road.path, side), 0.14)
    places = _lanes(road)
    fine, _ = resample(road.path, 1.0)
    for (left, lane), (right, _) in pairwise(places):
        if road.median and left < 0 < right:
            continue
        middle = offset(fine, left + lane / 2)
        for start in range(0, len(middle) - 4, 9):
            paint.line(middle[start : start + 4], 0.16)


def _zebras(zebra: Sheet, road: Road, rng: np.random.Generator) -> None:
    """A striped crossing now and then."""
    total = length(road.path)
    for at in np.arange(20.0, total - 20.0, 70.0):
        if rng.random() < 0.4:
            here, angle = resample(road.path, 1.0)
            index = min(int(at), len(here) - 1)
            _zebra(zebra, here[index], float(angle[index]), road.width)


def _zebra(zebra: Sheet, here: Points, angle: float, width: float) -> None:
    along = np.array([math.cos(angle), math.sin(angle)])
    side = np.array([-along[1], along[0]])
    for step in np.arange(-width / 2 + 0.8, width / 2 - 0.4, 1.2):
        middle = here + side * step
        zebra.line(np.stack([middle - along * 1.5, middle + along * 1.5]), 0.6)
