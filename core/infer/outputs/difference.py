"""Where two masks of one picture differ: as a mask of its own, and as areas by pairs of classes."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from core import geo
from core.classes import ClassMap, Colour
from core.imagery.limits import Info
from core.infer.outputs.areas import Area, AreaCounter
from core.infer.outputs.geotiff import MaskWriter, no_data_of
from core.infer.tiling import NO_DATA

_AGREE_COLOUR: Colour = (235, 235, 235)
_ROWS = 512


def write_difference(target: Path, info: Info, classes: ClassMap, *, student: Path, teacher: Path) -> list[Area]:
    """Compare two masks on disk row by row, write the difference, and give the areas of each pair `teacher → student`.

    The first area is what they agree on; pairs that do not occur are left out.
    """
    count = classes.outputs
    names = classes.scored_names
    pairs = tuple(f"{names[one]} → {names[other]}" for one in range(count) for other in range(count))
    counter = _PairCounter(info, ("both the same", *pairs), count)
    writer = MaskWriter(target, info, difference_names(classes), difference_colours(classes))
    with geo.calls("The masks cannot be compared."), rasterio.open(student) as ours, rasterio.open(teacher) as theirs:
        for y in range(0, info.height, _ROWS):
            window = Window(0, y, info.width, min(_ROWS, info.height - y))
            says, should = ours.read(1, window=window), theirs.read(1, window=window)
            writer.write(y, difference(count, student=says, teacher=should))
            counter.add(y, says, should)
    writer.close()
    return counter.areas()


def difference(
    count: int, *, student: NDArray[np.uint8], teacher: NDArray[np.uint8]
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Where two masks of one picture differ.

    Args:
        count: How many classes there are.
        student: Class indices (H, W), `NO_DATA` where there is none.
        teacher: The same shape.

    Returns:
        (H, W): `count` where they agree, else the student's class; no data where either is. Of up to 254 classes uint8,
        and no data is `NO_DATA`; of 255 classes `count` is that number, so it is uint16, and no data is 65,535.
    """
    no_data = no_data_of(("",) * (count + 1))
    kind = np.uint8 if no_data == NO_DATA else np.uint16
    found = np.where(student == teacher, kind(count), student.astype(kind, copy=False))
    found[(student == NO_DATA) | (teacher == NO_DATA)] = no_data
    return found


def difference_names(classes: ClassMap) -> tuple[str, ...]:
    """By value: the classes, and behind them agreement."""
    return (*classes.scored_names, "both the same")


def difference_colours(classes: ClassMap) -> tuple[Colour, ...]:
    return (*classes.colours[: classes.outputs], _AGREE_COLOUR)


class _PairCounter:
    """Areas of agreement and of each pair (teacher, student), which is one code: teacher x count + student."""

    def __init__(self, info: Info, names: tuple[str, ...], count: int) -> None:
        self._names, self._count = names, count
        self._counter = AreaCounter(info, names[1:], count * count + 1)

    def add(self, y: int, says: NDArray[np.uint8], should: NDArray[np.uint8]) -> None:
        codes = should.astype(np.int32) * self._count + says
        codes[(says == NO_DATA) | (should == NO_DATA)] = self._count**2
        self._counter.add(y, codes)

    def areas(self) -> list[Area]:
        pairs = self._counter.areas(nothing=self._count**2)
        same = pairs[:: self._count + 1]
        metres = [area.square_metres for area in same if area.square_metres is not None]
        agreed = Area(
            self._names[0],
            sum(area.pixels for area in same),
            sum(metres) if len(metres) == len(same) else None,
            sum(area.share for area in same),
        )
        return [agreed, *(area for at, area in enumerate(pairs) if at % (self._count + 1) and area.pixels)]
