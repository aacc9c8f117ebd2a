"""Pictures without labels, of a dataset, a folder or a visitor: which they are, before any is read."""

from dataclasses import dataclass, replace
from pathlib import Path

from core.band_set import COLOURS, BandSet
from core.config.pseudo_mask_order import PictureSource
from core.data.dataset import Dataset
from core.data.datasets import dataset_named
from core.data.folder import Pair, find_pairs, flat_pairs
from core.data.opened import inside
from core.errors import DatasetNotFoundError


@dataclass(frozen=True)
class SourcePictures:
    """The pictures of a source, as pairs without masks, and what is known of them before they are read.

    `split` of a pair is `train`, `val` or `test` where its dataset says so.
    """

    pairs: tuple[Pair, ...]
    dataset: Dataset | None
    bands: BandSet


def find_pictures(source: PictureSource) -> SourcePictures:
    """List the pictures of a source; none is read.

    Raises:
        ConfigError: There is no dataset of this name.
        DatasetNotFoundError: The dataset or the folder is not there, or holds no picture.
    """
    if source.dataset:
        dataset = dataset_named(source.dataset)
        found, _ = dataset.find(dataset.require_here())
        pairs = [replace(pair, mask=None, split=_use_of(pair, dataset)) for pair in found]
        return SourcePictures(tuple(pairs), dataset, dataset.band_set)
    if source.files:
        files = tuple(Pair(name, Path(path), None, "", None) for name, path in source.files)
        return SourcePictures(files, None, COLOURS)
    return SourcePictures(tuple(_of_folder(source)), None, COLOURS)


def _of_folder(source: PictureSource) -> list[Pair]:
    """Pictures in images/ of a folder with their split, else those in the folder itself."""
    opened = None if source.opened is None else Path(source.opened)
    root = Path(source.folder).expanduser() if opened is None else inside(source.folder, opened)
    try:
        found = find_pairs(root, opened=opened, some_masks=True)[0]
    except DatasetNotFoundError:
        found = []
    return [replace(pair, mask=None) for pair in found or flat_pairs(root, opened=opened)]


def _use_of(pair: Pair, dataset: Dataset) -> str:
    return pair.split or (dataset.split.use_of(pair.part) if dataset.split is not None else "")
