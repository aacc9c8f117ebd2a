"""Numbers of masks that are published with the name of what they mean, known by the names of files and folders."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.data.readers.source import Listed
from core.data.readers.tree import Tree
from core.errors import DataError

_UNLABELLED = 255
_Table = tuple[str, str, dict[int, str]]
_FLAIR = (
    "Building", "Pervious surface", "Impervious surface", "Bare soil", "Water", "Coniferous", "Deciduous", "Brushwood",
    "Vineyard", "Herbaceous vegetation", "Agricultural land", "Plowed land", "Swimming pool", "Snow", "Clear cut",
    "Mixed", "Ligneous", "Greenhouse", "Other",
)  # fmt: skip
_TABLES: tuple[_Table, ...] = (
    ("LoveDA", r"(?:rural|urban)/masks_png/\d+\.png$", dict(enumerate((
        "No data", "Background", "Building", "Road", "Water", "Barren", "Forest", "Agriculture",
    )))),
    ("LandCover.ai", r"(?:^|/)[mn]-3\d-\d+-[a-d]-[a-d]-\d-\d(?:_\d+_m)?\.(?:tiff?|png)$", dict(enumerate((
        "Background", "Building", "Woodland", "Water", "Road",
    )))),
    ("OpenEarthMap", r"openearthmap.*/labels/", dict(enumerate((
        "Unknown", "Bareland", "Rangeland", "Developed space", "Road", "Tree", "Water", "Agriculture land", "Building",
    )))),
    ("FloodNet", r"floodnet.*_lab\.png$", dict(enumerate((
        "Background", "Building flooded", "Building not flooded", "Road flooded", "Road not flooded", "Water", "Tree",
        "Vehicle", "Pool", "Grass",
    )))),
    ("RescueNet", r"rescuenet.*_lab\.png$", dict(enumerate((
        "Background", "Water", "Building without damage", "Building with medium damage", "Building with major damage",
        "Building destroyed", "Vehicle", "Road clear", "Road blocked", "Tree", "Pool",
    )))),
    ("FLAIR", r"/d\d{3}_20\d\d/z\w+/msk/msk_\d{6}\.tif$", dict(enumerate(_FLAIR, start=1))),
    ("xView2", r"/targets/.*_disaster_target\.png$", dict(enumerate((
        "Background", "No damage", "Minor damage", "Major damage", "Destroyed",
    )))),
)  # fmt: skip
"""The title of a dataset, what the paths of its masks look like in small letters, and names by number."""


def published_numbers(tree: Tree, masks: Sequence[Path], some: Sequence[Path]) -> tuple[list[Listed], str]:
    """The names of numbers in masks of a well-known dataset, and where they are from; nothing where it is none.

    Args:
        tree: the source.
        masks: all of them, which must be called as those of the dataset.
        some: of them, which must hold no other number.
    """
    names = [f"{tree.root.name}/{tree.relative(path)}".lower() for path in masks]
    for title, pattern, table in _TABLES:
        if names and all(re.search(pattern, name) for name in names) and _hold_no_other(tree, some, table):
            return [Listed(name, number) for number, name in table.items()], f"the numbers of {title}"
    return [], ""


def _hold_no_other(tree: Tree, masks: Sequence[Path], table: dict[int, str]) -> bool:
    for path in masks:
        try:
            values = tree.decoder.sample(path).values
        except DataError:
            continue
        if values.ndim != 2 or not set(np.unique(values).tolist()) <= {*table, _UNLABELLED}:
            return False
    return True
