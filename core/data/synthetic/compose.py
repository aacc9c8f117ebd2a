"""A scene from its seed: choose a place, plan it, paint it, cast the shadows, take the photograph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.classes import AERIAL
from core.data.synthetic.areas import paint_areas
from core.data.synthetic.blocks import paint_blocks, paint_walls
from core.data.synthetic.buildings import paint_buildings, raise_buildings
from core.data.synthetic.camera import photograph
from core.data.synthetic.country import boats, gravel_roads, meadows, motorway, thicket_trees, wild
from core.data.synthetic.geometry import Bend, Points, offset
from core.data.synthetic.light import cast_shadows
from core.data.synthetic.noise import Field, fractal, ramp
from core.data.synthetic.plan import Area, Plan
from core.data.synthetic.raster import Canvas
from core.data.synthetic.roads import paint_roads
from core.data.synthetic.styles import SANDS, Light, Style, light
from core.data.synthetic.terrain import paint_ground, paint_pads, paint_tracks
from core.data.synthetic.town import Free, build_town
from core.data.synthetic.vegetation import paint_thicket, paint_trees
from core.data.synthetic.water import DRY, depth_field, paint_water

LAND = AERIAL.names.index("Land")


@dataclass(frozen=True)
class Rendering:
    """A finished scene: image uint8 (H, W, 3), mask uint8 (H, W), the light it was made with, and its shadow ceiling in metres."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    light: Light
    ceiling: Field


def render(seed: int, size: int, style: Style) -> Rendering:
    """Make the scene of this seed, `size` pixels square, as the style says."""
    rng = np.random.default_rng(seed)
    sun = light(rng)
    canvas = Canvas.blank(size, style.gsd, LAND)
    depth = depth_field(style.water, rng, size, style.gsd)
    thicket = _thicket(style, rng, canvas, depth)
    plan = _plan(rng, style, canvas, depth, thicket)
    _paint(canvas, rng, style, sun, plan, depth, thicket)
    raise_buildings(canvas, plan.buildings)
    ceiling = cast_shadows(canvas, sun)
    paint_buildings(canvas, rng, plan.buildings, sun, ceiling)
    return Rendering(photograph(canvas.colour, rng, sun), canvas.labels, sun, ceiling)


def _thicket(style: Style, rng: np.random.Generator, canvas: Canvas, depth: Field) -> Field:
    """Where dense low growth stands, 0..1: only on the flats between mangrove channels."""
    if style.water != "mangrove":
        return np.zeros((canvas.size, canvas.size), np.float32)
    growth = fractal(rng, canvas.size, 150 / canvas.gsd, octaves=7, gain=0.6)
    return ramp(growth + 0.25, -0.02, 0.06) * ramp(-depth, 2.0, 5.0)


def _plan(rng: np.random.Generator, style: Style, canvas: Canvas, depth: Field, thicket: Field) -> Plan:
    plan, extent = Plan(), canvas.extent
    taken = depth > -12
    free = _free(canvas, taken)
    if style.motorway:
        _reserve(canvas, taken, motorway(plan, rng, extent, free), 44)
    if style.spread < 0.3:
        gravel_roads(plan, rng, extent, 2 if style.water == "none" else 0)
    frame = Bend(
        extent * float(rng.uniform(0.35, 0.65)),
        extent * float(rng.uniform(0.35, 0.65)),
        float(rng.uniform(0, 2 * np.pi)),
        style.curve,
        sway=float(rng.uniform(0, 6)) if style.curve else 0.0,
    )
    if style.greens:
        meadows(plan, rng, style.greens, extent, free)
        for area in plan.areas:
            _reserve_area(canvas, taken, area)
    if style.blocks:
        build_town(plan, rng, style, frame, extent, free)
    built = taken.copy()
    for road in plan.roads:
        _reserve(canvas, built, road.path, road.width / 2 + 3)
    for area in plan.areas:
        _reserve_area(canvas, built, area)
    wild(plan, rng, style, extent, _free(canvas, built))
    if style.water in ("marina", "coast"):
        boats(plan, rng, depth, style.gsd, 40)
    thicket_trees(plan, rng, thicket, style.gsd, 3.0)
    return plan


def _free(canvas: Canvas, taken: NDArray[np.bool_]) -> Free:
    """A test of ground points against a map that may still change."""

    def free(ground: Points) -> NDArray[np.bool_]:
        rows, columns = canvas.pixel(ground)
        outside = ((ground < 0) | (ground >= canvas.extent)).any(axis=1)
        return ~taken[rows, columns] | outside

    return free


def _reserve(canvas: Canvas, taken: NDArray[np.bool_], path: Points, reach: float) -> None:
    """Keep others away from a path, `reach` metres to each side."""
    sheet = canvas.sheet(scale=1)
    sheet.line(path, 2 * reach)
    taken |= sheet.cover() > 0


def _reserve_area(canvas: Canvas, taken: NDArray[np.bool_], area: Area) -> None:
    rows, columns = canvas.pixel(np.concatenate([area.outline, area.outline.mean(axis=0)[None]]))
    low_y, high_y, low_x, high_x = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    taken[low_y:high_y, low_x:high_x] = True


def _paint(canvas: Canvas, rng: np.random.Generator, style: Style, sun: Light, plan: Plan, depth: Field, thicket: Field) -> None:
    """Everything flat, from the ground up, then what stands on it; buildings come later."""
    paint_ground(canvas, rng, sun, SANDS[style.sand], style.scrub)
    paint_pads(canvas, rng, plan.pads)
    paint_tracks(canvas, rng, plan.tracks)
    if thicket.any():
        paint_thicket(canvas, rng, thicket)
    if depth.max() > DRY / 2:
        hard = style.water in ("marina", "creek")
        paint_water(canvas, rng, depth, hard_bank=hard, shelf=6.0 if hard else 22.0)
    paint_areas(canvas, rng, plan.areas, ("dirt", "paved", "lawn", "fairway", "green", "sand", "parking", "court", "clutter"))
    _footpaths(canvas, plan)
    paint_areas(canvas, rng, plan.areas, ("pond", "pool"))
    paint_roads(canvas, rng, plan.roads, green=(74, 84, 58))
    paint_walls(canvas, plan.walls)
    paint_blocks(canvas, plan.blocks)
    paint_trees(canvas, rng, plan.trees, sun)


def _footpaths(canvas: Canvas, plan: Plan) -> None:
    sheet = canvas.sheet()
    for path in plan.paths:
        sheet.line(path, 2.6)
    canvas.paint(sheet.cover(), (190, 180, 168), label=LAND, strength=0.9)
