"""A town in its own bent coordinates: streets, the blocks between them, the lots of a block, what fills them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.synthetic.blocks import PAINTS
from tools.synthetic.city import flats, tower
from tools.synthetic.geometry import Bend, Points, offset, points, resample
from tools.synthetic.lots import ROOFS, Lot, terrace, villa
from tools.synthetic.parks import car_park, garden, grove
from tools.synthetic.plan import Block, Plan, Road, Tree
from tools.synthetic.styles import BlockKind, Style
from tools.synthetic.works import container_yard, shed, site

Free = Callable[[Points], NDArray[np.bool_]]
"""Which ground points may be built on; True for points outside the scene."""


@dataclass(frozen=True)
class Grid:
    """Streets along v = rows[i] and across u = columns[j], each with its width."""

    frame: Bend
    rows: list[float]
    columns: list[float]
    row_widths: list[float]
    column_widths: list[float]

    def lot(self, i: int, j: int) -> Lot:
        """The block between streets i and i + 1, j and j + 1, without the streets and their pavements."""
        walk = 2.2
        return Lot(
            self.frame,
            self.columns[j] + self.column_widths[j] / 2 + walk,
            self.rows[i] + self.row_widths[i] / 2 + walk,
            self.columns[j + 1] - self.column_widths[j + 1] / 2 - walk,
            self.rows[i + 1] - self.row_widths[i + 1] / 2 - walk,
        )


def build_town(plan: Plan, rng: np.random.Generator, style: Style, frame: Bend, extent: float, free: Free) -> None:
    """Streets and blocks wherever the ground is free and within the style's spread."""
    grid = _grid(rng, style, frame, extent)
    used = {}
    for i in range(len(grid.rows) - 1):
        for j in range(len(grid.columns) - 1):
            lot = grid.lot(i, j)
            if _usable(lot, style, extent, frame, free, rng):
                used[i, j] = lot
    _streets(plan, rng, style, grid, set(used), free)
    names = [name for name, _ in style.blocks]
    weights = np.array([weight for _, weight in style.blocks], dtype=float)
    family = int(rng.integers(len(ROOFS)))
    for lot in used.values():
        kind = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        estate = family if rng.random() < 0.6 else int(rng.integers(len(ROOFS)))
        _fill(plan, rng, style, lot, kind, estate, free)


def _grid(rng: np.random.Generator, style: Style, frame: Bend, extent: float) -> Grid:
    reach = 0.85 * extent
    rows, row_widths = [-reach + rng.uniform(0, 2 * style.row)], []
    main = int(rng.integers(3, 5))
    while rows[-1] < reach:
        row_widths.append(style.street * 1.9 if len(rows) % main == 0 else style.street)
        rows.append(rows[-1] + 2 * style.row + style.street + 4.4)
    row_widths.append(style.street)
    columns, column_widths = [-reach], []
    while columns[-1] < reach:
        column_widths.append(style.street * 1.9 if rng.random() < 0.15 else style.street)
        columns.append(columns[-1] + rng.uniform(*style.gap))
    column_widths.append(style.street)
    return Grid(frame, rows, columns, row_widths, column_widths)


def _usable(lot: Lot, style: Style, extent: float, frame: Bend, free: Free, rng: np.random.Generator) -> bool:
    bend = abs(frame.curve)
    if bend > 1e-7:
        inward = 1 / bend - max(lot.v0 * math.copysign(1, frame.curve), lot.v1 * math.copysign(1, frame.curve))
        if inward < 60 or max(abs(lot.u0), abs(lot.u1)) * bend > 2.8:
            return False
    u, v = np.meshgrid(np.linspace(lot.u0, lot.u1, 7), np.linspace(lot.v0, lot.v1, 5))
    ground = frame.ground(np.stack([u.ravel(), v.ravel()], 1))
    inside = ((ground > -10) & (ground < extent + 10)).all(axis=1)
    if not inside.any() or free(ground).mean() < 0.97:
        return False
    x, y, _ = lot.pose
    return math.hypot(x - frame.x, y - frame.y) < style.spread * extent / 2 * rng.uniform(0.85, 1.1)


def _streets(
    plan: Plan, rng: np.random.Generator, style: Style, grid: Grid, used: set[tuple[int, int]], free: Free
) -> None:
    """Every edge of a used block is a street; edges in line are one road."""
    for i, v in enumerate(grid.rows):
        flags = [(i, j) in used or (i - 1, j) in used for j in range(len(grid.columns) - 1)]
        for start, end in _runs(flags):
            plan_path = np.stack(
                [u := np.arange(grid.columns[start], grid.columns[end] + 0.1, 3.0), np.full(len(u), v)], 1
            )
            _street(plan, rng, style, grid.frame.ground(plan_path), grid.row_widths[i], free)
    for j, u0 in enumerate(grid.columns):
        flags = [(i, j) in used or (i, j - 1) in used for i in range(len(grid.rows) - 1)]
        if grid.column_widths[j] > style.street:
            flags = [any(flags[max(0, i - 1) : i + 2]) for i in range(len(flags))]
        for start, end in _runs(flags):
            plan_path = np.stack([np.full(len(w := np.arange(grid.rows[start], grid.rows[end] + 0.1, 3.0)), u0), w], 1)
            _street(plan, rng, style, grid.frame.ground(plan_path), grid.column_widths[j], free)


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    """Stretches of True, as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.array(flags, dtype=int), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[0::2], edges[1::2], strict=True)]


def _street(plan: Plan, rng: np.random.Generator, style: Style, path: Points, width: float, free: Free) -> None:
    """One street, cut where the ground is not free, with its trees and cars."""
    broad = width > style.street * 1.5
    age = float(np.clip(rng.normal(0.3, 0.2), 0, 1))
    median = 3.2 if broad else 0.0
    lanes = max(2, 2 * round((width - median) / 7.0))
    for start, end in _runs(free(path).tolist()):
        piece = path[start:end]
        if len(piece) < 14:  # shorter than 42 m leads nowhere
            continue
        planted = style.trees > 0.45
        plan.roads.append(Road(piece, width, lanes=lanes, walk=2.2, median=median, planted=planted, age=age))
        line_with_trees(plan, rng, piece, [0.0] if broad else [], 8.0, style.trees * 0.9, palms=True)
        sides = [-(width / 2 + 1.4), width / 2 + 1.4]
        line_with_trees(
            plan, rng, piece, sides, 11.0, style.trees * 0.55, palms=style.trees > 0.7 and rng.random() < 0.5
        )
        traffic(plan, rng, piece, width, lanes, median, 0.012 if broad else 0.006)
        if not broad:
            _parked(plan, rng, piece, width)


def line_with_trees(
    plan: Plan, rng: np.random.Generator, path: Points, sides: list[float], step: float, chance: float, *, palms: bool
) -> None:
    """Trees beside a path at the given sideways distances."""
    for side in sides:
        spots, _ = resample(offset(path, side) if side else path, step)
        for x, y in spots[1:-1]:
            if rng.random() < chance:
                radius = float(rng.uniform(2.0, 2.8) if palms else rng.uniform(1.3, 2.8))
                plan.trees.append(Tree(float(x), float(y), radius, "palm" if palms else "broad"))


def traffic(
    plan: Plan, rng: np.random.Generator, path: Points, width: float, lanes: int, median: float, density: float
) -> None:
    """Vehicles in their lanes, `density` to a metre of lane, driving on the right."""
    spots, angles = resample(path, 1.0)
    lane = (width - median - 0.8) / lanes
    for index in range(lanes):
        side = -(width - median - 0.8) / 2 + (index + 0.5) * lane
        side = side + math.copysign(median / 2, side) if median else side
        back = math.pi if side < 0 else 0.0
        for at in np.flatnonzero(rng.random(len(spots)) < density):
            x, y = spots[at] + side * np.array([-math.sin(angles[at]), math.cos(angles[at])])
            heavy = rng.random() < 0.05
            size = (float(rng.uniform(8, 14)), 2.5, 3.2) if heavy else (float(rng.uniform(4.2, 5.2)), 1.9, 1.5)
            paint = PAINTS[int(rng.integers(3 if heavy else len(PAINTS)))]
            plan.blocks.append(
                Block(float(x), float(y), float(angles[at]) + back, *size, paint, "truck" if heavy else "car")
            )


def _parked(plan: Plan, rng: np.random.Generator, path: Points, width: float) -> None:
    """Cars at the kerb."""
    for side in (-(width / 2 - 1.1), width / 2 - 1.1):
        spots, angles = resample(offset(path, side), 6.2)
        for (x, y), angle in list(zip(spots, angles, strict=True))[2:-2]:
            if rng.random() < 0.12:
                paint = PAINTS[int(rng.integers(len(PAINTS)))]
                plan.blocks.append(Block(float(x), float(y), float(angle), 4.6, 1.9, 1.5, paint))


def _fill(
    plan: Plan, rng: np.random.Generator, style: Style, block: Lot, kind: BlockKind, family: int, free: Free
) -> None:
    """Cut a block into lots of the size its kind needs and build on each that is free."""
    middle = (block.v0 + block.v1) / 2
    halves = [
        Lot(block.frame, block.u0, block.v0, block.u1, middle),
        Lot(block.frame, block.u0, middle, block.u1, block.v1, turned=True),
    ]
    wish = {"villas": 18.0, "rows": 46.0, "flats": 56.0, "towers": 50.0, "sheds": 58.0, "parking": 90.0}.get(kind)
    if kind == "vacant":
        if free(block.outline()).all():
            plan.pads.append(block.outline(2.0))
        return
    whole = {"grove": grove, "yard": container_yard, "site": site}.get(kind)
    if kind == "park" or whole:
        if not free(block.outline()).all():
            return
        if whole:
            whole(plan, block, rng)
        else:
            garden(plan, block, rng, style.trees)
        return
    for half in halves:
        for lot in half.split(wish or 40.0, rng):
            if free(np.concatenate([lot.outline(), points(lot.pose[:2])])).all() and rng.random() > 0.04:
                _build(plan, rng, lot, kind, family, style.trees)


def _build(plan: Plan, rng: np.random.Generator, lot: Lot, kind: BlockKind, family: int, greenery: float) -> None:
    if kind == "villas":
        villa(plan, lot, rng, family, greenery)
    elif kind == "rows":
        terrace(plan, lot, rng, family, greenery)
    elif kind == "flats":
        flats(plan, lot, rng, greenery)
    elif kind == "towers":
        tower(plan, lot, rng, greenery)
    elif kind == "sheds":
        shed(plan, lot, rng, greenery)
    else:
        car_park(plan, lot, rng)
