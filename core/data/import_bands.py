"""Which bands of brought pictures a dataset takes: as a person names them, as the files do, or colours alone."""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from core import geo
from core.band_set import COLOURS, DEPTHS, LEFT_OUT, BandSet
from core.errors import ConfigError, DataError
from core.imagery.tiff_picture import open_tiff, settings

AS_NAMED = ("all",)
"""What a person writes for all bands by the names that the files give."""
_COLOUR_BANDS = 3
_ROWS = 512


def bands_named(wanted: Sequence[str], files: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """A name for each band of the files in their order, `-` for those that are left out; empty for colours.

    Args:
        wanted: as a person wrote them; `AS_NAMED` for the names in the files.
        files: the names of the bands of each picture, as it gives them.

    Raises:
        DataError: `AS_NAMED`, and the files do not name all their bands alike.
        ConfigError: nothing is left.
    """
    if tuple(wanted) == AS_NAMED:
        told = set(files)
        names = next(iter(told)) if len(told) == 1 else ()
        if not names or "" in names or len(set(names)) < len(names):
            raise DataError(
                "The pictures do not all name their bands, so --bands all cannot be: write a name for each, as in "
                "--bands 'red,green,blue,near infrared'."
            )
        return names
    if wanted and all(name == LEFT_OUT for name in wanted):
        raise ConfigError("No band is left: write a name for each that is to be taken, and - for the others.")
    return tuple(wanted)


def band_set_of(named: Sequence[str], shown: Sequence[str], depths: Sequence[str]) -> BandSet:
    """The bands that are taken, in the type that all files share, else float32. Raises `ConfigError`."""
    if not named:
        if shown:
            raise ConfigError("--shown names bands of --bands: write both, or neither.")
        return COLOURS
    kinds = set(depths)
    depth = next(iter(kinds)) if len(kinds) == 1 and kinds <= set(DEPTHS) else "float32"
    return BandSet(tuple(name for name in named if name != LEFT_OUT), depth, tuple(shown))


def countable(bands: Sequence[str]) -> int:
    """How many bands of a TIFF can be named, of all that `Info.bands` tells; 0 for a picture that is no TIFF."""
    return len([name for name in bands if name != "alpha"])


def other_bands(named: Sequence[str], there: Sequence[str]) -> str:
    """Why a picture with these bands cannot be taken, as the end of a sentence; empty where it can."""
    count = len(there) or _COLOUR_BANDS
    with_alpha = count == len(named) + 1 and "alpha" in there
    if not named or count == len(named) or with_alpha:
        return ""
    return f"it has {count} bands, and {len(named)} are named"


def note_on_bands(named: Sequence[str], files: Sequence[tuple[str, ...]]) -> list[str]:
    """What is to be said where pictures have more bands than are taken."""
    counts = Counter(map(countable, files))
    count, _ = counts.most_common(1)[0] if counts else (0, 0)
    if named or count <= _COLOUR_BANDS:
        return []
    return [
        f"The pictures have {count} bands, of which red, green and blue are taken. To train on all of them (--bands "
        "NAMES), name each in its order."
    ]


def write_taken(source: Path, target: Path, named: Sequence[str]) -> None:
    """Write a TIFF with the bands of another one that are not left out. Raises `DataError`."""
    numbers = [number for number, name in enumerate(named, start=1) if name != LEFT_OUT]
    sentence = f"The bands of {source.name} cannot be written: export it again."
    with geo.calls(sentence, DataError), settings(), warnings.catch_warnings(), open_tiff(source) as file:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        place = {"crs": file.crs, "transform": file.transform, "nodata": file.nodata}
        size = {"driver": "GTiff", "width": file.width, "height": file.height, "count": len(numbers)}
        stored = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "bigtiff": "if_safer"}
        kind = {"dtype": file.dtypes[numbers[0] - 1], "photometric": "MINISBLACK"}
        with rasterio.open(target, "w", **size, **place, **stored, **kind) as written:
            for top in range(0, file.height, _ROWS):
                window = Window(0, top, file.width, min(_ROWS, file.height - top))
                written.write(file.read(numbers, window=window), window=window)
            for number, name in enumerate((name for name in named if name != LEFT_OUT), start=1):
                written.set_band_description(number, name)
