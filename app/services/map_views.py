"""Results of a visitor's pictures as they are shown: an overview of all of it, and parts in full detail."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.overlays import frame, shrink
from core import paths
from core.cards import load_card, resolve
from core.errors import ImageError
from core.infer.tiling import NO_DATA

DETAIL_SIDE = 2048
"""Most pixels along a side of what is sent in detail."""
MOST_READ = 4096
"""Most pixels along a side of what is read for it: larger parts are shown by the overview."""
_LARGEST = 1600
_GONE = "The result is gone: segment the picture again."

Classes = Sequence[tuple[str, tuple[int, int, int]]]


@dataclass(frozen=True)
class View:
    """A part of a picture and of its mask, shrunk alike: `photo` (h, w, 3), `mask` (h, w) class indices."""

    photo: NDArray[np.uint8]
    mask: NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """A rectangle of a picture, in its pixels."""

    x: int
    y: int
    width: int
    height: int


def overview(photo: Path, mask: Path) -> View:
    """All of it, from the small copy of the picture and the overviews in the GeoTIFF of the mask."""
    from PIL import Image

    try:
        with Image.open(photo, formats=("WEBP",)) as stored:
            small = stored.convert("RGB")
            small.thumbnail((_LARGEST, _LARGEST))
    except OSError as error:
        raise ImageError(_GONE) from error
    found = np.asarray(small)
    return View(found, _read_mask(mask, None, found.shape[:2]))


def detail(source: Path, mask: Path, part: Part, *, bands: tuple[int, ...] | None = None, model: str = "") -> View:
    """A part of the picture at full resolution, or shrunk to `DETAIL_SIDE` where it is larger.

    Of a picture of other bands than colours those are seen that the card of its `model` shows. Raises `ImageError`, and
    `CheckpointError` where the model is gone.
    """
    from core.imagery.confined_picture import ConfinedPicture

    band_set = load_card(resolve(model, runs=paths.home())).bands if model else None
    with ConfinedPicture(source, bands=bands, band_set=band_set) as picture:
        photo, _ = picture.read_seen(part.y, part.x, part.height, part.width)
    small = shrink(photo, -(-max(part.height, part.width) // DETAIL_SIDE))
    return View(small, _read_mask(mask, (part.y, part.x, part.height, part.width), small.shape[:2]))


def part_within(asked: Any, *, width: int, height: int) -> Part | None:
    """What a browser asked for, as a part that lies in the picture and is not too large; None where it is neither."""
    names = ("x", "y", "width", "height")
    if not isinstance(asked, dict) or not all(type(asked.get(name)) in (int, float) for name in names):
        return None
    if not all(abs(asked[name]) < 2**31 for name in names):
        return None
    wanted = {name: int(asked[name]) for name in names}
    wide, tall = min(wanted["width"], MOST_READ, width), min(wanted["height"], MOST_READ, height)
    if wide < 1 or tall < 1:
        return None
    return Part(min(max(wanted["x"], 0), width - wide), min(max(wanted["y"], 0), height - tall), wide, tall)


def pack(
    overview: bytes, closer: bytes | None, part: Part | None, *, name: str, size: tuple[int, int], ground: float | None
) -> bytes:
    """For the viewer in the browser: a header, then the overview and the part in detail, both WebP.

    `size` is the picture's (width, height), `ground` its metres a pixel, `name` tells it from others.
    """
    spans = [[0, len(overview)], [len(overview), len(closer)] if closer is not None else None]
    header = {"id": name, "width": size[0], "height": size[1], "ground": ground, "most": MOST_READ}
    header |= {"overview": spans[0], "detail": spans[1], "place": None if part is None else asdict(part)}
    return frame(header) + overview + (closer or b"")


def blend(view: View, classes: Classes, opacity: float) -> bytes:
    """The picture under its mask in the class colours, as WebP; pixels without data stay as they are."""
    from core.image import encode_webp

    colours = np.zeros((256, 3), np.float32)
    for index, (_, colour) in enumerate(classes):
        colours[index] = colour
    share = np.where(view.mask == NO_DATA, 0.0, opacity).astype(np.float32)[..., None]
    mixed = view.photo * (1 - share) + colours[view.mask] * share
    return encode_webp(np.round(mixed).astype(np.uint8))


def table_row(result: dict[str, Any]) -> dict[str, Any]:
    """One picture of a batch: size, time, and the share of each class in percent, or that it was refused."""
    row: dict[str, Any] = {"Image": result["name"], "Pixels": None, "Seconds": None, "Ground": None}
    if result["error"] is not None:
        return {**row, "Note": "Not segmented, see below"}
    row |= {"Pixels": f"{result['width']:,} × {result['height']:,}", "Seconds": result["seconds"]}
    if result["metres_per_pixel"]:
        row["Ground"] = f"{result['metres_per_pixel']:.2f} m"
    row |= {area["name"]: 100 * area["share"] for area in result["areas"]}
    return {**row, "Note": " ".join(result["notes"])}


def area_rows(areas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Areas for a table; square metres and hectares are None where the picture does not know its place."""
    rows = []
    for area in areas:
        metres = area["square_metres"]
        hectares = None if metres is None else metres / 10_000
        shares = {"Pixels": area["pixels"], "m²": metres, "ha": hectares, "Share": 100 * area["share"]}
        rows.append({"Class": area["name"], **shares})
    return rows


def file_of(result: dict[str, Any], ending: str) -> Path | None:
    """The file of a result whose name ends so."""
    return next((Path(path) for path in result["files"] if path.endswith(ending)), None)


def mask_of(result: dict[str, Any]) -> Path | None:
    """The GeoTIFF of the mask itself."""
    asides = ("_probabilities.tif", "_difference.tif", "_confidence.tif")
    return next((Path(path) for path in result["files"] if path.endswith(".tif") and not path.endswith(asides)), None)


def downloads(result: dict[str, Any]) -> list[tuple[str, Path, str]]:
    """What can be taken away: title, file and media type."""
    kinds = (
        ("Report (HTML)", "_report.html", "text/html"),
        ("Mask (PNG)", ".png", "image/png"),
        ("Difference (GeoTIFF)", "_difference.tif", "image/tiff"),
        ("Probabilities (GeoTIFF)", "_probabilities.tif", "image/tiff"),
        ("Confidence (GeoTIFF)", "_confidence.tif", "image/tiff"),
        ("Mask (GeoTIFF)", ".tif", "image/tiff"),
        ("Polygons (GeoPackage)", ".gpkg", "application/geopackage+sqlite3"),
        ("Style for QGIS (QML)", ".qml", "text/xml"),
        ("Polygons (GeoJSON)", ".geojson", "application/geo+json"),
        ("Areas of difference (CSV)", "_difference_areas.csv", "text/csv"),
        ("Areas (CSV)", "_areas.csv", "text/csv"),
    )
    found, left = [], [path for path in map(Path, result["files"]) if path.is_file()]
    for title, ending, media in kinds:
        if file := next((file for file in left if file.name.endswith(ending)), None):
            left.remove(file)
            found.append((title, file, media))
    return found


def _read_mask(path: Path, window: tuple[int, int, int, int] | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    from core.infer.outputs.geotiff import read_mask

    try:
        return read_mask(path, window, shape)
    except OSError as error:
        raise ImageError(_GONE) from error


def as_bytes(path: Path) -> io.BufferedReader:
    """The file for a download, opened when it is asked for."""
    return path.open("rb")
