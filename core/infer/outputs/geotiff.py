"""Masks on disk, written strip by strip: Cloud-Optimised GeoTIFF, palette PNG, and probabilities as a GeoTIFF.

They keep the coordinates of the picture. Class names stand in the tags of the file and, where QGIS and gdalinfo look
for them, in NAME.tif.aux.xml beside it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter
from rasterio.transform import Affine
from rasterio.windows import Window

from core import geo
from core.classes import ClassMap, Colour
from core.files import write_aside
from core.imagery.limits import Info
from core.infer.outputs.overviews import BLOCK, Smaller, check_whole, check_whole_png, with_overviews
from core.infer.stitching import Strip
from core.infer.tiling import NO_DATA

_LEVEL = 3
"""Of deflating, from 1 to 9: the time for more would be a tenth of that of the student (docs/LOG.md)."""
_SETTINGS = {"GDAL_CACHEMAX": 128 * 1024**2, "GDAL_NUM_THREADS": "1", "GDAL_PAM_ENABLED": "NO"}
_PROBABILITY_STEPS = 254
_WIDE_NO_DATA = 65_535
CONFIDENCE = "_confidence.tif"
"""How the file ends that says how sure the model was, beside the mask of its stem."""
GROUND_TAG = "GROUND_RESOLUTION"
"""The tag, the member or the line of metadata that says where a ground resolution comes from."""
_LITTLE = 256 * 1024
"""Bytes: a disk with less free than this is taken for full when GDAL fails to write and does not say why."""


def ground_text(given: float) -> str:
    """What files say of a ground resolution that a person gave."""
    return f"{given:g} m a pixel, given by you: the picture does not say it"


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with little memory, no files beside those asked for, and no word on pictures without coordinates."""
    with rasterio.Env(**_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def no_data_of(names: tuple[str, ...]) -> int:
    """The number without data in a mask of these values: `NO_DATA`, or, where a value has that number, one of 16 bits.

    Args:
        names: Of the values, by number from 0.
    """
    return NO_DATA if len(names) <= NO_DATA else _WIDE_NO_DATA


class MaskWriter:
    """A mask as a plain tiled GeoTIFF, which `to_cog` and `to_png` then copy. Use it in a `with gdal()` block.

    It has 8 bits, and 16 where `no_data_of` needs them.
    """

    def __init__(self, path: Path, info: Info, names: tuple[str, ...], colours: tuple[Colour, ...]) -> None:
        self.path = path
        # Copied away soon: packed in a tenth of the time that deflating takes.
        self._no_data = no_data_of(names)
        kind = "uint8" if self._no_data == NO_DATA else "uint16"
        self._file = _create(path, info, count=1, dtype=kind, nodata=self._no_data, compress="PACKBITS")
        self._smaller = Smaller(path, info, kind)
        self._counts = np.zeros(self._no_data + 1, np.int64)
        with _writing(path):
            self._file.write_colormap(1, {index: (*colour, 255) for index, colour in enumerate(colours)})
            self._file.update_tags(1, **{f"CLASS_{index}": name for index, name in enumerate(names)})
            self._file.set_band_description(1, "class")

    def write(self, y: int, mask: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write more rows.

        Args:
            y: The first of them.
            mask: Values (h, W), `no_data_of` them where there is none.

        Raises:
            DiskFullError: The disk has no space left.
            GeoError: GDAL cannot write the file.
        """
        with _writing(self.path):
            self._file.write(mask, 1, window=Window(0, y, mask.shape[1], mask.shape[0]))
        self._counts += np.bincount(mask.ravel(), minlength=len(self._counts))
        self._smaller.write(mask)

    def close(self) -> None:
        """Finish the file. Raises `DiskFullError` when it is not whole on the disk."""
        self._smaller.close()
        with _writing(self.path):
            self._file.update_tags(1, **_statistics(self._counts, self._no_data))
            self._file.close()
        check_whole(self.path, self.path)


class ConfidenceWriter:
    """The probability of the likeliest class: 0 to 254 for 0 to 1, 255 for no data; a plain file beside the mask."""

    def __init__(self, path: Path, info: Info) -> None:
        self.path = path
        self._counts = np.zeros(256, np.int64)
        self._file = _create(path, info, count=1, dtype="uint8", nodata=NO_DATA, compress="DEFLATE", zlevel=1)
        with _writing(path):
            self._file.scales = (1 / _PROBABILITY_STEPS,)
            self._file.set_band_description(1, "confidence")

    def share_below(self, probability: float) -> float:
        """Of the pixels that hold data, the share whose class has less than `probability`."""
        known = self._counts[:NO_DATA]
        return float(known[: round(probability * _PROBABILITY_STEPS)].sum() / max(1, known.sum()))

    def write(self, strip: Strip) -> None:
        assert strip.probabilities is not None
        highest = strip.probabilities.amax(dim=0)
        steps = (highest * _PROBABILITY_STEPS).round_().clamp_(0, _PROBABILITY_STEPS).byte().cpu().numpy()
        steps[strip.mask == NO_DATA] = NO_DATA
        self.write_steps(strip.y, steps)

    def write_steps(self, y: int, steps: NDArray[np.uint8]) -> None:
        """Write more rows.

        Args:
            y: The first of them.
            steps: (h, W) as they are stored.

        Raises:
            DiskFullError: The disk has no space left.
            GeoError: GDAL cannot write the file.
        """
        self._counts += np.bincount(steps.ravel(), minlength=256)
        with _writing(self.path):
            self._file.write(steps, 1, window=Window(0, y, steps.shape[1], steps.shape[0]))

    def close(self) -> None:
        """Finish the file. Raises `DiskFullError` when it is not whole on the disk."""
        with _writing(self.path):
            self._file.close()
        check_whole(self.path, self.path)


class ProbabilityWriter:
    """A band a class: 0 to 254 for 0 to 1 (the file's scale says so), 255 for no data."""

    def __init__(self, path: Path, info: Info, classes: ClassMap) -> None:
        self.path = path
        deflated = {"compress": "DEFLATE", "zlevel": 1}
        self._file = _create(path, info, count=classes.outputs, dtype="uint8", nodata=NO_DATA, **deflated)
        with _writing(path):
            self._file.scales = (1 / _PROBABILITY_STEPS,) * classes.outputs
            for index, name in enumerate(classes.scored_names, start=1):
                self._file.set_band_description(index, name)

    def write(self, strip: Strip) -> None:
        window = Window(0, strip.y, strip.mask.shape[1], strip.mask.shape[0])
        lacking = strip.mask == NO_DATA
        assert strip.probabilities is not None
        for index, share in enumerate(strip.probabilities, start=1):
            steps = (share * _PROBABILITY_STEPS).round_().clamp_(0, _PROBABILITY_STEPS).byte().cpu().numpy()
            steps[lacking] = NO_DATA
            with _writing(self.path):
                self._file.write(steps, index, window=window)

    def close(self) -> None:
        """Finish the file. Raises `DiskFullError` when it is not whole on the disk."""
        with _writing(self.path):
            self._file.close()
        check_whole(self.path, self.path)


def _writing(target: Path, needs: int = _LITTLE) -> geo.calls:
    advice = "choose another folder, or check whether its disk is in order"
    return geo.calls(f"{target.name} cannot be written: {advice}.", target=target, needs=needs)


def to_cog(plain: Path, target: Path, names: tuple[str, ...] = ()) -> None:
    """Copy a GeoTIFF into a Cloud-Optimised one with overviews, and give it its class names.

    A mask brings its overviews along (`MaskWriter`); those of anything else are averages.
    """
    options = {
        "driver": "COG",
        "COMPRESS": "DEFLATE",
        "LEVEL": _LEVEL,
        # One beside the caller's thread, which the model no longer needs by now.
        "NUM_THREADS": 2,
        "BLOCKSIZE": BLOCK,
        "OVERVIEW_RESAMPLING": "AVERAGE",
        "BIGTIFF": "IF_SAFER",
    }
    source = with_overviews(plain)
    check = partial(check_whole, target=target)
    # GDAL keeps overviews aside meanwhile.
    needs = 2 * plain.stat().st_size
    write_aside(target, lambda aside: _copy(source, aside, target, needs, **options), check=check)
    if names:
        text = _categories(names)
        beside = target.with_name(target.name + ".aux.xml")
        write_aside(beside, lambda aside: aside.write_text(text, encoding="utf-8"))


def to_png(plain: Path, target: Path) -> None:
    """Copy a mask into a palette PNG row by row; no data is transparent."""
    check = partial(check_whole_png, target=target)
    write_aside(target, lambda aside: _copy(plain, aside, target, _LITTLE, driver="PNG", ZLEVEL=6), check=check)


def _copy(source: Path, aside: Path, target: Path, needs: int, **options: Any) -> None:
    with _writing(target, needs):
        rasterio.shutil.copy(source, aside, **options)


def read_mask(path: Path, window: tuple[int, int, int, int] | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A mask of ours, or a part of it, shrunk from its overviews.

    Args:
        path: The GeoTIFF.
        window: (y, x, height, width) in pixels of the mask. None: all of it.
        shape: (h, w) of the result.

    Returns:
        Class indices (h, w).

    Raises:
        OSError: It is not there.
        GeoError: It cannot be read.
    """
    path.stat()
    unreadable = geo.calls("The mask cannot be read: segment the picture again.")
    with gdal(), unreadable, rasterio.open(path, driver="GTiff") as file:
        place = None if window is None else Window(window[1], window[0], window[3], window[2])
        found: NDArray[np.uint8] = file.read(1, window=place, out_shape=shape)
    return found


def _statistics(counts: NDArray[np.int64], no_data: int = NO_DATA) -> dict[str, str]:
    """What gdalinfo and QGIS show of a band without reading it, from how many pixels have each value."""
    known = np.delete(counts, no_data)
    if not (total := int(known.sum())):
        return {}
    values = np.flatnonzero(known)
    mean = float((values * known[values]).sum() / total)
    spread = float(np.sqrt(((values - mean) ** 2 * known[values]).sum() / total))
    found = {"MINIMUM": values[0], "MAXIMUM": values[-1], "MEAN": mean, "STDDEV": spread}
    found["VALID_PERCENT"] = 100 * total / int(counts.sum())
    return {f"STATISTICS_{name}": f"{float(value):.10g}" for name, value in found.items()}


def _create(path: Path, info: Info, **more: Any) -> DatasetWriter:
    with _writing(path):
        file = rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=info.width,
            height=info.height,
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            bigtiff="IF_SAFER",
            **_place(info),
            **more,
        )
        if info.given_metres is not None:
            file.update_tags(**{GROUND_TAG: ground_text(info.given_metres)})
        return file


@geo.calls("The place of the picture cannot be written.")
def _place(info: Info) -> dict[str, Any]:
    """Coordinates, as they are given to a file that is opened for writing."""
    place: dict[str, Any] = {} if info.crs is None else {"crs": info.crs}
    if info.transform is not None:
        place["transform"] = Affine(*info.transform)
    elif info.control_points:
        place["gcps"] = [GroundControlPoint(row, col, x, y) for row, col, x, y in info.control_points]
    return place


def _categories(names: tuple[str, ...]) -> str:
    lines = "".join(f"<Category>{escape(name)}</Category>" for name in names)
    return f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{lines}</CategoryNames></PAMRasterBand></PAMDataset>\n'
