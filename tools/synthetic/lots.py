"""One plot of land, and the homes that fill one: villas in gardens, and terraces."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tools.synthetic.blocks import PAINTS
from tools.synthetic.geometry import Bend, Points, box, ellipse, place, points, rectangle
from tools.synthetic.plan import Area, AreaKind, Block, Building, Colour, Mass, Plan, RoofKind, Tree, TreeKind, Wall

ROOFS: tuple[tuple[Colour, ...], ...] = (
    ((172, 170, 184), (186, 184, 196), (160, 158, 172)),
    ((226, 222, 216), (212, 208, 204), (238, 236, 232)),
    ((200, 186, 166), (188, 174, 154), (212, 200, 182)),
    ((146, 112, 96), (154, 122, 104), (138, 108, 94)),
    ((150, 148, 148), (168, 166, 164), (136, 134, 136)),
)
"""Families of roof colours: an estate keeps to one, a grown quarter mixes."""


@dataclass(frozen=True)
class Lot:
    """A rectangle of a plan, from (u0, v0) to (u1, v1). Its street runs along v0, or along v1 when `turned`."""

    frame: Bend
    u0: float
    v0: float
    u1: float
    v1: float
    turned: bool = False

    @property
    def wide(self) -> float:
        return self.u1 - self.u0

    @property
    def deep(self) -> float:
        return self.v1 - self.v0

    @cached_property
    def pose(self) -> tuple[float, float, float]:
        """The middle on the ground, and the direction along the street (the back of the lot is to its right)."""
        x, y, angle = self.frame.at((self.u0 + self.u1) / 2, (self.v0 + self.v1) / 2)
        return x, y, angle + math.pi if self.turned else angle

    def shape(self, local: Points) -> Points:
        """Metres from the middle of the lot (x along the street, y away from it) to the ground."""
        return place(local, *self.pose)

    def outline(self, margin: float = 0.0) -> Points:
        """The lot itself on the ground, bent as its frame is, `margin` metres inside its limits."""
        u0, v0, u1, v1 = self.u0 + margin, self.v0 + margin, self.u1 - margin, self.v1 - margin
        count = max(2, int((u1 - u0) / 12) + 1)
        there, back = np.linspace(u0, u1, count), np.linspace(u1, u0, count)
        plan = np.concatenate([np.stack([there, np.full(count, v0)], 1), np.stack([back, np.full(count, v1)], 1)])
        return self.frame.ground(plan)

    def split(self, wish: float, rng: np.random.Generator) -> list["Lot"]:
        """Neighbouring lots along the street, each about `wish` metres wide."""
        count = max(1, round(self.wide / wish))
        cuts = np.linspace(self.u0, self.u1, count + 1)
        cuts[1:-1] += rng.uniform(-0.06, 0.06, max(0, count - 1)) * wish
        return [Lot(self.frame, float(a), self.v0, float(b), self.v1, self.turned) for a, b in pairwise(cuts)]


def add_area(plan: Plan, lot: Lot, local: Points, kind: AreaKind, colour: Colour | None = None) -> None:
    plan.areas.append(Area(lot.shape(local), kind, colour, lot.pose[2]))


def add_tree(plan: Plan, lot: Lot, x: float, y: float, radius: float, kind: TreeKind = "broad") -> None:
    ground = lot.shape(points((x, y)))[0]
    plan.trees.append(Tree(float(ground[0]), float(ground[1]), radius, kind))


def add_car(plan: Plan, lot: Lot, rng: np.random.Generator, x: float, y: float, turn: float) -> None:
    ground = lot.shape(points((x, y)))[0]
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    angle = lot.pose[2] + turn + rng.normal(0, 0.03)
    plan.blocks.append(Block(float(ground[0]), float(ground[1]), angle, 4.6, 1.9, 1.5, paint))


def vary(rng: np.random.Generator, colour: Colour, amount: float = 10.0) -> Colour:
    """The colour a little brighter or darker, and a little off in hue."""
    shift = rng.normal(0, amount) + rng.normal(0, amount / 4, 3)
    red, green, blue = (float(np.clip(c + s, 0, 255)) for c, s in zip(colour, shift, strict=True))
    return red, green, blue


def mass(
    lot: Lot,
    local: Points,
    top: float,
    colour: Colour,
    *,
    roof: RoofKind = "flat",
    units: int = 0,
    bottom: float = 0.0,
    wall: Colour = (196, 186, 170),
) -> Mass:
    """A prism over a local outline of the lot."""
    return Mass(lot.shape(local), top, colour, bottom=bottom, roof=roof, wall=wall, angle=lot.pose[2], units=units)


def villa(plan: Plan, lot: Lot, rng: np.random.Generator, family: int, greenery: float) -> None:
    """A house of two or three parts in a walled garden."""
    yard: Colour = ((176, 168, 158), (160, 156, 162), (190, 182, 172), (146, 142, 140))[int(rng.integers(4))]
    plan.areas.append(Area(lot.outline(0.6), "paved", vary(rng, yard, 9)))
    ring = lot.outline(0.4)
    plan.walls.append(Wall(np.concatenate([ring, ring[:1]])))
    half, rear = lot.wide / 2, lot.deep / 2
    _garden(plan, lot, rng, greenery)
    wide, deep = lot.wide * rng.uniform(0.64, 0.80), lot.deep * rng.uniform(0.40, 0.54)
    colour = vary(rng, ROOFS[family][int(rng.integers(len(ROOFS[family])))])
    middle = -rear * rng.uniform(0.08, 0.22)
    side = 1 if rng.random() < 0.5 else -1
    sloped: RoofKind = "hip" if family == 3 or rng.random() < 0.12 else "flat"
    parts = [
        mass(
            lot,
            rectangle(wide, deep) + points((0, middle)),
            rng.uniform(7, 9),
            colour,
            roof=sloped,
            units=int(rng.integers(1, 6)),
        )
    ]
    wing = rectangle(wide * rng.uniform(0.38, 0.55), lot.deep * rng.uniform(0.16, 0.26))
    wing = wing + points((side * wide * 0.24, middle + deep / 2 + wing[2, 1] * 0.8))
    parts.insert(
        0, mass(lot, wing, rng.uniform(4, 7.6), vary(rng, colour, 6), roof=sloped, units=int(rng.integers(0, 3)))
    )
    if rng.random() < 0.75:
        porch = rectangle(wide * rng.uniform(0.3, 0.45), 4.5) + points((-side * wide * 0.22, middle - deep / 2 - 1.6))
        parts.insert(0, mass(lot, porch, 4.0, vary(rng, colour, 12), roof=sloped))
    if rng.random() < 0.5 and sloped == "flat":
        upper = rectangle(wide * rng.uniform(0.25, 0.45), deep * rng.uniform(0.3, 0.5))
        upper = upper + points((-side * wide * rng.uniform(0.05, 0.2), middle))
        parts.append(mass(lot, upper, parts[-1].top + 3.0, vary(rng, colour, 8), bottom=parts[-1].top))
    plan.buildings.append(Building(tuple(parts)))
    if rng.random() < 0.6:
        add_car(plan, lot, rng, side * (half - 2.6), -rear + 3.4, math.pi / 2)


def _garden(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """Lawn behind and beside the house, a pool now and then, trees along the walls."""
    half, rear = lot.wide / 2, lot.deep / 2
    if rng.random() < 0.35 + 0.6 * greenery:
        top = rear * rng.uniform(0.30, 0.5)
        cut = rng.uniform(0.0, 0.5) * half
        add_area(plan, lot, box(-half + 1.2 + cut, top, half - 1.2, rear - 1.2), "lawn")
    if rng.random() < 0.5 * greenery:
        add_area(plan, lot, box(-half + 1.2, -rear + 1.2, -half * 0.3, -rear + 4.5), "lawn")
    if rng.random() < 0.22:
        pool = ellipse(rng.uniform(6, 9), 3.8, 16) if rng.random() < 0.4 else rectangle(rng.uniform(6, 10), 3.6)
        add_area(plan, lot, pool + points((rng.uniform(-0.3, 0.3) * half, rear * 0.74)), "pool")
    for _ in range(int(rng.poisson(1.0 + 6.0 * greenery))):
        edge = rng.random()
        x, y = rng.uniform(-half + 1.4, half - 1.4), rng.uniform(0.55, 0.93) * rear
        if edge < 0.45:
            x, y = math.copysign(half - rng.uniform(1.0, 2.4), rng.uniform(-1, 1)), rng.uniform(-rear, rear) * 0.92
        kind: TreeKind = "palm" if rng.random() < 0.25 else "broad"
        add_tree(plan, lot, x, y, float(rng.uniform(1.2, 2.8)), kind)


def terrace(plan: Plan, lot: Lot, rng: np.random.Generator, family: int, greenery: float) -> None:
    """A row of narrow houses, alike, with a small garden each."""
    rear = lot.deep / 2
    deep = lot.deep * 0.46
    colour = vary(rng, ROOFS[family][0], 8)
    plan.areas.append(Area(lot.outline(0.3), "paved"))
    tall = float(rng.uniform(6.5, 8.5))
    for unit in lot.split(7.6, rng):
        body = rectangle(unit.wide - 0.15, deep) + points((0, -rear * 0.12))
        nook = rectangle(unit.wide * 0.45, 3.4) + points((unit.wide * 0.22, -rear * 0.12 - deep / 2 - 1.4))
        stair = rectangle(2.6, 3.2) + points((-unit.wide * 0.2, -rear * 0.12 + deep * 0.2))
        parts = (
            mass(unit, nook, 3.6, vary(rng, colour, 5)),
            mass(unit, body, tall, vary(rng, colour, 4), units=2),
            mass(unit, stair, tall + 2.4, vary(rng, colour, 4), bottom=tall, roof="plain"),
        )
        plan.buildings.append(Building(parts))
        if rng.random() < 0.3 + 0.6 * greenery:
            add_area(plan, unit, box(-unit.wide / 2 + 0.6, rear * 0.42, unit.wide / 2 - 0.6, rear - 0.8), "lawn")
        if rng.random() < 0.4 + 0.5 * greenery:
            add_tree(plan, unit, rng.uniform(-2, 2), rear * rng.uniform(0.55, 0.85), float(rng.uniform(1.0, 2.2)))
        if rng.random() < 0.6:
            add_car(plan, unit, rng, -unit.wide * 0.22, -rear + 3.0, math.pi / 2)
