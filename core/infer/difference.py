"""Where two masks of one picture differ: as a mask of its own, and as areas by pairs of classes."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from core.classes import ClassMap, Colour
from core.imagery.limits import Info
from core.infer.areas import Area, AreaCounter
from core.infer.masks import MaskWriter
from core.infer.rows import NO_DATA

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
    with rasterio.open(student) as ours, rasterio.open(teacher) as theirs:
        for y in range(0, info.height, _ROWS):
            window = Window(0, y, info.width, min(_ROWS, info.height - y))
            says, should = ours.read(1, window=window), theirs.read(1, window=window)
            writer.write(y, difference(count, student=says, teacher=should))
            counter.add(y, says, should)
    writer.close()
    return counter.areas()


def difference(count: int, *, student: NDArray[np.uint8], teacher: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Masks (H, W) of `count` classes → `count` where they agree, else the student's class; `NO_DATA` if either is."""
    found = np.where(student == teacher, np.uint8(count), student)
    found[(student == NO_DATA) | (teacher == NO_DATA)] = NO_DATA
    return found


def difference_names(classes: ClassMap) -> tuple[str, ...]:
    """By value: the classes, and behind them agreement."""
    return (*classes.scored_names, "both the same")


def difference_colours(classes: ClassMap) -> tuple[Colour, ...]:
    return (*classes.colours[: classes.outputs], _AGREE_COLOUR)


class _PairCounter:
    """Areas of agreement and of each pair; a row of counters, since an `AreaCounter` holds one byte of classes."""

    def __init__(self, info: Info, names: tuple[str, ...], count: int) -> None:
        self._names, self._count = names, count
        self._by_teacher = [AreaCounter(info, names[: count + 1]) for _ in range(count)]

    def add(self, y: int, says: NDArray[np.uint8], should: NDArray[np.uint8]) -> None:
        for index, counter in enumerate(self._by_teacher):
            counter.add(y, np.where((should == index) & (says != NO_DATA), says, np.uint8(NO_DATA)))

    def areas(self) -> list[Area]:
        rows = [counter.areas()[: self._count] for counter in self._by_teacher]
        total = max(sum(area.pixels for row in rows for area in row), 1)
        same = [row[index] for index, row in enumerate(rows)]
        found = [_sum(self._names[0], same, total)]
        for at, row in enumerate(rows):
            for other, area in enumerate(row):
                if other != at and area.pixels:
                    found.append(_sum(self._names[1 + at * self._count + other], [area], total))
        return found


def _sum(name: str, areas: list[Area], total: int) -> Area:
    pixels = sum(area.pixels for area in areas)
    metres = [area.square_metres for area in areas if area.square_metres is not None]
    return Area(name, pixels, sum(metres) if len(metres) == len(areas) else None, pixels / total)
