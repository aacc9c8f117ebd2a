"""The colours that classes are shown in: one choice for every picture, legend, report and file of a session.

`safe` colours stay apart for people with any of the three common colour-vision deficiencies (of up to 12 classes);
`colour` are those that the dataset came with. Every page asks `painted` for its colours, and every download goes
through `file_as_shown`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from core.classes import UNLABELLED_COLOUR, colours_for

Colour = tuple[int, int, int]
Classes = Sequence[tuple[str, Colour]]
Palette = Literal["safe", "colour"]
"""The names are those of the entries in `entries`, and of the link."""
PALETTES: tuple[Palette, ...] = ("safe", "colour")

_BY_NAME = dict(
    zip(
        ("building", "land", "road", "vegetation", "water", "unlabeled"),
        (*colours_for(5), UNLABELLED_COLOUR),
        strict=True,
    )
)


def safe_colours(classes: Classes) -> list[Colour]:
    """A colour for each class: what its name suggests where the names are known, else those of `colours_for`.

    The last class is the ignored one, as in every class map.
    """
    names = [name.lower() for name, _ in classes]
    if set(names) <= _BY_NAME.keys():
        return [_BY_NAME[name] for name in names]
    return [*colours_for(len(classes) - 1), UNLABELLED_COLOUR]


def painted(classes: Classes, palette: Palette) -> list[tuple[str, Colour]]:
    """Each class with the colour that it is shown in."""
    own = [colour for _, colour in classes]
    colours = safe_colours(classes) if palette == "safe" else own
    return [(name, colour) for (name, _), colour in zip(classes, colours, strict=True)]


def entries(classes: Classes) -> list[dict[str, Any]]:
    """For components in the browser: of each class its name, and its colour in every palette by the palette's name."""
    by_palette = {palette: [colour for _, colour in painted(classes, palette)] for palette in PALETTES}
    return [
        {"name": name, **{palette: list(by_palette[palette][index]) for palette in PALETTES}}
        for index, (name, _) in enumerate(classes)
    ]


def repainted(picture: bytes, classes: Classes, palette: Palette) -> bytes:
    """An RGB picture in the dataset's colours, as a PNG in those that are shown; other colours stay."""
    import numpy as np

    from core.image import encode_png, read_rgb

    if palette == "colour":
        return picture
    pixels = read_rgb(picture)
    found = pixels.copy()
    for (_, own), (_, shown) in zip(classes, painted(classes, palette), strict=True):
        found[(pixels == np.array(own, np.uint8)).all(axis=-1)] = shown
    return encode_png(found)


def file_as_shown(file: Path, classes: Classes, palette: Palette) -> Path:
    """A result on disk, written in the dataset's colours, as a file in the colours that are shown.

    `classes` are those of its model, the ignored one last: files hold none of that. The file itself where nothing in it
    would change; else a hidden copy beside it, which lives as long as its folder. Raises `OSError`.
    """
    from core.infer.outputs.recolour import ENDINGS, recolour

    if palette == "colour" or file.suffix not in ENDINGS:
        return file
    target = file.with_name(f".{palette}-{file.name}")
    if not target.exists() or target.stat().st_mtime_ns < file.stat().st_mtime_ns:
        recolour(file, target, [colour for _, colour in painted(classes, palette)[:-1]])
    return target
