"""Datasets as people bring them, made by a seed, and what an import makes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset_files import import_dataset
from core.data.description import Description, read_description
from core.data.importing import ImportChoices, Survey, opened_source
from core.data.named import folder_of
from core.image import read_mask

HEIGHT, WIDTH = 48, 64
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Imported:
    """What lies on the disk after an import: masks by stem, None where there is none."""

    survey: Survey
    description: Description
    masks: dict[str, Pixels | None]

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.description.classes]

    @property
    def parts(self) -> dict[str, str]:
        return self.description.split.uses()


def photo(seed: int, *, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Noise, as little alike as neighbours of a photo can be."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def truth(seed: int, classes: int, *, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Class indices in blocks of 8 x 8, every class among them."""
    blocks = np.random.default_rng(seed).integers(0, classes, (-(-height // 8), -(-width // 8)), dtype=np.uint8)
    blocks.reshape(-1)[:classes] = np.arange(classes)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy()


def save(path: Path, array: NDArray[Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def take(source: Path, name: str = "taken", **choices: Any) -> Imported:
    """Import a source below TERRASTILL_HOME and read back what was written."""
    with opened_source(source) as tree:
        survey = import_dataset(tree, name, ImportChoices(**choices))
    folder = folder_of(name)
    masks = {}
    for image in sorted((folder / "images").iterdir()):
        there = list((folder / "masks").glob(f"{image.stem}.*"))
        masks[image.stem] = stored_mask(there[0]) if there else None
    return Imported(survey, read_description(folder), masks)


def stored_mask(path: Path) -> Pixels:
    """The bytes of a mask; 255 stays 255."""
    values = np.asarray(Image.open(path)) if path.suffix == ".png" else read_mask(path).values
    assert values.dtype == np.uint8
    assert values.ndim == 2
    return values


def in_order(taken: Imported, names: list[str], masks: dict[str, Pixels]) -> None:
    """The classes by name, and each mask as it was given, by places in `names`."""
    assert sorted(taken.names) == sorted(names)
    table = np.array([*(taken.names.index(name) for name in names)], np.uint8)
    for stem, given in masks.items():
        found = taken.masks[stem]
        assert found is not None
        assert np.array_equal(found, table[given])
