"""Water: where it lies, as a depth field, and how it looks from the wet bank to the deep."""

import math

import numpy as np

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.noise import Field, blur, fractal, ramp, smooth
from tools.synthetic.plan import Colour
from tools.synthetic.raster import Canvas
from tools.synthetic.styles import WaterKind

WATER = SHIPPED_SCENES.classes.names.index("Water")
DRY = -1000.0
DEEPS: tuple[Colour, ...] = ((14, 20, 20), (12, 26, 25), (22, 26, 18), (16, 28, 22), (14, 17, 22))
SHALLOWS: tuple[Colour, ...] = ((96, 116, 98), (120, 132, 112), (70, 104, 92), (88, 92, 66), (104, 124, 120))


def depth_field(kind: WaterKind, rng: np.random.Generator, size: int, gsd: float) -> Field:
    """Metres from the shore, (size, size): positive in the water, negative on land."""
    if kind == "none":
        return _dry(size)
    maker = {
        "coast": _coast,
        "lagoon": _lagoon,
        "marina": _marina,
        "ponds": _ponds,
        "creek": _creek,
        "mangrove": _mangrove,
    }[kind]
    return maker(rng, size, gsd)


def _grid(size: int, gsd: float) -> tuple[Field, Field]:
    """Metres from the middle of the scene: (down, right), each (size, size)."""
    axis = ((np.arange(size) + 0.5 - size / 2) * gsd).astype(np.float32)
    return axis[:, None] + np.zeros((1, size), np.float32), axis[None, :] + np.zeros((size, 1), np.float32)


def _dry(size: int) -> Field:
    return np.full((size, size), DRY, np.float32)


def _coast(rng: np.random.Generator, size: int, gsd: float) -> Field:
    """The sea on one side, behind a shore that winds; its straight part is a quay."""
    y, x = _grid(size, gsd)
    turn = rng.uniform(0, 2 * math.pi)
    along = np.float32(math.cos(turn)) * x + np.float32(math.sin(turn)) * y
    winding = 0.11 * size * gsd * fractal(rng, size, size * 0.6, octaves=3) + 5 * fractal(
        rng, size, 40 / gsd, octaves=4
    )
    shore = along - np.float32(0.14 * size * gsd) + winding
    basin = _basin(x, y, turn + 0.1, (0.17 * size * gsd, 0.05 * size * gsd), (0.30 * size * gsd, 0.045 * size * gsd))
    return np.maximum(shore, basin)


def _basin(x: Field, y: Field, turn: float, middle: tuple[float, float], half: tuple[float, float]) -> Field:
    """Metres inside a turned rectangle."""
    cos, sin = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    u, v = cos * x + sin * y - np.float32(middle[0]), -sin * x + cos * y - np.float32(middle[1])
    return np.minimum(np.float32(half[0]) - np.abs(u), np.float32(half[1]) - np.abs(v))


def _marina(rng: np.random.Generator, size: int, gsd: float) -> Field:
    """A bay with straight quays and a mole, and the open sea behind."""
    y, x = _grid(size, gsd)
    turn, extent = rng.uniform(0, 2 * math.pi), size * gsd
    sea = _basin(x, y, turn, (0.72 * extent, 0.0), (0.40 * extent, 2 * extent))
    bay = _basin(x, y, turn, (0.17 * extent, -0.06 * extent), (0.20 * extent, 0.19 * extent))
    arm = _basin(x, y, turn, (-0.12 * extent, -0.20 * extent), (0.22 * extent, 0.045 * extent))
    mole = _basin(x, y, turn, (0.33 * extent, 0.07 * extent), (0.025 * extent, 0.26 * extent))
    shore = 4 * fractal(rng, size, 60 / gsd, octaves=3)
    open_water = np.maximum(np.maximum(sea + shore, bay), arm)
    return np.asarray(np.minimum(open_water, -mole), dtype=np.float32)


def _lagoon(rng: np.random.Generator, size: int, gsd: float) -> Field:
    field = fractal(rng, size, size * 0.42, octaves=3, gain=0.35)
    return np.asarray(
        (field - 0.30) * np.float32(110) + 1.5 * fractal(rng, size, 18 / gsd, octaves=3), dtype=np.float32
    )


def _ponds(rng: np.random.Generator, size: int, gsd: float) -> Field:
    y, x = _grid(size, gsd)
    depth = _dry(size)
    edge = 14 * fractal(rng, size, 50 / gsd, octaves=3)
    for _ in range(5):
        centre = rng.uniform(-0.4, 0.4, 2) * size * gsd
        reach = rng.uniform(0.04, 0.085) * size * gsd
        away = np.sqrt((x - np.float32(centre[0])) ** 2 + (y - np.float32(centre[1])) ** 2)
        depth = np.maximum(depth, np.float32(reach) - away + edge)
    return depth


def _creek(rng: np.random.Generator, size: int, gsd: float) -> Field:
    y, x = _grid(size, gsd)
    turn = rng.uniform(0, 2 * math.pi)
    across = np.float32(math.cos(turn)) * x + np.float32(math.sin(turn)) * y
    winding = 0.16 * size * gsd * smooth(rng, size, size * 0.5) + 3 * fractal(rng, size, 30 / gsd, octaves=3)
    return np.asarray(np.float32(0.085 * size * gsd) - np.abs(across + winding), dtype=np.float32)


def _mangrove(rng: np.random.Generator, size: int, gsd: float) -> Field:
    """Flats cut by winding channels, and open water on one side."""
    channels = np.float32(0.10) - np.abs(fractal(rng, size, size * 0.45, octaves=4, gain=0.45))
    fine = np.float32(0.05) - np.abs(fractal(rng, size, size * 0.16, octaves=4, gain=0.5))
    y, x = _grid(size, gsd)
    turn = rng.uniform(0, 2 * math.pi)
    sea = np.float32(math.cos(turn)) * x + np.float32(math.sin(turn)) * y - np.float32(0.22 * size * gsd)
    sea += 70 * fractal(rng, size, size * 0.4, octaves=4)
    return np.maximum(np.maximum(channels * 130, fine * 70 - 2), sea)


def paint_water(canvas: Canvas, rng: np.random.Generator, depth: Field, *, hard_bank: bool, shelf: float) -> None:
    """Paint bank, shallows and deep water by `depth`. `shelf` is how many metres the shallows reach out."""
    if depth.max() <= DRY / 2:
        return
    size = canvas.size
    tone = int(rng.integers(len(DEEPS)))
    if hard_bank:
        paving = np.array((186, 180, 178), np.float32) * (1 + 0.05 * fractal(rng, size, 12 / canvas.gsd))[..., None]
        canvas.paint(ramp(depth, -12.5, -12), paving, strength=0.9)
        canvas.paint(ramp(depth, -2.2, -1.8), (206, 202, 198), strength=0.7)
        canvas.paint(ramp(depth, -1.2, -0.8), (120, 116, 110), strength=0.8)
    else:
        uneven = depth + 3 * fractal(rng, size, 14 / canvas.gsd, octaves=4)
        canvas.paint(ramp(uneven, -22, -2), (222, 214, 198), strength=0.35)
        canvas.paint(ramp(uneven, -7, 0), (112, 104, 90), strength=0.75)
    cover = np.clip(depth / canvas.gsd + 0.5, 0, 1)
    canvas.paint(cover, _surface(canvas, rng, depth, tone, shelf), label=WATER)


def _surface(canvas: Canvas, rng: np.random.Generator, depth: Field, tone: int, shelf: float) -> Field:
    """The colour of the water, pixel by pixel."""
    size, gsd = canvas.size, canvas.gsd
    deep, shallow = np.array(DEEPS[tone], np.float32), np.array(SHALLOWS[tone], np.float32)
    shoals = depth + 0.6 * shelf * fractal(rng, size, 60 / gsd, octaves=5)
    near = 1 - ramp(shoals, 0.0, shelf)
    colour = deep + (shallow - deep) * (near * near)[..., None]
    slow = fractal(rng, size, 150 / gsd, octaves=4)
    ripples = smooth(rng, size, 1.6 / gsd, stretch=(1.0, 2.6)) + 0.8 * smooth(rng, size, 3.4 / gsd, stretch=(1.0, 3.2))
    colour *= (1 + 0.16 * slow + 0.06 * ripples)[..., None]
    colour += (1.2 * ripples + 1.5 * blur(rng.standard_normal((size, size), dtype=np.float32), 0.6))[..., None]
    return np.asarray(np.maximum(colour, 0), dtype=np.float32)
