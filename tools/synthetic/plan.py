"""What stands where in a scene, before anything is drawn: outlines in metres with what they are made of."""

from dataclasses import dataclass, field
from typing import Literal

from tools.synthetic.geometry import Points

Colour = tuple[float, float, float]
"""Red, green and blue, 0..255, as they look in full sun."""

RoofKind = Literal["flat", "hip", "ribbed", "plain"]
AreaKind = Literal["paved", "lawn", "fairway", "green", "pool", "pond", "parking", "sand", "dirt", "court", "clutter"]
TreeKind = Literal["broad", "palm", "shrub"]


@dataclass(frozen=True)
class Road:
    """A carriageway along `path`, in metres: `median` > 0 makes it a dual one, `walk` is the pavement on each side."""

    path: Points
    width: float
    lanes: int = 2
    walk: float = 0.0
    median: float = 0.0
    planted: bool = False
    marked: bool = True
    paved: bool = True
    age: float = 0.3


@dataclass(frozen=True)
class Mass:
    """One prism of a building, from `bottom` to `top` metres above the ground."""

    outline: Points
    top: float
    colour: Colour
    bottom: float = 0.0
    roof: RoofKind = "flat"
    wall: Colour = (170.0, 162.0, 150.0)
    angle: float = 0.0
    units: int = 0
    pool: Points | None = None


@dataclass(frozen=True)
class Building:
    """Masses in the order in which they stand on each other."""

    masses: tuple[Mass, ...]


@dataclass(frozen=True)
class Area:
    """A flat piece of ground of one kind. `angle` is the direction of its rows, stripes or stalls."""

    outline: Points
    kind: AreaKind
    colour: Colour | None = None
    angle: float = 0.0


@dataclass(frozen=True)
class Tree:
    x: float
    y: float
    radius: float
    kind: TreeKind = "broad"


@dataclass(frozen=True)
class Wall:
    """A garden wall or fence along `path`."""

    path: Points
    height: float = 2.0
    colour: Colour = (205.0, 198.0, 186.0)


@dataclass(frozen=True)
class Block:
    """A thing with a box's shape that is no building: a vehicle, a container, a boat."""

    x: float
    y: float
    angle: float
    long: float
    wide: float
    height: float
    colour: Colour
    kind: Literal["car", "truck", "container", "boat", "pier", "rubble"] = "car"


@dataclass
class Plan:
    """Everything that will be drawn, filled in by the layouts.

    `tracks` are wheel tracks in the sand, `paths` footpaths through green, `pads` levelled plots.
    """

    roads: list[Road] = field(default_factory=list)
    tracks: list[Points] = field(default_factory=list)
    paths: list[Points] = field(default_factory=list)
    pads: list[Points] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    walls: list[Wall] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
