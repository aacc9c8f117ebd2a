"""A made dataset of four bands, of any depth, whose classes the fourth alone tells apart."""

from pathlib import Path

import numpy as np
import rasterio

from core.band_set import BandSet
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from tests.unit.data.pictures import save

NAMES = ("red", "green", "blue", "near infrared")
SIDE = 48
USES = {"train": ("a", "b"), "validate": ("c",), "test": ("d",)}
PLACED = rasterio.Affine(0.6, 0.0, 500_000.0, 0.0, -0.6, 4_000_000.0)
TYPICAL = {"uint8": 255, "uint16": 10_000, "float32": 1.0}


def write_bands(path: Path, values: np.ndarray, names: tuple[str, ...] = (), **more: object) -> Path:
    """A TIFF of (H, W, C)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": values.shape[2]}
    with rasterio.open(
        path, "w", **{**profile, "dtype": values.dtype, "photometric": "MINISBLACK", "transform": PLACED, **more}
    ) as file:
        file.write(np.moveaxis(values, 2, 0))
        for number, name in enumerate(names, start=1):
            file.set_band_description(number, name)
    return path


def banded_dataset(home: Path, bands: BandSet, name: str = "fields") -> Path:
    """Its folder below `home`: four labelled pictures, two classes in stripes that the last band tells apart."""
    folder, random = home / "datasets" / name, np.random.default_rng(0)
    for number, stem in enumerate(stem for stems in USES.values() for stem in stems):
        mask = (((np.arange(SIDE) // 12) + number) % 2).astype(np.uint8)[:, None].repeat(SIDE, axis=1)
        share = random.uniform(0.2, 0.8, (SIDE, SIDE, len(bands)))
        share[..., -1] = 0.2 + 0.6 * mask + random.uniform(-0.05, 0.05, mask.shape)
        values = (share * TYPICAL[bands.depth]).astype(bands.depth)
        write_bands(folder / "images" / f"{stem}.tif", values)
        save(folder / "masks" / f"{stem}.png", mask)
    classes = (DescribedClass("Bare"), DescribedClass("Plants"))
    split = DescribedSplit("names", **USES)
    described = Description(name, "Fields", classes, "", "", bands.names, bands.depth, bands.shown, None, split)
    write_description(folder, described)
    return folder
