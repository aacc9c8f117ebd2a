"""What lies outside the town: a motorway, meadows with bunkers, groves, tracks in the sand, boats on the water."""

import math

import numpy as np

from tools.synthetic.geometry import blob, place, points, rounded
from tools.synthetic.noise import Field
from tools.synthetic.plan import Area, Block, Plan, Road, Tree
from tools.synthetic.styles import Style
from tools.synthetic.town import Free, line_with_trees, traffic


def motorway(plan: Plan, rng: np.random.Generator, extent: float) -> list[Road]:
    """Two wide carriageways across the scene in a slight curve, and a slip road; gives both."""
    turn, shift = rng.uniform(0, 2 * math.pi), rng.uniform(0.20, 0.32) * extent * rng.choice((-1, 1))
    bow = rng.uniform(-0.12, 0.12) * extent
    local = points((-extent, shift), (-extent / 3, shift + bow), (extent / 3, shift + bow), (extent, shift))
    planted, age = bool(rng.random() < 0.5), float(rng.uniform(0.05, 0.4))
    middle = place(rounded(local, rounds=5), extent / 2, extent / 2, turn)
    main = Road(middle, 36.0, lanes=8, median=7.0, planted=planted, age=age)
    traffic(plan, rng, middle, main.width, main.lanes, main.median, 0.005)
    line_with_trees(plan, rng, middle, [0.0], 9.0, 0.6, palms=True)
    inward = -1.0 if shift > 0 else 1.0
    aside = [(-1.0, 62), (-0.1, 55), (0.2, 46), (1.0, 40)]
    slip = points(*((extent * u, shift + (bow if abs(u) < 0.5 else 0) + inward * d) for u, d in aside))
    service = Road(place(rounded(slip, rounds=5), extent / 2, extent / 2, turn), 8.0, age=0.35)
    traffic(plan, rng, service.path, 8.0, 2, 0.0, 0.004)
    plan.roads.extend((main, service))
    return [main, service]


def junction(plan: Plan, rng: np.random.Generator, main: Road) -> None:
    """A second road across a motorway, with a curved ramp in each corner."""
    middle = main.path[len(main.path) // 2]
    along = main.path[len(main.path) // 2 + 1] - middle
    angle = math.atan2(along[1], along[0])
    across = angle + rng.uniform(1.1, 2.0)
    a, b = (np.array([math.cos(t), math.sin(t)]) for t in (angle, across))
    far = float(np.abs(main.path).max()) * 2
    cross = np.stack([middle + b * reach for reach in np.linspace(-far, far, 60)])
    road = Road(cross, 24.0, lanes=6, median=3.0, age=float(rng.uniform(0, 0.3)))
    plan.roads.append(road)
    traffic(plan, rng, road.path, road.width, 6, 3.0, 0.004)
    for side_a in (-1, 1):
        for side_b in (-1, 1):
            u, v = a * side_a, b * side_b
            bend = np.stack(
                [
                    middle + u * 260 + v * 12,
                    middle + u * 150 + v * 22,
                    middle + u * 40 + v * 40,
                    middle + v * 150 + u * 18,
                    middle + v * 240 + u * 8,
                ]
            )
            plan.roads.append(Road(rounded(bend, rounds=4), 8.0, lanes=1, age=0.2))


def meadows(plan: Plan, rng: np.random.Generator, count: int, extent: float, good: Free) -> None:
    """Long mown fairways with greens and bunkers, where the ground is `good` for them."""
    turn, taken = rng.uniform(0, math.pi), np.full((1, 2), -1e6)
    for _ in range(count):
        x, y = rng.uniform(0.0, 1.0, 2) * extent
        angle = turn + rng.normal(0, 0.35)
        stretch = np.array([[rng.uniform(2.4, 4.2), 1.0]])
        wide = rng.uniform(14, 22)
        outline = place(rounded(blob(rng, wide, rough=0.22) * stretch, closed=True), x, y, angle)
        if good(outline).mean() < 0.75 or np.hypot(*(taken - (x, y)).T).min() < 62:
            continue
        taken = np.concatenate([taken, [[x, y]]])
        plan.areas.append(Area(outline, "fairway", angle=angle))
        end = np.array([math.cos(angle), math.sin(angle)]) * wide * stretch[0, 0] * 0.8
        plan.areas.append(
            Area(place(rounded(blob(rng, 10, rough=0.2), closed=True), x + end[0], y + end[1], 0), "green")
        )
        for _ in range(int(rng.integers(1, 4))):
            at = outline[int(rng.integers(len(outline)))]
            plan.areas.append(
                Area(place(rounded(blob(rng, rng.uniform(3, 7), rough=0.5), closed=True), at[0], at[1], 0), "sand")
            )


def wild(plan: Plan, rng: np.random.Generator, style: Style, extent: float, free: Free) -> None:
    """Bushes in drifts, a few groves, and the tracks of wheels."""
    for _ in range(int(style.scrub * 28)):
        middle = rng.uniform(0, extent, 2)
        reach = rng.uniform(15, 80)
        for at in middle + rng.normal(0, reach, (int(rng.poisson(22)), 2)):
            if free(at[None])[0]:
                plan.trees.append(Tree(float(at[0]), float(at[1]), float(0.5 + rng.gamma(1.5, 0.35)), "shrub"))
    for _ in range(int(style.trees * 5)):
        middle = rng.uniform(0, extent, 2)
        for at in middle + rng.normal(0, rng.uniform(6, 22), (int(rng.poisson(16)), 2)):
            if free(at[None])[0]:
                plan.trees.append(Tree(float(at[0]), float(at[1]), float(rng.uniform(1.4, 3.6))))
    for _ in range(int(4 + style.scrub * 9)):
        start, turn = rng.uniform(-0.1, 1.1, 2) * extent, rng.uniform(0, 2 * math.pi)
        path = [start]
        for _ in range(int(rng.integers(4, 9))):
            turn += rng.normal(0, 0.4)
            path.append(path[-1] + rng.uniform(0.06, 0.16) * extent * np.array([math.cos(turn), math.sin(turn)]))
        plan.tracks.append(rounded(np.array(path), rounds=4))


def gravel_roads(plan: Plan, rng: np.random.Generator, extent: float, count: int) -> None:
    """Wide graded roads without asphalt."""
    for _ in range(count):
        turn = rng.uniform(0, 2 * math.pi)
        ys = rng.uniform(-0.3, 0.3, 4) * extent
        local = points((-extent, ys[0]), (-extent / 4, ys[1]), (extent / 4, ys[2]), (extent, ys[3]))
        path = place(rounded(local, rounds=5), extent / 2, extent / 2, turn)
        plan.roads.append(Road(path, float(rng.uniform(6, 10)), paved=False, marked=False))


def boats(plan: Plan, rng: np.random.Generator, depth: Field, gsd: float, count: int) -> None:
    """Boats on open water, with more of them near the quays, at piers."""
    rows, columns = np.nonzero((depth > 14) & (depth < 34))
    for _ in range(count if len(rows) else 0):
        pick = int(rng.integers(len(rows)))
        x, y = (columns[pick] + 0.5) * gsd, (rows[pick] + 0.5) * gsd
        _pier(plan, rng, depth, gsd, float(x), float(y))
    rows, columns = np.nonzero(depth > 40)
    for _ in range(count // 3 if len(rows) else 0):
        pick = int(rng.integers(len(rows)))
        x, y = (columns[pick] + 0.5) * gsd, (rows[pick] + 0.5) * gsd
        plan.blocks.append(_boat(rng, float(x), float(y), float(rng.uniform(0, 2 * math.pi)), 1.0))


def _boat(rng: np.random.Generator, x: float, y: float, angle: float, scale: float) -> Block:
    long = float(rng.uniform(8, 17)) * scale
    shade = float(rng.uniform(205, 245))
    return Block(x, y, angle, long, long * 0.29, 2.4, (shade, shade, shade - 4), "boat")


def _pier(plan: Plan, rng: np.random.Generator, depth: Field, gsd: float, x: float, y: float) -> None:
    """A pier from the shore outwards, boats on both sides, if there is room."""
    row, column = int(y / gsd), int(x / gsd)
    size = depth.shape[0]
    near = depth[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
    slope_y, slope_x = (float(g.mean()) for g in np.gradient(near))
    norm = math.hypot(slope_y, slope_x)
    if norm < 1e-6 or not (8 < row < size - 8 and 8 < column < size - 8):
        return
    out = np.array([slope_x, slope_y]) / norm
    middle = np.array([x, y])
    if any(math.hypot(block.x - x, block.y - y) < 40 for block in plan.blocks if block.kind == "pier"):
        return
    angle, reach = math.atan2(out[1], out[0]), float(depth[row, column]) * 2 - 2
    plan.blocks.append(Block(x, y, angle, reach, 2.4, 0.8, (188, 180, 172), "pier"))
    side = np.array([-out[1], out[0]])
    for along in np.arange(-reach / 2 + 7, reach / 2, 5.5):
        for hand in (-1, 1):
            if rng.random() < 0.7:
                boat = _boat(rng, 0, 0, 0, 0.8)
                at = middle + out * along + side * hand * (1.6 + boat.long / 2)
                plan.blocks.append(
                    Block(
                        float(at[0]),
                        float(at[1]),
                        angle + hand * math.pi / 2,
                        boat.long,
                        boat.wide,
                        2.2,
                        boat.colour,
                        "boat",
                    )
                )


def stand(plan: Plan, rng: np.random.Generator, where: Field, gsd: float, spacing: float) -> None:
    """Crowns all over a stand of trees: `where` (0..1) is the chance of one on each spot of a loose grid."""
    size = where.shape[0]
    step = max(1, round(spacing / gsd))
    for y in range(0, size, step):
        for x in range(0, size, step):
            if rng.random() < where[y, x]:
                at = (np.array([x, y]) + rng.uniform(-0.5, 0.5, 2) * step) * gsd
                plan.trees.append(Tree(float(at[0]), float(at[1]), float(rng.uniform(1.0, 2.8))))


def promenade(plan: Plan, rng: np.random.Generator, depth: Field, gsd: float) -> None:
    """Palms along a quay, a few metres from the edge."""
    rows, columns = np.nonzero((depth > -9.5) & (depth < -7.5))
    kept: list[tuple[float, float]] = []
    for pick in rng.permutation(len(rows))[:4000]:
        x, y = (float(columns[pick]) + 0.5) * gsd, (float(rows[pick]) + 0.5) * gsd
        if all((x - a) ** 2 + (y - b) ** 2 > 70 for a, b in kept):
            kept.append((x, y))
            plan.trees.append(Tree(x, y, float(rng.uniform(2.2, 3.0)), "palm"))
