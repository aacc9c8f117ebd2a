"""Colours of classes that stay apart for people with any of the three common colour-vision deficiencies."""

from collections.abc import Sequence

Colour = tuple[int, int, int]

_BRICK, _SAND, _PLUM = (234, 71, 9), (243, 231, 183), (51, 25, 52)
_GREEN, _BLUE, _GREY = (50, 161, 120), (18, 84, 205), (144, 138, 170)

SAFE: tuple[Colour, ...] = (_BRICK, _SAND, _PLUM, _GREEN, _BLUE, _GREY)
"""In pairs far apart, as seen with each deficiency: tests/ui/test_palettes.py simulates them."""

_BY_NAME = {
    "building": _BRICK,
    "land": _SAND,
    "road": _PLUM,
    "vegetation": _GREEN,
    "water": _BLUE,
    "unlabeled": _GREY,
}


def safe_colours(classes: Sequence[tuple[str, Colour]]) -> list[Colour]:
    """A colour for each class: what its name suggests where the names are known, else by turns.

    More classes than `SAFE` has colours keep the colours they came with: so many cannot be told apart by colour alone.
    """
    if len(classes) > len(SAFE):
        return [colour for _, colour in classes]
    names = [name.lower() for name, _ in classes]
    if set(names) <= _BY_NAME.keys():
        return [_BY_NAME[name] for name in names]
    return list(SAFE[: len(classes)])
