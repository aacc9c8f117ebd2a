"""The kinds of place a scene can be, and the colours and light it can have."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.synthetic.plan import Colour

CoverKind = Literal["none", "mangrove", "golf", "shore"]
WaterKind = Literal["none", "coast", "lagoon", "marina", "ponds", "creek", "mangrove"]
BlockKind = Literal["villas", "rows", "flats", "towers", "sheds", "park", "vacant", "site", "parking", "yard", "grove"]


@dataclass(frozen=True)
class Style:
    """One kind of place.

    `gsd` is metres a pixel; `spread` how far the town reaches from its middle, as a share of half the scene (above
    1.5: everywhere); `blocks` gives the weight of each kind of block; `street`, `row` and `gap` are the widths of a
    street and of a row of plots, and the length of a block, in metres; `curve` bends the plan (1/m); `cover` is what
    is green outside the blocks; `greens` counts attempts at a fairway; `scrub` and `trees` are densities; `sand` is an
    index of `SANDS`.
    """

    name: str
    gsd: float
    water: WaterKind = "none"
    motorway: bool = False
    spread: float = 2.0
    blocks: tuple[tuple[BlockKind, float], ...] = ()
    street: float = 7.0
    row: float = 25.0
    gap: tuple[float, float] = (90.0, 150.0)
    curve: float = 0.0
    cover: CoverKind = "none"
    greens: int = 0
    scrub: float = 0.3
    trees: float = 0.5
    sand: int = 0


STYLES: tuple[Style, ...] = (
    Style(
        "villa suburb",
        0.6,
        blocks=(("villas", 7), ("rows", 2), ("park", 1.0), ("vacant", 0.8)),
        motorway=True,
        curve=1 / 420,
        trees=0.7,
    ),
    Style(
        "dense city",
        0.5,
        blocks=(("towers", 4), ("flats", 5), ("parking", 0.6), ("park", 1.2), ("site", 0.8), ("vacant", 0.8)),
        street=11.0,
        row=48.0,
        gap=(110.0, 180.0),
        trees=0.6,
        scrub=0.1,
        sand=1,
    ),
    Style(
        "marina",
        0.55,
        water="marina",
        cover="shore",
        blocks=(("towers", 5), ("flats", 4), ("park", 1.4), ("vacant", 1.0), ("parking", 0.4)),
        street=10.0,
        row=42.0,
        gap=(100.0, 150.0),
        trees=0.8,
    ),
    Style(
        "desert edge",
        0.65,
        motorway=True,
        spread=0.55,
        blocks=(("villas", 4), ("vacant", 1), ("site", 0.8), ("grove", 2)),
        scrub=1.0,
        trees=0.3,
        sand=2,
    ),
    Style(
        "golf park",
        0.6,
        water="ponds",
        cover="golf",
        blocks=(("villas", 6), ("park", 1), ("rows", 2)),
        greens=90,
        curve=1 / 700,
        trees=0.9,
        scrub=0.2,
    ),
    Style(
        "industrial",
        0.55,
        blocks=(("sheds", 8), ("vacant", 1.4), ("site", 0.8), ("parking", 0.5), ("yard", 0.8)),
        street=10.0,
        row=56.0,
        gap=(130.0, 220.0),
        trees=0.15,
        scrub=0.3,
        sand=1,
    ),
    Style(
        "lagoon",
        0.65,
        water="lagoon",
        cover="shore",
        blocks=(("villas", 6), ("rows", 1), ("park", 1.5), ("vacant", 1)),
        curve=1 / 350,
        trees=0.9,
    ),
    Style("mangrove", 0.6, water="mangrove", cover="mangrove", spread=0.0, scrub=0.5, trees=0.6),
    Style(
        "creek",
        0.55,
        water="creek",
        motorway=True,
        cover="shore",
        blocks=(("flats", 5), ("rows", 2), ("sheds", 1), ("park", 1.5), ("vacant", 1.2)),
        street=9.0,
        row=36.0,
        gap=(90.0, 140.0),
        trees=0.6,
        sand=2,
    ),
    Style(
        "harbour",
        0.65,
        water="coast",
        blocks=(("sheds", 8), ("site", 1.2), ("vacant", 2), ("parking", 0.3), ("yard", 1.2)),
        street=10.0,
        row=50.0,
        gap=(120.0, 200.0),
        trees=0.1,
        scrub=0.2,
    ),
    Style(
        "garden town",
        0.6,
        blocks=(("villas", 5), ("flats", 1.6), ("park", 2), ("rows", 2), ("vacant", 0.6)),
        street=7.5,
        row=27.0,
        curve=-1 / 500,
        trees=1.0,
        scrub=0.15,
    ),
    Style(
        "open desert",
        0.8,
        motorway=True,
        spread=0.0,
        scrub=1.6,
        trees=0.2,
        sand=1,
    ),
)

SANDS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((188, 190, 200), (222, 222, 224), (156, 154, 160)),
    ((186, 182, 178), (218, 212, 202), (150, 144, 140)),
    ((206, 194, 176), (230, 222, 208), (176, 162, 144)),
)
"""The ground: its common, its bright and its dark colour, for each `Style.sand`."""


@dataclass(frozen=True)
class Light:
    """The sun and the camera of a scene.

    `shadow` is the ground vector (x, y) of the shadow of one metre of height, `lean` that of its picture; `shade` is
    what is left of the brightness in shadow, `cast` the colour cast, `haze` 0..1; `blur` in pixels, `noise` in levels.
    """

    shadow: tuple[float, float]
    lean: tuple[float, float]
    shade: Colour
    cast: Colour
    haze: float
    contrast: float
    blur: float
    noise: float


def light(rng: np.random.Generator) -> Light:
    """A sun in the south, at 38 to 62 degrees, and a camera a little off the vertical, on the sunny side."""
    azimuth = rng.uniform(-1.2, 1.2)
    reach = 1 / np.tan(np.radians(rng.uniform(38, 62)))
    view, tilt = np.pi / 2 - azimuth + np.pi + rng.uniform(-1.3, 1.3), np.tan(np.radians(rng.uniform(3, 11)))
    dark = rng.uniform(0.24, 0.36)
    warm = rng.uniform(-0.03, 0.04)
    return Light(
        shadow=(float(np.sin(azimuth) * reach), float(-np.cos(azimuth) * reach)),
        lean=(float(np.cos(view) * tilt), float(np.sin(view) * tilt)),
        shade=(dark * 0.94, dark, dark * 1.12),
        cast=(1 + warm, 1.0, 1 - warm + rng.uniform(0, 0.03)),
        haze=float(rng.uniform(0.0, 0.04)),
        contrast=float(rng.uniform(1.12, 1.30)),
        blur=float(rng.uniform(0.45, 0.7)),
        noise=float(rng.uniform(2.0, 4.0)),
    )
