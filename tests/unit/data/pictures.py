"""Small pictures and folders for the tests of the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import rasterio
import shapely
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine
from rasterio.warp import transform

from core.classes import ClassMap
from core.data import palette
from core.data.dataset import Dataset
from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.data.splits import Parts


def random_image(seed: int = 0, *, height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def random_indices(seed: int = 0, *, height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, len(AERIAL.names), (height, width), dtype=np.uint8)


def random_mask(seed: int = 0, *, height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    """Class colours (H, W, 3)."""
    return palette.to_rgb(random_indices(seed, height=height, width=width), AERIAL)


def save(path: Path, array: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def save_pair(root: Path, stem: str, *, seed: int = 0, height: int = 20, width: int = 30) -> None:
    """`root/images/STEM.png` with its mask in `root/masks`."""
    save(root / "images" / f"{stem}.png", random_image(seed, height=height, width=width))
    save(root / "masks" / f"{stem}.png", random_mask(seed, height=height, width=width))


def scenes(tiles: int, parts: int, *, size: int = 8) -> list[Scene]:
    """Scenes named and numbered as the Dubai dataset has them, each with pixels of its own."""
    return [
        Scene(
            name=f"Tile {tile}/image_part_{part:03}",
            image=random_image(100 * tile + part, height=size, width=size),
            mask=random_indices(100 * tile + part, height=size, width=size),
            tile=f"Tile {tile}",
            part=part,
        )
        for tile in range(1, tiles + 1)
        for part in range(1, parts + 1)
    ]


def meadows(root: Path, **changes: Any) -> Dataset:
    """A made-up dataset of three classes: four pictures of 48 x 48 below `root`, parted by numbers of its own."""
    classes = ClassMap(
        ("Grass", "Path", "Pond", "Unknown"), ((20, 160, 40), (200, 180, 140), (30, 60, 200), (9, 9, 9)), 3
    )
    for part in range(1, 5):
        mask = np.full((48, 48), part % 3, np.uint8)
        mask[:, 16:32], mask[:4] = (part + 1) % 3, 3
        save(root / "images" / f"field_part_{part}.png", random_image(part, height=48, width=48))
        save(root / "masks" / f"field_part_{part}.png", palette.to_rgb(mask, classes))
    values = {"name": "meadows", "title": "Mown meadows", "short_title": "Meadows", "classes": classes, "pictures": 4}
    split = Parts(train=(1, 2), val=(3,), test=(4,))
    return Dataset(**{**values, "split": split, "place": lambda: root, **changes})


def fields(folder: Path, *, height: int = 120, width: int = 600) -> NDArray[np.uint8]:
    """`ortho.tif` of 0.5 m in UTM, and `fields.gpkg` in degrees that tells Clover (0) from Maize (1) in stripes.

    Returns:
        The classes, uint8 (H, W).
    """
    classes = (np.arange(width) // 40 % 2).astype(np.uint8)[None].repeat(height, 0)
    tones = np.array([(60, 130, 60), (190, 170, 90)], np.uint8)[classes]
    rgb = (tones.astype(int) + np.random.default_rng(0).integers(-20, 21, tones.shape)).clip(0, 255).astype(np.uint8)
    place = Affine(0.5, 0, 330_000.0, 0, -0.5, 2_780_000.0)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "width": width, "height": height, "crs": "EPSG:32640"}
    with rasterio.open(folder / "ortho.tif", "w", **profile, transform=place) as file:
        file.write(np.moveaxis(rgb, 2, 0))
    shapes, names = [], []
    for left in range(0, width, 40):
        corners = [(left, 0), (left + 40, 0), (left + 40, height), (left, height)]
        east, north = zip(*(place @ corner for corner in corners), strict=True)
        xs, ys = transform("EPSG:32640", "EPSG:4326", list(east), list(north))
        shapes.append(shapely.to_wkb(shapely.Polygon(list(zip(xs, ys, strict=True)))))
        names.append(("Clover", "Maize")[left // 40 % 2])
    pyogrio.raw.write(
        folder / "fields.gpkg",
        np.array(shapes, object),
        [np.array(names, object)],
        ["crop"],
        layer="fields",
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver="GPKG",
    )
    return classes
