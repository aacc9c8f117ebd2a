"""Points, paths and outlines on the ground. Metres, x to the right and y down; arrays (N, 2) of float64 throughout."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def points(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, dtype=np.float64)


def place(shape: Points, x: float, y: float, angle: float) -> Points:
    """A shape drawn around (0, 0), turned by `angle` radians and moved to (x, y)."""
    cos, sin = math.cos(angle), math.sin(angle)
    turned = np.stack([shape[:, 0] * cos - shape[:, 1] * sin, shape[:, 0] * sin + shape[:, 1] * cos], axis=1)
    return np.asarray(turned + np.array([x, y]), dtype=np.float64)


def rectangle(width: float, depth: float) -> Points:
    return points((-width / 2, -depth / 2), (width / 2, -depth / 2), (width / 2, depth / 2), (-width / 2, depth / 2))


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return points((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def ellipse(width: float, depth: float, count: int = 24) -> Points:
    turn = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(turn) * width / 2, np.sin(turn) * depth / 2], axis=1)


def blob(rng: np.random.Generator, radius: float, *, rough: float = 0.3, count: int = 40) -> Points:
    """A closed wavy outline of about `radius` metres around (0, 0)."""
    turn = np.linspace(0, 2 * math.pi, count, endpoint=False)
    reach = np.ones(count)
    for wave in range(2, 6):
        reach += rough / wave * rng.uniform(0.3, 1.2) * np.sin(wave * turn + rng.uniform(0, 2 * math.pi))
    return np.stack([np.cos(turn) * reach, np.sin(turn) * reach], axis=1) * radius


def rounded(path: Points, *, closed: bool = False, rounds: int = 3) -> Points:
    """Corners cut again and again (Chaikin) until the path is smooth."""
    for _ in range(rounds):
        ahead = np.roll(path, -1, axis=0) if closed else path[1:]
        here = path if closed else path[:-1]
        cut = np.empty((2 * len(here), 2))
        cut[0::2], cut[1::2] = 0.75 * here + 0.25 * ahead, 0.25 * here + 0.75 * ahead
        path = cut if closed else np.concatenate([path[:1], cut, path[-1:]])
    return path


def resample(path: Points, step: float) -> tuple[Points, NDArray[np.float64]]:
    """The path again with a point every `step` metres, and its direction (radians) at each."""
    legs = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(legs)])
    count = max(2, int(along[-1] / step) + 1)
    at = np.linspace(0, along[-1], count)
    result = np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1)
    slope = np.gradient(result, axis=0)
    return result, np.arctan2(slope[:, 1], slope[:, 0])


def length(path: Points) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def offset(path: Points, distance: float) -> Points:
    """The path moved sideways: to the right of its direction (on the ground, y down) when `distance` is positive."""
    slope = np.gradient(path, axis=0)
    norm = np.hypot(slope[:, 0], slope[:, 1])
    norm[norm == 0] = 1
    return path + distance * np.stack([-slope[:, 1] / norm, slope[:, 0] / norm], axis=1)


def hull(shape: Points) -> Points:
    """The convex hull, in order (monotone chain)."""
    ordered = sorted(map(tuple, shape.tolist()))
    sides: list[list[tuple[float, ...]]] = []
    for run in (ordered, ordered[::-1]):
        side: list[tuple[float, ...]] = []
        for p in run:
            while len(side) > 1 and _turn(side[-2], side[-1], p) <= 0:
                side.pop()
            side.append(p)
        sides.append(side[:-1])
    return np.array(sides[0] + sides[1], dtype=np.float64)


def _turn(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def swept(shape: Points, shift: Points) -> Points:
    """What a convex outline covers while it moves by `shift`."""
    return hull(np.concatenate([shape, shape + shift]))


def shrunk(shape: Points, margin: float) -> Points:
    """An outline whose edges are moved `margin` metres inwards. For corners that are not too sharp."""
    ahead, behind = np.roll(shape, -1, axis=0) - shape, shape - np.roll(shape, 1, axis=0)
    sign = 1.0 if area(shape) > 0 else -1.0
    first, second = _normals(behind) * sign, _normals(ahead) * sign
    bend = 1 + (first * second).sum(axis=1)
    return np.asarray(shape + margin * (first + second) / np.maximum(bend, 0.3)[:, None], dtype=np.float64)


def _normals(edges: Points) -> Points:
    norm = np.maximum(np.hypot(edges[:, 0], edges[:, 1]), 1e-9)
    return np.stack([-edges[:, 1] / norm, edges[:, 0] / norm], axis=1)


def area(shape: Points) -> float:
    """Signed area in square metres, positive when the corners go round from x to y."""
    x, y = shape[:, 0], shape[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@dataclass(frozen=True)
class Bend:
    """A plan's own coordinates laid on the ground: turned by `angle`, bent into an arc of curvature `curve` (1/m).

    (0, 0) of the plan lies at (x, y); u runs along the arc and v across it.
    """

    x: float
    y: float
    angle: float
    curve: float = 0.0
    sway: float = 0.0

    def ground(self, plan: Points) -> Points:
        """Plan coordinates (N, 2) to the ground."""
        u, v = plan[:, 0], plan[:, 1] + self.sway * np.sin(plan[:, 0] / 90.0)
        if abs(self.curve) > 1e-7:
            reach = 1 / self.curve
            u, v = (reach - v) * np.sin(u / reach), reach - (reach - v) * np.cos(u / reach)
        return place(np.stack([u, v], axis=1), self.x, self.y, self.angle)

    def at(self, u: float, v: float) -> tuple[float, float, float]:
        """One plan point on the ground, and the direction in which u runs there."""
        here, ahead = self.ground(points((u, v), (u + 1.0, v)))
        return float(here[0]), float(here[1]), math.atan2(ahead[1] - here[1], ahead[0] - here[0])
