"""Buildings as the camera sees them: walls that lean outwards, then roofs with what stands on them."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.geometry import Points, area, place, rectangle, shrunk, swept
from tools.synthetic.noise import Field, grain
from tools.synthetic.plan import Building, Colour, Mass
from tools.synthetic.raster import Canvas
from tools.synthetic.styles import Light

BUILDING, WATER = SHIPPED_SCENES.classes.names.index("Building"), SHIPPED_SCENES.classes.names.index("Water")
SCALE = 4


def raise_buildings(canvas: Canvas, buildings: list[Building]) -> None:
    """Put the height of every building on the ground it stands on, lowest first, for the shadows."""
    masses = sorted((mass for building in buildings for mass in building.masses), key=lambda mass: mass.top)
    picture = Image.fromarray(canvas.height)
    draw = ImageDraw.Draw(picture)
    for mass in masses:
        draw.polygon([tuple(p) for p in (mass.outline / canvas.gsd).tolist()], fill=float(mass.top))
    np.maximum(canvas.height, np.asarray(picture), out=canvas.height)


def paint_buildings(
    canvas: Canvas, rng: np.random.Generator, buildings: list[Building], light: Light, ceiling: Field
) -> None:
    """Draw all buildings over the shaded ground. `ceiling` is the shadow ceiling, which darkens roofs below others."""
    lean = np.array(light.lean)
    ordered = sorted(buildings, key=lambda item: -float(item.masses[0].outline.mean(axis=0) @ lean))
    texture = grain(rng, 128)
    for building in ordered:
        for mass in building.masses:
            _paint_mass(canvas, rng, mass, light, ceiling, texture)


class _Stamp:
    """A small picture of one mass, at `SCALE` times the resolution, with its own coverage."""

    def __init__(self, outline: Points, canvas: Canvas) -> None:
        low = np.floor(outline.min(axis=0) / canvas.gsd).astype(int) - 1
        high = np.ceil(outline.max(axis=0) / canvas.gsd).astype(int) + 2
        self.low = np.clip(low, 0, canvas.size)
        self.high = np.clip(high, 0, canvas.size)
        self._factor = SCALE / canvas.gsd
        wide, tall = (max(0, int(n)) for n in self.high - self.low)
        self.empty = wide == 0 or tall == 0
        self.window = (slice(self.low[1], self.high[1]), slice(self.low[0], self.high[0]))
        self.picture = Image.new("RGB", (max(1, wide) * SCALE, max(1, tall) * SCALE))
        self.shape = Image.new("L", self.picture.size)
        self.roof = Image.new("L", self.picture.size)
        self._ink, self._cover, self._top = (ImageDraw.Draw(i) for i in (self.picture, self.shape, self.roof))

    def _flat(self, outline: Points) -> list[tuple[float, ...]]:
        return [tuple(p) for p in (outline * self._factor - self.low * SCALE).tolist()]

    def polygon(self, outline: Points, colour: Colour | Points, *, solid: bool = False, top: bool = False) -> None:
        """Fill; `solid` belongs to the building's coverage, `top` is at roof height."""
        ink = tuple(max(0, min(255, int(c))) for c in colour)
        flat = self._flat(outline)
        self._ink.polygon(flat, fill=ink)
        if solid:
            self._cover.polygon(flat, fill=255)
        if top:
            self._top.polygon(flat, fill=255)

    def line(self, path: Points, colour: Colour | Points, width: float) -> None:
        ink = tuple(max(0, min(255, int(c))) for c in colour)
        self._ink.line(self._flat(path), fill=ink, width=max(1, round(width * self._factor)))


def _paint_mass(
    canvas: Canvas, rng: np.random.Generator, mass: Mass, light: Light, ceiling: Field, texture: Field
) -> None:
    lean = np.array(light.lean)
    base, roof = mass.outline + lean * mass.bottom, mass.outline + lean * mass.top
    stamp = _Stamp(np.concatenate([base, roof]), canvas)
    if stamp.empty:
        return
    _walls(stamp, mass, base, roof, light)
    stamp.polygon(roof, np.array(mass.colour), solid=True, top=True)
    {"flat": _flat_roof, "hip": _hip_roof, "ribbed": _ribbed_roof, "plain": _plain_roof}[mass.roof](
        stamp, rng, mass, roof, light
    )
    _compose(canvas, stamp, mass, light, ceiling, texture)


def _compose(canvas: Canvas, stamp: _Stamp, mass: Mass, light: Light, ceiling: Field, texture: Field) -> None:
    """Bring the stamp to the scene's resolution and lay it down, in shade where something taller throws it."""
    cover = np.asarray(stamp.shape.reduce(SCALE), np.float32) / 255
    on_top = np.asarray(stamp.roof.reduce(SCALE), np.float32) / 255
    stamp.picture.paste((0, 0, 0), (0, 0), ImageChops.invert(stamp.shape))
    inked = np.asarray(stamp.picture.reduce(SCALE), np.float32) / np.maximum(cover, 0.06)[..., None]
    rows, columns = np.indices(cover.shape)
    speckle = texture[(rows + stamp.low[1]) % 128, (columns + stamp.low[0]) % 128]
    inked = np.clip(inked, 0, 255) * (1 + 0.025 * speckle)[..., None]
    shift = np.round(np.array(light.lean) * mass.top / canvas.gsd).astype(int)
    y = np.clip(rows + stamp.low[1] - shift[1], 0, canvas.size - 1)
    x = np.clip(columns + stamp.low[0] - shift[0], 0, canvas.size - 1)
    dark = ((ceiling[y, x] > mass.top + 0.4) & (on_top > 0.5))[..., None]
    inked = np.where(dark, inked * np.array(light.shade, np.float32), inked)
    canvas.colour[stamp.window] += (inked - canvas.colour[stamp.window]) * cover[..., None]
    canvas.labels[stamp.window][cover >= 0.5] = BUILDING
    if mass.pool is not None:
        _pool(canvas, mass.pool + np.array(light.lean) * mass.top)


def _pool(canvas: Canvas, outline: Points) -> None:
    sheet = canvas.sheet(scale=2)
    sheet.polygon(outline)
    canvas.paint(sheet.cover(), (84, 166, 186), label=WATER)


def _walls(stamp: _Stamp, mass: Mass, base: Points, roof: Points, light: Light) -> None:
    """The sides that face the camera, with a band for each floor."""
    sign = 1.0 if area(mass.outline) > 0 else -1.0
    lean, sun = np.array(light.lean), -np.array(light.shadow)
    sun = sun / max(float(np.hypot(*sun)), 1e-6)
    count = len(base)
    for here in range(count):
        ahead = (here + 1) % count
        edge = base[ahead] - base[here]
        normal = sign * np.array([edge[1], -edge[0]]) / max(float(np.hypot(*edge)), 1e-6)
        if float(normal @ lean) >= 0:
            continue
        bright = 0.36 + 0.62 * max(0.0, float(normal @ sun))
        colour = np.array(mass.wall) * bright
        stamp.polygon(np.stack([base[here], base[ahead], roof[ahead], roof[here]]), colour, solid=True)
        floors = int((mass.top - mass.bottom) / 3.6)
        for floor in range(1, floors):
            part = floor / floors
            low, high = base[here] + (roof[here] - base[here]) * part, base[ahead] + (roof[ahead] - base[ahead]) * part
            stamp.line(np.stack([low, high]), colour * 0.62, 1.3 * float(np.hypot(*lean)) * 1.0)


def _plain_roof(stamp: _Stamp, rng: np.random.Generator, mass: Mass, roof: Points, light: Light) -> None:
    """Nothing on it."""


def _flat_roof(stamp: _Stamp, rng: np.random.Generator, mass: Mass, roof: Points, light: Light) -> None:
    """A parapet with its shadow, patches of felt, and boxes that throw shadows of their own."""
    colour = np.array(mass.colour)
    inner = shrunk(roof, 0.5)
    stamp.polygon(inner, colour * np.array(light.shade) * 1.15)
    away = np.array(light.shadow) * 0.9
    lit = shrunk(roof, 0.5) + away
    _clipped(stamp, inner, lit, colour * 0.93)
    low, high = roof.min(axis=0), roof.max(axis=0)
    for _ in range(mass.units):
        spot = rng.uniform(0.12, 0.88, 2) * (high - low) + low
        wide, deep, tall = rng.uniform(1.0, 4.5), rng.uniform(1.0, 3.0), rng.uniform(0.8, 2.6)
        unit = place(rectangle(wide, deep), spot[0], spot[1], mass.angle)
        if all(_inside(inner, corner) for corner in unit):
            stamp.polygon(swept(unit, np.array(light.shadow) * tall), colour * np.array(light.shade) * 1.1)
            stamp.polygon(unit + np.array(light.lean) * tall, colour * rng.uniform(0.8, 1.25) + rng.uniform(-15, 20))


def _clipped(stamp: _Stamp, inner: Points, lit: Points, colour: Points) -> None:
    """Fill the part of `lit` that lies in `inner`."""
    size = stamp.picture.size
    mask, other = Image.new("L", size), Image.new("L", size)
    ImageDraw.Draw(mask).polygon(stamp._flat(lit), fill=255)
    ImageDraw.Draw(other).polygon(stamp._flat(inner), fill=255)
    both = ImageChops.darker(mask, other)
    stamp.picture.paste(tuple(max(0, min(255, int(c))) for c in colour), (0, 0), both)


def _inside(outline: Points, spot: Points) -> bool:
    """Whether a point lies in an outline (even-odd)."""
    x, y = float(spot[0]), float(spot[1])
    ahead = np.roll(outline, -1, axis=0)
    between = (outline[:, 1] > y) != (ahead[:, 1] > y)
    rise = np.where(ahead[:, 1] == outline[:, 1], 1e-9, ahead[:, 1] - outline[:, 1])
    cut = (ahead[:, 0] - outline[:, 0]) * (y - outline[:, 1]) / rise + outline[:, 0]
    return bool(np.count_nonzero(between & (x < cut)) % 2)


def _hip_roof(stamp: _Stamp, rng: np.random.Generator, mass: Mass, roof: Points, light: Light) -> None:
    """Four slopes, each as bright as it faces the sun. For outlines of four corners."""
    if len(roof) != 4:
        _flat_roof(stamp, rng, mass, roof, light)
        return
    if np.hypot(*(roof[1] - roof[0])) < np.hypot(*(roof[2] - roof[1])):
        roof = np.roll(roof, -1, axis=0)
    short = float(np.hypot(*(roof[2] - roof[1])))
    long = float(np.hypot(*(roof[1] - roof[0])))
    inset = min(0.48, 0.5 * short / long)
    left, right = (roof[0] + roof[3]) / 2, (roof[1] + roof[2]) / 2
    ridge_a, ridge_b = left + (right - left) * inset, right + (left - right) * inset
    rise = np.array(light.lean) * short * 0.18
    ridge_a, ridge_b = ridge_a + rise, ridge_b + rise
    sun = -np.array(light.shadow) / max(math.hypot(*light.shadow), 1e-6)
    middle = roof.mean(axis=0)
    for face in (
        (roof[0], roof[1], ridge_b, ridge_a),
        (roof[1], roof[2], ridge_b),
        (roof[2], roof[3], ridge_a, ridge_b),
        (roof[3], roof[0], ridge_a),
    ):
        out = (face[0] + face[1]) / 2 - middle
        facing = float(out @ sun) / max(float(np.hypot(*out)), 1e-6)
        stamp.polygon(np.stack(face), np.array(mass.colour) * (0.86 + 0.30 * facing))
    stamp.line(np.stack([ridge_a, ridge_b]), np.array(mass.colour) * 1.12, 0.35)


def _ribbed_roof(stamp: _Stamp, rng: np.random.Generator, mass: Mass, roof: Points, light: Light) -> None:
    """Two low slopes of sheet metal with ribs, skylights and vents. For outlines of four corners."""
    if np.hypot(*(roof[1] - roof[0])) < np.hypot(*(roof[2] - roof[1])):
        roof = np.roll(roof, -1, axis=0)
    left, right = (roof[0] + roof[3]) / 2, (roof[1] + roof[2]) / 2
    sun = -np.array(light.shadow) / max(math.hypot(*light.shadow), 1e-6)
    out = (roof[0] + roof[1]) / 2 - roof.mean(axis=0)
    facing = 0.10 * float(out @ sun) / max(float(np.hypot(*out)), 1e-6)
    colour = np.array(mass.colour)
    stamp.polygon(np.stack([roof[0], roof[1], right, left]), colour * (0.95 + facing))
    stamp.polygon(np.stack([left, right, roof[2], roof[3]]), colour * (0.95 - facing))
    steps = max(4, int(np.hypot(*(roof[1] - roof[0])) / 3.0))
    sky = int(rng.integers(3, 7))
    for step in range(1, steps):
        part = step / steps
        a, b = roof[0] + (roof[1] - roof[0]) * part, roof[3] + (roof[2] - roof[3]) * part
        stamp.line(np.stack([a, b]), colour * 0.86, 0.25)
        if step % sky == 0:
            for t in (0.22, 0.68):
                stamp.line(np.stack([a + (b - a) * t, a + (b - a) * (t + 0.14)]), colour * 0.72 + 12, 0.9)
    stamp.line(np.stack([left, right]), colour * 1.06, 0.6)
    for edge in (roof[[0, 1]], roof[[2, 3]]):
        stamp.line(edge, colour * 0.7, 0.5)
