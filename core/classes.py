"""What the classes of a dataset are: names, colours, and which index is not scored. Pure Python."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from core.errors import ConfigError

Colour = tuple[int, int, int]

MOST_CLASSES = 255
"""A mask has a byte a pixel, and one value of it says that nobody labelled."""
UNLABELLED_COLOUR: Colour = (144, 138, 170)
"""Of the ignored class, beside the colours of `colours_for`."""

_BRICK, _SAND, _PLUM, _GREEN, _BLUE = (234, 71, 9), (243, 231, 183), (51, 25, 52), (50, 161, 120), (18, 84, 205)
# Both chosen from a grid by exchange, so that the two nearest, the ignored class among them, lie furthest apart in
# CIELAB: the twelve as seen with each colour-vision deficiency, the forty with none (tests/unit/test_classes.py).
_TWELVE = (
    (238, 119, 0), (85, 0, 0), (51, 17, 85), (255, 221, 136), (153, 0, 187), (0, 0, 255), (102, 255, 238),
    (238, 119, 255), (204, 255, 17), (34, 170, 119), (187, 17, 0), (0, 85, 85),
)  # fmt: skip
_FORTY = (
    (34, 255, 102), (170, 17, 255), (0, 68, 0), (0, 34, 119), (102, 119, 51), (204, 136, 0), (68, 17, 17),
    (238, 238, 187), (221, 136, 255), (153, 0, 102), (255, 119, 136), (187, 255, 0), (187, 221, 255), (102, 0, 153),
    (51, 0, 255), (51, 68, 51), (170, 187, 85), (255, 0, 153), (255, 187, 187), (204, 187, 0), (51, 17, 68),
    (204, 0, 170), (102, 119, 204), (153, 119, 102), (34, 0, 187), (136, 68, 85), (204, 187, 255), (136, 187, 153),
    (136, 17, 17), (119, 51, 136), (238, 136, 204), (34, 34, 51), (0, 102, 119), (170, 255, 153), (221, 17, 51),
    (0, 68, 204), (102, 255, 238), (34, 170, 85), (221, 85, 255), (204, 85, 17),
)  # fmt: skip


@dataclass(frozen=True)
class ClassMap:
    """Class names and mask colours, index by index.

    `ignore_index` is the index of pixels that nobody labelled: they are neither trained on nor scored by default.
    It must be the last index, so that a model has one output for each class before it. `void_colours` are further
    colours of masks that mean the ignored class, where they match exactly.

    Pictures that nobody labelled have the ignored class alone; no model can be made of it.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignore_index: int
    void_colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if len(self.names) != len(self.colours):
            problems.append(f"{len(self.names)} class names but {len(self.colours)} colours: give one colour a class.")
        if self.ignore_index != len(self.names) - 1:
            problems.append(
                f"The ignored class must be the last one, index {len(self.names) - 1}, not {self.ignore_index}."
            )
        if len(self.names) in (0, 2):
            problems.append("At least two classes and the ignored one are needed.")
        if len(self.names) > MOST_CLASSES + 1:
            problems.append(f"A mask holds 256 classes at most, not {len(self.names)}.")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            problems.append(f"Class names must differ: {', '.join(twice)} is there twice.")
        if not all(0 <= channel <= 255 for colour in self.colours for channel in colour):
            problems.append("Colours must be red, green and blue from 0 to 255.")
        if problems:
            raise ConfigError(problems)

    @property
    def outputs(self) -> int:
        """How many channels a model's logits have: every class but the ignored one."""
        return self.ignore_index

    @property
    def scored_names(self) -> tuple[str, ...]:
        return self.names[: self.outputs]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ClassMap":
        try:
            return cls(
                names=tuple(str(name) for name in data["names"]),
                colours=_colours(data["colours"]),
                ignore_index=int(data["ignore_index"]),
                void_colours=_colours(data.get("void_colours", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"This class map cannot be read ({error}): it needs names, colours and ignore_index."
            ) from error


def in_short(names: Sequence[str]) -> str:
    """Class names for a sentence: `a, b, c`, or `a, b, c, d, e and 7 more` of many."""
    if len(names) <= 8:
        return ", ".join(names)
    return f"{', '.join(names[:5])} and {len(names) - 5} more"


@lru_cache
def colours_for(count: int) -> tuple[Colour, ...]:
    """A colour for each of so many classes that bring none; all differ, and none is `UNLABELLED_COLOUR`.

    Up to 12 are told apart with each of the three common colour-vision deficiencies, up to 40 by everybody else.

    Args:
        count: how many classes, 0 to `MOST_CLASSES`.
    """
    if count <= 5:
        return (_BRICK, _SAND, _PLUM, _GREEN, _BLUE)[:count]
    if count <= len(_TWELVE):
        return _TWELVE[:count]
    found: list[Colour] = list(_FORTY[:count])
    steps = range(0, 256, 36)
    grid: list[Colour] = [(r, g, b) for r in steps for g in steps for b in steps]
    apart = {colour: min(_squared(colour, other) for other in (*found, UNLABELLED_COLOUR)) for colour in grid}
    while len(found) < count:
        furthest = max(grid, key=apart.__getitem__)
        found.append(furthest)
        apart = {colour: min(distance, _squared(colour, furthest)) for colour, distance in apart.items()}
    return tuple(found)


def _squared(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _colours(values: Iterable[Iterable[int]]) -> tuple[Colour, ...]:
    return tuple((int(r), int(g), int(b)) for r, g, b in values)
