"""A scene from its seed: choose a place, plan it, paint it, cast the shadows, take the photograph."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.areas import paint_areas
from tools.synthetic.blocks import paint_blocks, paint_walls
from tools.synthetic.buildings import paint_buildings, raise_buildings
from tools.synthetic.camera import photograph
from tools.synthetic.country import boats, gravel_roads, junction, meadows, motorway, promenade, stand, wild
from tools.synthetic.geometry import Bend, Points
from tools.synthetic.light import cast_shadows
from tools.synthetic.noise import Field, fractal, ramp
from tools.synthetic.plan import Area, Plan
from tools.synthetic.raster import Canvas
from tools.synthetic.roads import paint_roads
from tools.synthetic.styles import SANDS, Light, Style, light
from tools.synthetic.terrain import paint_ground, paint_pads, paint_tracks
from tools.synthetic.town import Free, build_town
from tools.synthetic.vegetation import paint_rough, paint_thicket, paint_trees
from tools.synthetic.water import DRY, depth_field, paint_water

LAND = SHIPPED_SCENES.classes.names.index("Land")


@dataclass(frozen=True)
class Rendering:
    """A finished scene: image uint8 (H, W, 3), mask uint8 (H, W), its light, its shadow ceiling in metres (H, W)."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    light: Light
    ceiling: Field


def render(seed: int, size: int, style: Style, *, gsd: float | None = None) -> Rendering:
    """Make the scene of this seed, `size` pixels square, as the style says (or at `gsd` metres a pixel)."""
    style = replace(style, gsd=gsd or style.gsd)
    rng = np.random.default_rng(seed)
    sun = light(rng)
    canvas = Canvas.blank(size, style.gsd, LAND)
    depth = depth_field(style.water, rng, size, style.gsd)
    cover = _cover(style, rng, canvas, depth)
    plan = _plan(rng, style, canvas, depth, cover)
    _paint(canvas, rng, style, sun, plan, depth, cover)
    raise_buildings(canvas, plan.buildings)
    ceiling = cast_shadows(canvas, sun)
    paint_buildings(canvas, rng, plan.buildings, sun, ceiling)
    return Rendering(photograph(canvas.colour, rng, sun), canvas.labels, sun, ceiling)


def _cover(style: Style, rng: np.random.Generator, canvas: Canvas, depth: Field) -> Field:
    """Where the ground outside the blocks is green, 0..1."""
    size, gsd = canvas.size, canvas.gsd
    growth = fractal(rng, size, 150 / gsd, octaves=7, gain=0.6)
    if style.cover == "mangrove":
        return ramp(growth + 0.25, -0.02, 0.06) * ramp(-depth, 2.0, 5.0)
    if style.cover == "golf":
        course = fractal(rng, size, 420 / gsd, octaves=4, gain=0.35)
        holes = fractal(rng, size, 45 / gsd, octaves=6, gain=0.6)
        return ramp(course - 0.3 * np.maximum(0, holes) + 0.1 * growth, 0.02, 0.07) * ramp(-depth, 1.0, 3.0)
    if style.cover == "shore":
        near = ramp(depth, -48, -36) * ramp(-depth, 10.0, 11.0)
        return near * ramp(growth + 0.25, 0.0, 0.06)
    return np.zeros((size, size), np.float32)


def _plan(rng: np.random.Generator, style: Style, canvas: Canvas, depth: Field, cover: Field) -> Plan:
    plan, extent = Plan(), canvas.extent
    taken = depth > -12
    if style.motorway:
        main, slip = motorway(plan, rng, extent)
        _reserve(canvas, taken, main.path, 40)
        _reserve(canvas, taken, slip.path, 4.5)
        if not style.blocks:
            junction(plan, rng, main)
    if style.cover == "golf":
        meadows(plan, rng, style.greens, extent, _free(canvas, cover < 0.5))
        taken |= cover > 0.3
    if not style.blocks and style.water == "none":
        gravel_roads(plan, rng, extent, 2)
    if style.blocks:
        build_town(plan, rng, style, _frame(rng, style, extent), extent, _free(canvas, taken))
    built = depth > -3
    for road in plan.roads:
        _reserve(canvas, built, road.path, road.width / 2 + 3)
    _reserve_areas(canvas, built, plan.areas)
    cover *= ~built if style.cover == "shore" else True
    wild(plan, rng, style, extent, _free(canvas, built))
    if style.water in ("marina", "coast"):
        boats(plan, rng, depth, style.gsd, 40)
    if style.water == "marina":
        promenade(plan, rng, depth, style.gsd)
    _stands(plan, rng, style, cover, built)
    return plan


def _frame(rng: np.random.Generator, style: Style, extent: float) -> Bend:
    """Where the town's own coordinates lie."""
    x, y = rng.uniform(0.35, 0.65, 2) * extent
    sway = float(rng.uniform(0, 6)) if style.curve else 0.0
    return Bend(float(x), float(y), float(rng.uniform(0, 2 * np.pi)), style.curve, sway)


def _stands(plan: Plan, rng: np.random.Generator, style: Style, cover: Field, built: NDArray[np.bool_]) -> None:
    """Trees in what is green: dense in mangrove, in groves elsewhere."""
    if style.cover == "mangrove":
        stand(plan, rng, cover, style.gsd, 3.0)
    elif style.cover != "none":
        groves = ramp(fractal(rng, cover.shape[0], 90 / style.gsd, octaves=4), 0.05, 0.5)
        stand(plan, rng, cover * groves * ~built * np.float32(0.7), style.gsd, 4.0)


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


def _reserve_areas(canvas: Canvas, taken: NDArray[np.bool_], areas: list[Area]) -> None:
    sheet = canvas.sheet(scale=1)
    for area in areas:
        sheet.polygon(area.outline)
    taken |= sheet.cover() > 0


def _paint(
    canvas: Canvas, rng: np.random.Generator, style: Style, sun: Light, plan: Plan, depth: Field, cover: Field
) -> None:
    """Everything flat, from the ground up, then what stands on it; buildings come later."""
    paint_ground(canvas, rng, sun, SANDS[style.sand], style.scrub)
    paint_pads(canvas, rng, plan.pads)
    paint_tracks(canvas, rng, plan.tracks)
    if style.cover == "mangrove":
        paint_thicket(canvas, rng, cover)
    elif style.cover != "none":
        paint_rough(canvas, rng, cover)
    if depth.max() > DRY / 2:
        hard = style.water in ("marina", "creek")
        paint_water(canvas, rng, depth, hard_bank=hard, shelf=6.0 if hard else 22.0)
    paint_areas(
        canvas, rng, plan.areas, ("dirt", "paved", "lawn", "fairway", "green", "sand", "parking", "court", "clutter")
    )
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
