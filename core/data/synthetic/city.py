"""What fills the larger plots of a town: flats, towers, sheds, car parks, building sites, parks."""

import math

import numpy as np

from core.data.synthetic.blocks import CARGO, PAINTS
from core.data.synthetic.geometry import Points, blob, box, ellipse, points, rectangle, rounded
from core.data.synthetic.lots import Lot, add_area, add_car, add_tree, mass, vary
from core.data.synthetic.plan import Area, Block, Building, Colour, Mass, Plan, RoofKind

PALE: tuple[Colour, ...] = ((214, 208, 200), (190, 186, 188), (232, 228, 222), (202, 188, 168), (168, 166, 170), (182, 170, 152))
SHEETS: tuple[Colour, ...] = ((232, 232, 234), (214, 216, 220), (188, 192, 198), (172, 182, 196), (206, 200, 188), (158, 108, 90), (240, 240, 240))


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
    wings = [bar] if pick < 0.25 else [bar, left] if pick < 0.5 else [bar, left, right] if pick < 0.8 else [front, left, right, bar]
    plan.buildings.append(Building(tuple(_storeys(lot, rng, wings, tall, colour))))
    if pick >= 0.5:
        add_area(plan, lot, box(-wide / 2 + thick + 2, back + 2 * thick - deep + 1, wide / 2 - thick - 2, back - 2), "lawn")
        if rng.random() < 0.5:
            add_area(plan, lot, ellipse(13, 7) + points((0, back - deep / 4)), "pool")
        _scatter(plan, lot, rng, int(6 * greenery) + 2, (-wide / 2 + thick, back + 2 * thick - deep, wide / 2 - thick, back), 2.4)
    elif rng.random() < 0.8:
        park(plan, lot, rng, box(-half + 2, -rear + 2, half - 2, back - 3), fill=0.8)
    if rng.random() < 0.6:
        add_area(plan, lot, box(-half + 1, back + thick + 3, half - 1, rear - 1), "lawn")
    _scatter(plan, lot, rng, int(10 * greenery) + 3, (-half + 1, back + thick + 2, half - 1, rear - 1), 2.6)


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
    _row(plan, lot, rng, -half + 2, half - 2, -rear + 2.2, 7.0)
    _scatter(plan, lot, rng, int(6 * greenery), (-half + 1, rear * 0.86, half - 1, rear - 0.5), 2.2)


def _octagon(wide: float, deep: float) -> Points:
    shape = rectangle(wide, deep)
    return rounded(shape, closed=True, rounds=1)


def shed(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """A warehouse or two in a yard with lorries, containers and stacked goods."""
    yard: Colour = ((138, 132, 130), (160, 154, 148), (116, 110, 110), (182, 174, 164))[int(rng.integers(4))]
    plan.areas.append(Area(lot.outline(0.8), "paved", vary(rng, yard)))
    half, rear = lot.wide / 2, lot.deep / 2
    front = -rear + rng.uniform(9, 16)
    colour = SHEETS[int(rng.integers(len(SHEETS)))]
    bays = 1 if lot.wide < 36 or rng.random() < 0.4 else 2
    parts = []
    for bay in range(bays):
        left = -half + 3 + bay * (2 * half - 6) / bays
        right = left + (2 * half - 6) / bays - (0.4 if rng.random() < 0.5 else rng.uniform(3, 10))
        roof: RoofKind = "ribbed" if rng.random() < 0.8 else "flat"
        parts.append(mass(lot, box(left, front, right, rear - 3), rng.uniform(7, 12), vary(rng, colour, 8), roof=roof, units=20))
    office = box(-half + 3, front - 6.5, -half + 3 + rng.uniform(9, 18), front + 1)
    parts.insert(0, mass(lot, office, rng.uniform(4, 8), vary(rng, (206, 200, 190)), units=5))
    plan.buildings.append(Building(tuple(parts)))
    for _ in range(int(rng.poisson(5))):
        x, y = rng.uniform(-half + 4, half - 4), rng.uniform(-rear + 3, front - 3)
        ground, turn = lot.shape(points((x, y)))[0], rng.choice((0.0, math.pi / 2)) + lot.pose[2]
        _cargo(plan, rng, float(ground[0]), float(ground[1]), float(turn))
    for x in np.arange(half * 0.2, half - 3, 2.9):
        if rng.random() < 0.55:
            add_car(plan, lot, rng, float(x), -rear + 4.0, math.pi / 2)
    if rng.random() < greenery:
        _row(plan, lot, rng, -half + 2, half - 2, -rear + 1.5, 6.0)


def _cargo(plan: Plan, rng: np.random.Generator, x: float, y: float, turn: float) -> None:
    if rng.random() < 0.5:
        paint = PAINTS[int(rng.integers(4))]
        plan.blocks.append(Block(x, y, turn, float(rng.uniform(9, 15)), 2.6, 3.4, paint, "truck"))
    else:
        paint = CARGO[int(rng.integers(len(CARGO)))]
        plan.blocks.append(Block(x, y, turn, float(rng.choice((6.1, 12.2))), 2.6, 2.7, paint, "container"))


def car_park(plan: Plan, lot: Lot, rng: np.random.Generator, *, full: float = 0.55) -> None:
    """Rows of places, some taken, with small trees at the ends."""
    plan.areas.append(Area(lot.outline(0.5), "paved"))
    park(plan, lot, rng, rectangle(lot.wide - 5, lot.deep - 5), fill=full)
    _row(plan, lot, rng, -lot.wide / 2 + 2, lot.wide / 2 - 2, -lot.deep / 2 + 1.5, 8.0)


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


def site(plan: Plan, lot: Lot, rng: np.random.Generator) -> None:
    """A building site: scraped ground, heaps and stacks that nobody could name, a hut, a shell going up."""
    plan.areas.append(Area(lot.outline(1.0), "dirt"))
    half, rear = lot.wide / 2, lot.deep / 2
    for _ in range(int(rng.integers(2, 5))):
        heap = blob(rng, rng.uniform(3, 7)) + points((rng.uniform(-0.8, 0.8) * half, rng.uniform(-0.8, 0.8) * rear))
        add_area(plan, lot, heap, "clutter")
    for _ in range(int(rng.integers(10, 30))):
        ground = lot.shape(points((rng.uniform(-0.9, 0.9) * half, rng.uniform(-0.9, 0.9) * rear)))[0]
        x, y, turn = float(ground[0]), float(ground[1]), float(rng.choice((0.0, math.pi / 2)) + lot.pose[2] + rng.normal(0, 0.1))
        paint = vary(rng, CARGO[int(rng.integers(len(CARGO)))], 14)
        plan.blocks.append(Block(x, y, turn, float(rng.uniform(2, 7)), float(rng.uniform(1, 2.6)), float(rng.uniform(0.6, 2.6)), paint, "container"))
    if rng.random() < 0.7:
        shell = rectangle(half * rng.uniform(0.6, 1.0), rear * rng.uniform(0.5, 0.9)) + points((rng.uniform(-0.3, 0.3) * half, 0))
        plan.buildings.append(Building((mass(lot, shell, rng.uniform(3, 12), vary(rng, (152, 148, 144)), units=26),)))


def garden(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """A public park: lawns between winding paths, groves, palms along the edge, now and then a pond or a ball court."""
    half, rear = lot.wide / 2, lot.deep / 2
    plan.areas.append(Area(lot.outline(1.0), "paved", vary(rng, (182, 172, 160), 8)))
    plan.areas.append(Area(lot.outline(3.0), "lawn"))
    for _ in range(2):
        path = points((-half, rng.uniform(-rear, rear)), (-half / 3, rng.uniform(-rear, rear)), (half / 3, rng.uniform(-rear, rear)), (half, rng.uniform(-rear, rear)))
        plan.paths.append(lot.shape(rounded(path)))
    if rng.random() < 0.4:
        add_area(plan, lot, blob(rng, min(half, rear) * 0.35) + points((rng.uniform(-0.4, 0.4) * half, 0)), "pond")
    if rng.random() < 0.5:
        add_area(plan, lot, rectangle(26, 14) + points((rng.uniform(-0.5, 0.5) * half, rng.uniform(-0.3, 0.3) * rear)), "court")
    for _ in range(int(5 + 9 * greenery)):
        x, y, reach = rng.uniform(-0.85, 0.85) * half, rng.uniform(-0.85, 0.85) * rear, rng.uniform(4, 14)
        _scatter(plan, lot, rng, int(reach), (x - reach, max(-rear + 2, y - reach), x + reach, min(rear - 2, y + reach)), 3.2)
    for y in (-rear + 2.4, rear - 2.4):
        _row(plan, lot, rng, -half + 3, half - 3, y, 8.0)


def grove(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """A date plantation: palms in rows on watered ground."""
    half, rear = lot.wide / 2, lot.deep / 2
    plan.areas.append(Area(lot.outline(2.0), "lawn", (96, 98, 74)))
    for x in np.arange(-half + 5, half - 4, 7.5):
        for y in np.arange(-rear + 5, rear - 4, 7.5):
            if rng.random() < 0.9:
                jitter = rng.normal(0, 0.4, 2)
                add_tree(plan, lot, float(x + jitter[0]), float(y + jitter[1]), float(rng.uniform(2.4, 3.4)), "palm")


def container_yard(plan: Plan, lot: Lot, rng: np.random.Generator, greenery: float) -> None:
    """Stacked containers in rows on a paved yard."""
    half, rear = lot.wide / 2, lot.deep / 2
    plan.areas.append(Area(lot.outline(0.8), "paved", vary(rng, (142, 138, 136))))
    for y in np.arange(-rear + 8, rear - 8, 19.0):
        for row in (0.0, 3.0, 6.0):
            for x in np.arange(-half + 12, half - 12, 12.8):
                if rng.random() < 0.55:
                    ground = lot.shape(points((float(x), float(y + row))))[0]
                    paint = vary(rng, CARGO[int(rng.integers(len(CARGO)))])
                    tall = 2.6 * int(rng.integers(1, 4))
                    plan.blocks.append(Block(float(ground[0]), float(ground[1]), lot.pose[2], 12.2, 2.5, tall, paint, "container"))


def _scatter(plan: Plan, lot: Lot, rng: np.random.Generator, count: int, where: tuple[float, float, float, float], radius: float) -> None:
    for _ in range(count):
        x, y = rng.uniform(where[0], where[2]), rng.uniform(min(where[1], where[3]), max(where[1], where[3]))
        add_tree(plan, lot, float(np.clip(x, -lot.wide / 2, lot.wide / 2)), float(y), float(radius * rng.uniform(0.5, 1.3)))


def _row(plan: Plan, lot: Lot, rng: np.random.Generator, start: float, end: float, y: float, step: float) -> None:
    """Palms in line."""
    for x in np.arange(start, end, step):
        if rng.random() < 0.85:
            add_tree(plan, lot, float(x), y, float(rng.uniform(2.2, 3.0)), "palm")
