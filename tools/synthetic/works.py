"""Where people work with their hands: warehouses in their yards, container stacks, building sites."""

import math

import numpy as np

from tools.synthetic.blocks import CARGO, PAINTS
from tools.synthetic.geometry import Points, blob, box, points, rectangle
from tools.synthetic.lots import Lot, add_area, add_car, mass, vary
from tools.synthetic.parks import palm_row
from tools.synthetic.plan import Area, Block, Building, Colour, Plan, RoofKind

SHEETS: tuple[Colour, ...] = (
    (232, 232, 234),
    (214, 216, 220),
    (188, 192, 198),
    (172, 182, 196),
    (206, 200, 188),
    (146, 112, 98),
    (240, 240, 240),
)


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
        parts.append(
            mass(lot, box(left, front, right, rear - 3), rng.uniform(7, 12), vary(rng, colour, 8), roof=roof, units=20)
        )
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
        palm_row(plan, lot, rng, -half + 2, half - 2, -rear + 1.5, 6.0)


def _cargo(plan: Plan, rng: np.random.Generator, x: float, y: float, turn: float) -> None:
    if rng.random() < 0.5:
        paint = PAINTS[int(rng.integers(4))]
        plan.blocks.append(Block(x, y, turn, float(rng.uniform(9, 15)), 2.6, 3.4, paint, "truck"))
    else:
        paint = CARGO[int(rng.integers(len(CARGO)))]
        plan.blocks.append(Block(x, y, turn, float(rng.choice((6.1, 12.2))), 2.6, 2.7, paint, "container"))


def container_yard(plan: Plan, lot: Lot, rng: np.random.Generator) -> None:
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
                    plan.blocks.append(
                        Block(float(ground[0]), float(ground[1]), lot.pose[2], 12.2, 2.5, tall, paint, "container")
                    )


def site(plan: Plan, lot: Lot, rng: np.random.Generator) -> None:
    """A building site: scraped ground, heaps and stacks that nobody could name, a hut, a shell going up."""
    plan.areas.append(Area(lot.outline(1.0), "dirt"))
    half, rear = lot.wide / 2, lot.deep / 2
    for _ in range(int(rng.integers(2, 5))):
        heap = blob(rng, rng.uniform(3, 7)) + points((rng.uniform(-0.8, 0.8) * half, rng.uniform(-0.8, 0.8) * rear))
        add_area(plan, lot, heap, "clutter")
    for _ in range(int(rng.integers(4, 9))):
        corner = np.array([rng.uniform(-0.85, 0.85) * half, rng.uniform(-0.85, 0.85) * rear])
        for _ in range(int(rng.integers(3, 12))):
            _stack(plan, lot, rng, corner + rng.normal(0, 6, 2))
    for _ in range(int(rng.integers(1, 3))):
        wide, deep = rng.uniform(18, 40), rng.uniform(14, 26)
        spot = points(
            (rng.uniform(-1, 1) * max(0.0, half - wide * 0.7), rng.uniform(-1, 1) * max(0.0, rear - deep * 0.7))
        )
        frame = mass(lot, rectangle(wide, deep) + spot, rng.uniform(3, 12), vary(rng, (166, 160, 152)), units=26)
        plan.buildings.append(Building((frame,)))


def _stack(plan: Plan, lot: Lot, rng: np.random.Generator, spot: Points) -> None:
    """One stack of building material."""
    x, y = (float(value) for value in lot.shape(spot[None])[0])
    turn = float(rng.choice((0.0, math.pi / 2)) + lot.pose[2] + rng.normal(0, 0.15))
    shade = float(rng.uniform(90, 200))
    paint = vary(rng, (shade, shade * 0.97, shade * 0.92), 12)
    long, wide, tall = rng.uniform(2, 7), rng.uniform(1, 2.6), rng.uniform(0.6, 2.0)
    plan.blocks.append(Block(x, y, turn, float(long), float(wide), float(tall), paint, "container"))
