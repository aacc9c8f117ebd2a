"""Tall houses on larger plots: blocks of flats, and towers on their podiums."""

import numpy as np

from tools.synthetic.geometry import Points, box, ellipse, points, rectangle, rounded
from tools.synthetic.lots import Lot, add_area, mass, vary
from tools.synthetic.parks import palm_row, park, scatter
from tools.synthetic.plan import Area, Building, Colour, Mass, Plan

PALE: tuple[Colour, ...] = (
    (214, 208, 200),
    (190, 186, 188),
    (232, 228, 222),
    (202, 188, 168),
    (168, 166, 170),
    (182, 170, 152),
)


def flats(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """Blocks of flats: a bar, an L, a U or a court, with parking in front and planting around."""
    plan.areas.append(Area(lot.outline(0.5), "paved"))
    half, rear = lot.wide / 2, lot.deep / 2
    colour, tall = vary(rng, PALE[int(rng.integers(len(PALE)))]), float(rng.uniform(14, 34))
    wide, deep, thick = lot.wide * 0.82, lot.deep * 0.62, min(16.0, lot.deep * 0.30)
    back = rear * 0.08
    bar = box(-wide / 2, back, wide / 2, back + thick)
    left = box(-wide / 2, back + thick - deep, -wide / 2 + thick, back + thick)
    right = box(wide / 2 - thick, back + thick - deep, wide / 2, back + thick)
    front = box(-wide / 2, back + thick - deep, wide / 2, back + 2 * thick - deep)
    pick = rng.random()
    plans = ((0.25, [bar]), (0.5, [bar, left]), (0.8, [bar, left, right]), (1.0, [front, left, right, bar]))
    wings = next(parts for share, parts in plans if pick < share)
    plan.buildings.append(Building(tuple(_storeys(lot, rng, wings, tall, colour))))
    if rng.random() < 0.6:
        add_area(plan, lot, box(-half + 1, back + thick + 3, half - 1, rear - 1), "lawn")
    scatter(plan, lot, rng, int(10 * greenery) + 3, (-half + 1, back + thick + 2, half - 1, rear - 1), 2.6)
    if pick >= 0.5:
        inner, near = wide / 2 - thick, back + 2 * thick - deep
        add_area(plan, lot, box(-inner + 2, near + 1, inner - 2, back - 2), "lawn")
        if rng.random() < 0.5:
            add_area(plan, lot, ellipse(13, 7) + points((0, back - deep / 4)), "pool")
        scatter(plan, lot, rng, int(6 * greenery) + 2, (-inner, near, inner, back), 2.4)
    elif rng.random() < 0.8:
        park(plan, lot, rng, box(-half + 2, -rear + 2, half - 2, back - 3), fill=0.8)


def _storeys(lot: Lot, rng: np.random.Generator, wings: list[Points], tall: float, colour: Colour) -> list[Mass]:
    """The wings at one height, each with a lift house on top."""
    parts, tops = [], []
    wall = vary(rng, (188, 176, 160), 14)
    for wing in wings:
        span = wing.max(axis=0) - wing.min(axis=0)
        parts.append(mass(lot, wing, tall, vary(rng, colour, 3), units=int(4 + span.max() / 4), wall=wall))
        for part in np.arange(0.2, 0.9, 22.0 / max(22.0, float(span.max()))):
            spot = wing.min(axis=0) + span * (part if span[0] > span[1] else 0.5, 0.5 if span[0] > span[1] else part)
            house = rectangle(rng.uniform(4, 7), rng.uniform(4, 6)) + spot
            tops.append(mass(lot, house, tall + 3.5, vary(rng, colour, 8), bottom=tall, wall=wall))
    return parts + tops


def tower(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """A podium with a garden and a pool, and a tower or two on it."""
    plan.areas.append(Area(lot.outline(0.5), "paved"))
    half, rear = lot.wide / 2, lot.deep / 2
    wall = ((150, 160, 172), (186, 176, 160), (128, 136, 146), (206, 200, 192))[int(rng.integers(4))]
    colour = vary(rng, PALE[int(rng.integers(len(PALE)))])
    low = float(rng.uniform(9, 18))
    podium = rectangle(lot.wide * 0.84, lot.deep * 0.74) + points((0, rear * 0.08))
    parts = [mass(lot, podium, low, vary(rng, (190, 180, 166), 14), units=14, wall=vary(rng, (176, 168, 156)))]
    side = 1 if rng.random() < 0.5 else -1
    tall = low + float(rng.gamma(4.0, 14.0)) + 16
    wide, deep = float(np.clip(lot.wide * 0.4, 18, 30)), float(np.clip(lot.deep * 0.42, 16, 26))
    spot = points((side * lot.wide * 0.16, 0.0))
    plate = rectangle(wide, deep) if rng.random() < 0.6 else _octagon(wide, deep)
    parts.append(mass(lot, plate + spot, tall, colour, bottom=low, units=12, wall=wall))
    parts.append(mass(lot, plate * 0.55 + spot, tall + 5, vary(rng, colour, 12), bottom=tall, units=4, wall=wall))
    if rng.random() < 0.5:
        pool = rectangle(min(14.0, lot.wide * 0.2), 5) + points((-side * lot.wide * 0.24, rear * 0.3))
        parts[0] = Mass(**{**parts[0].__dict__, "pool": lot.shape(pool)})
    plan.buildings.append(Building(tuple(parts)))
    palm_row(plan, lot, rng, -half + 2, half - 2, -rear + 2.2, 7.0)
    scatter(plan, lot, rng, int(6 * greenery), (-half + 1, rear * 0.86, half - 1, rear - 0.5), 2.2)


def _octagon(wide: float, deep: float) -> Points:
    shape = rectangle(wide, deep)
    return rounded(shape, closed=True, rounds=1)
