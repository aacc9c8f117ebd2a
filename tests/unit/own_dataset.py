"""A made dataset of any classes, imported under a name: what the tests of one's own classes share."""

from pathlib import Path

import numpy as np

from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from tests.unit.data.pictures import save

ODD_NAMES = ('Löß & "Co"', "Weg/Pfad;", "=SUM(A1)", "水 <b>")
"""Of four classes: what a file name, a table, a page or a spreadsheet could trip over."""
SIDE = 48
USES = {"train": ("a", "b"), "validate": ("c",), "test": ("d",)}


def own_dataset(
    home: Path, name: str = "plots", *, names: tuple[str, ...] = ODD_NAMES, unlabelled: tuple[str, ...] = ("e",)
) -> Path:
    """Its folder below `home`: four labelled pictures in stripes of their classes, and some without labels."""
    folder = home / "datasets" / name
    random = np.random.default_rng(len(names))
    tones = random.integers(0, 256, (len(names), 3))
    for number, stem in enumerate((*(stem for stems in USES.values() for stem in stems), *unlabelled)):
        stripes = np.arange(SIDE * SIDE) * len(names) // (SIDE * SIDE)
        mask = ((stripes + number) % len(names)).reshape(SIDE, SIDE).astype(np.uint8)
        noise = random.integers(-20, 21, (SIDE, SIDE, 3))
        save(folder / "images" / f"{stem}.png", (tones[mask] + noise).clip(0, 255).astype(np.uint8))
        if stem not in unlabelled:
            known = mask.copy()
            known[:4] = 255
            save(folder / "masks" / f"{stem}.png", known)
    split = DescribedSplit("names", **USES)
    classes = tuple(DescribedClass(name) for name in names)
    write_description(folder, Description(name, "Plots", classes, split=split))
    return folder
