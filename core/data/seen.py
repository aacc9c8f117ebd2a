"""A few pictures of a source beside their labels, made small: what a person sees before the source is imported.

Each lies in files of plain bytes, `N.rgb` (H, W, 3) and `N.codes` (H, W): codes, not colours, so that the page
paints them anew with each change of the classes. Of a TIFF whose bands can be named there is `N.bands` too, float32
(H, W, C), so that the page shows any three of them, and of a picture with a border `N.border`, bool (H, W).
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.band_set import MOST_BANDS, BandSet
from core.data.import_bands import countable
from core.data.importing import Survey, Usable
from core.data.readers.tree import Tree
from core.errors import DataError, ImageError
from core.imagery.band_files import BandFile
from core.imagery.decode import open_here
from core.imagery.limits import Limits
from core.out_of_memory import lacking, out_of_memory_as

MOST_SEEN, SIDE = 9, 320
_AT_ONCE = 25_000_000
"""Pixels of labels that are read in one piece; of larger ones single rows are."""


def save_seen(tree: Tree, found: Survey, folder: Path) -> list[dict[str, Any]]:
    """Write them into a new folder. Gives of each its stem, height, width and bands, in the order of their numbers."""
    del tree
    folder.mkdir(exist_ok=True)
    told: list[dict[str, Any]] = []
    for each in chosen(found):
        try:
            with out_of_memory_as(DataError(lacking("picture"))):
                rgb, codes = _small(each)
        except DataError:
            # It was read a moment ago; a preview is not worth an import.
            continue
        (folder / f"{len(told)}.rgb").write_bytes(rgb.tobytes())
        (folder / f"{len(told)}.codes").write_bytes(codes.astype("<i4").tobytes())
        if each.border is not None:
            (folder / f"{len(told)}.border").write_bytes(each.border.covers(*_places(each)).tobytes())
        bands = _bands(each)
        if bands is not None and bands.shape[:2] == rgb.shape[:2]:
            (folder / f"{len(told)}.bands").write_bytes(bands.astype("<f4").tobytes())
        count = 0 if bands is None else bands.shape[2]
        told.append({"stem": each.picture.stem, "height": rgb.shape[0], "width": rgb.shape[1], "bands": count})
    return told


def chosen(found: Survey) -> list[Usable]:
    """Up to `MOST_SEEN` labelled pictures that together show as many classes as they can, the rest spread out."""
    labelled = [each for each in found.usable if each.labelled] or list(found.usable)
    left, met = list(labelled[:2000]), Counter[int]()
    taken: list[Usable] = []
    while left and len(taken) < MOST_SEEN // 2:
        best = max(left, key=lambda each: sum(1 for code in each.counts if not met[code]))
        if all(met[code] for code in best.counts):
            break
        taken.append(best)
        left.remove(best)
        met.update(best.counts.keys())
    step = max(1, len(left) // max(1, MOST_SEEN - len(taken)))
    taken += left[::step][: MOST_SEEN - len(taken)]
    order = {id(each): at for at, each in enumerate(labelled)}
    return sorted(taken, key=lambda each: order[id(each)])


def _places(each: Usable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows and columns of a picture that are shown."""
    step = -(-max(each.height, each.width) // SIDE)
    return np.arange(step // 2, each.height, step), np.arange(step // 2, each.width, step)


def _bands(each: Usable) -> NDArray[Any] | None:
    """All bands of a small picture but transparency, (h, w, C); None where a person has no bands to name."""
    count = countable(each.info.bands)
    if each.picture.path is None or not 0 < count <= MOST_BANDS:
        return None
    bands = BandSet(tuple(f"band {number}" for number in range(1, count + 1)), "float32")
    try:
        short = out_of_memory_as(DataError(lacking("picture")))
        with short, BandFile(each.picture.path, bands, limits=Limits().huge()) as file:
            return file.thinned(*_places(each)) if file.orientation == 1 else None
    except DataError:
        return None


def _small(each: Usable) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Colours (h, w, 3) and codes (h, w) of a picture, -1 where nobody labelled."""
    source = each.picture.path if each.picture.path is not None else None
    content = each.picture.content() if source is None and each.picture.content is not None else source
    if content is None:
        raise ImageError("is not there")
    rows, columns = _places(each)
    picture = open_here(content, limits=Limits().huge())
    try:
        small = picture.thinned(rows, columns)
    finally:
        picture.close()
    if not each.labelled:
        return small, np.full(small.shape[:2], -1, np.int32)
    labels = each.labels()
    across = ((columns + 0.5) * labels.width / each.width).astype(np.int64)
    down = ((rows + 0.5) * labels.height / each.height).astype(np.int64)
    across, down = np.minimum(across, labels.width - 1), np.minimum(down, labels.height - 1)
    if labels.height * labels.width <= _AT_ONCE:
        codes = labels.rows(0, labels.height)[down]
    else:
        codes = np.concatenate([labels.rows(row, row + 1) for row in down.tolist()])
    return small, np.ascontiguousarray(codes[:, across])
