"""The scenes that are shipped with the project: which seeds, which files, and how they are written."""

import math
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import Affine

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.data.scene import Scene
from tools.synthetic.compose import render
from tools.synthetic.styles import STYLES

QUALITY = 92
GEOREFERENCED = "georeferenced.tif"
GEO_SEED, GEO_STYLE, GEO_METRES = 2024, 0, 0.3
GEO_CRS = "EPSG:32640"
GEO_CORNER = (327_150.0, 2_783_400.0)
"""Easting and northing of the upper left corner, in metres of UTM zone 40 N: near Dubai."""


def write_samples(folder: Path, scenes: list[Scene]) -> None:
    """Write `images/NAME.jpg` and `masks/NAME.png` (palette of the class colours) for every scene."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        Image.fromarray(np.asarray(scene.image)).save(
            folder / "images" / f"{scene.name}.jpg", quality=QUALITY, subsampling=0
        )
        assert scene.mask is not None
        picture = Image.fromarray(np.asarray(scene.mask))
        picture.putpalette([channel for colour in SHIPPED_SCENES.classes.colours for channel in colour])
        picture.save(folder / "masks" / f"{scene.name}.png", optimize=True)


def georeferenced(size: int = 1024) -> NDArray[np.uint8]:
    """The picture of the shipped GeoTIFF, uint8 (size, size, 3), one pixel to 0.3 m."""
    return render(GEO_SEED, size, STYLES[GEO_STYLE], gsd=GEO_METRES).image


def geotransform() -> Affine:
    """From pixels of the shipped GeoTIFF to metres of its coordinate system."""
    east, north = GEO_CORNER
    return Affine(GEO_METRES, 0.0, east, 0.0, -GEO_METRES, north)


def write_georeferenced(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a tiled, losslessly compressed GeoTIFF of three bands."""
    height, width = image.shape[:2]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=3,
        dtype="uint8",
        crs=CRS.from_string(GEO_CRS),
        transform=geotransform(),
        photometric="RGB",
        compress="deflate",
        predictor=2,
        tiled=True,
        blockxsize=256,
        blockysize=256,
        interleave="pixel",
    ) as target:
        target.write(np.moveaxis(image, -1, 0))


def size_mb(folder: Path) -> float:
    """Megabytes of all files under a folder."""
    return math.fsum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
