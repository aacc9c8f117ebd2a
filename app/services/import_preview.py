"""What a visitor sees of a dataset that they brought: small pictures beside their labels, with each change at once."""

import numpy as np
from numpy.typing import NDArray

from app.services.import_report import (
    Edits,
    ImportReport,
    band_set,
    blocks_in,
    is_cut,
    leaves_border,
    renamed_proposal,
    wanted_colours,
)
from core.band_set import LEFT_OUT
from core.classes import UNLABELLED_COLOUR
from core.data.import_order import SEEN
from core.errors import DataError


def painted(report: ImportReport, at: int, edits: Edits) -> NDArray[np.uint8]:
    """One of the small pictures beside its labels in their colours.

    Returns:
        uint8 (h, 2 w + 4, 3); pixels that count as not labelled are grey.

    Raises:
        DataError: it is not there any more.
    """
    from core.data.dataset_files import class_colours

    height, width = report.seen[at].height, report.seen[at].width
    folder = report.path.with_name(SEEN)
    try:
        rgb = _colours(report, at, edits)
        codes = np.frombuffer((folder / f"{at}.codes").read_bytes(), "<i4").reshape(height, width)
        if leaves_border(edits) and (folder / f"{at}.border").is_file():
            border = np.frombuffer((folder / f"{at}.border").read_bytes(), np.bool_).reshape(height, width)
            codes = np.where(border, np.int32(-1), codes)
    except (OSError, ValueError) as error:
        raise DataError("The preview is not there any more: bring the dataset again.") from error
    proposal = renamed_proposal(report, edits)
    colours = [*class_colours(proposal, wanted_colours(proposal, edits))]
    indices = proposal.indices()
    values, where = np.unique(codes, return_inverse=True)
    chosen = [indices.get(int(code), 255) for code in values]
    table = np.array([colours[index] if index < len(colours) else UNLABELLED_COLOUR for index in chosen], np.uint8)
    gap = np.full((height, 4, 3), 255, np.uint8)
    if is_cut(report, edits):
        rgb = _in_blocks(report, at, rgb, edits)
    return np.concatenate([rgb, gap, table[where.reshape(height, width)]], axis=1)


def _in_blocks(report: ImportReport, at: int, rgb: NDArray[np.uint8], edits: Edits) -> NDArray[np.uint8]:
    """A small picture that is black where no block lies."""
    small = report.seen[at]
    picture = next(each for each in report.pictures if each.stem == small.stem)
    seen = np.zeros((small.height, small.width), np.bool_)
    for block in blocks_in(report, picture, edits):
        rows, columns = (block.top, block.top + block.height), (block.left, block.left + block.width)
        top, low = (y * small.height // picture.height for y in rows)
        left, right = (x * small.width // picture.width for x in columns)
        seen[top:low, left:right] = True
    return np.where(seen[..., None], rgb, np.uint8(0))


def _colours(report: ImportReport, at: int, edits: Edits) -> NDArray[np.uint8]:
    """A small picture in the bands that are shown; as colours where none are named, or it has not as many."""
    from core.data.scene import Scene

    small, folder = report.seen[at], report.path.with_name(SEEN)
    bands = band_set(report, edits)
    if not edits.bands or bands is None or small.bands != len(edits.bands):
        flat = np.frombuffer((folder / f"{at}.rgb").read_bytes(), np.uint8)
        return flat.reshape(small.height, small.width, 3)
    values = np.frombuffer((folder / f"{at}.bands").read_bytes(), "<f4")
    taken = [place for place, name in enumerate(edits.bands) if name != LEFT_OUT]
    image = values.reshape(small.height, small.width, small.bands)[..., taken].astype(bands.depth)
    return Scene(small.stem, image, None, bands=bands).rgb
