"""Open ground in a town: gardens, date groves, car parks, and the planting that others use too."""

import math

import numpy as np

from tools.synthetic.geometry import Points, blob, points, rectangle, rounded
from tools.synthetic.lots import Lot, add_area, add_car, add_tree, vary
from tools.synthetic.plan import Area, Plan


def garden(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """A public park: lawns between winding paths, groves, palms along the edge, now and then a pond or a ball court."""
    half, rear = lot.wide / 2, lot.deep / 2
    plan.areas.append(Area(lot.outline(1.0), "paved", vary(rng, (182, 172, 160), 8)))
    plan.areas.append(Area(lot.outline(3.0), "lawn"))
    for _ in range(2):
        path = points(
            (-half, rng.uniform(-rear, rear)),
            (-half / 3, rng.uniform(-rear, rear)),
            (half / 3, rng.uniform(-rear, rear)),
            (half, rng.uniform(-rear, rear)),
        )
        plan.paths.append(lot.shape(rounded(path)))
    if rng.random() < 0.4:
        add_area(plan, lot, blob(rng, min(half, rear) * 0.35) + points((rng.uniform(-0.4, 0.4) * half, 0)), "pond")
    if rng.random() < 0.5:
        add_area(
            plan,
            lot,
            rectangle(26, 14) + points((rng.uniform(-0.5, 0.5) * half, rng.uniform(-0.3, 0.3) * rear)),
            "court",
        )
    for _ in range(int(5 + 9 * greenery)):
        x, y, reach = rng.uniform(-0.85, 0.85) * half, rng.uniform(-0.85, 0.85) * rear, rng.uniform(4, 14)
        scatter(
            plan, lot, rng, int(reach), (x - reach, max(-rear + 2, y - reach), x + reach, min(rear - 2, y + reach)), 3.2
        )
    for y in (-rear + 2.4, rear - 2.4):
        palm_row(plan, lot, rng, -half + 3, half - 3, y, 8.0)


def grove(plan: Plan, lot: Lot, rng: np.random.Generator) -> None:
    """A date plantation: palms in rows on watered ground."""
    half, rear = lot.wide / 2, lot.deep / 2
    plan.areas.append(Area(lot.outline(2.0), "lawn", (96, 98, 74)))
    for x in np.arange(-half + 5, half - 4, 7.5):
        for y in np.arange(-rear + 5, rear - 4, 7.5):
            if rng.random() < 0.9:
                jitter = rng.normal(0, 0.4, 2)
                add_tree(plan, lot, float(x + jitter[0]), float(y + jitter[1]), float(rng.uniform(2.4, 3.4)), "palm")


def car_park(plan: Plan, lot: Lot, rng: np.random.Generator, *, full: float = 0.55) -> None:
    """Rows of places, some taken, with small trees at the ends."""
    plan.areas.append(Area(lot.outline(0.5), "paved"))
    park(plan, lot, rng, rectangle(lot.wide - 5, lot.deep - 5), fill=full)
    palm_row(plan, lot, rng, -lot.wide / 2 + 2, lot.wide / 2 - 2, -lot.deep / 2 + 1.5, 8.0)


def park(plan: Plan, lot: Lot, rng: np.random.Generator, local: Points, *, fill: float) -> None:
    """A car park over a local rectangle, `fill` of its places taken."""
    add_area(plan, lot, local, "parking")
    low, high = local.min(axis=0), local.max(axis=0)
    middle, reach = (low + high) / 2, (high - low) / 2
    for v in np.arange(-reach[1] + 1 + 1.5, reach[1] - 3, 16.0):
        for row in (v, v + 5.2):
            for u in np.arange(-reach[0] + 2 + 1.35, reach[0] - 2, 2.7):
                if rng.random() < fill and row < reach[1] - 2.4:
                    add_car(plan, lot, rng, float(middle[0] + u), float(middle[1] + row), math.pi / 2)


def scatter(
    plan: Plan, lot: Lot, rng: np.random.Generator, count: int, where: tuple[float, float, float, float], radius: float
) -> None:
    """So many trees in a box (left, top, right, bottom) of the lot."""
    for _ in range(count):
        x, y = rng.uniform(where[0], where[2]), rng.uniform(min(where[1], where[3]), max(where[1], where[3]))
        add_tree(
            plan, lot, float(np.clip(x, -lot.wide / 2, lot.wide / 2)), float(y), float(radius * rng.uniform(0.5, 1.3))
        )


def palm_row(plan: Plan, lot: Lot, rng: np.random.Generator, start: float, end: float, y: float, step: float) -> None:
    """Palms in line."""
    for x in np.arange(start, end, step):
        if rng.random() < 0.85:
            add_tree(plan, lot, float(x), y, float(rng.uniform(2.2, 3.0)), "palm")
