"""The Dubai dataset: 72 aerial pictures with masks, 8 tiles of 9 neighbouring parts. Licence CC0 1.0.

Humans in the Loop with the Mohammed Bin Rashid Space Center, *Semantic segmentation of aerial imagery*. Its class map is
`core.classes.AERIAL` (the colours the masks really hold; its own classes.json lists others), its default split
`by-image`: parts 1 to 7 train, 8 validates, 9 tests.
"""

from pathlib import Path

from core.classes import AERIAL
from core.data.folder import LoadedFolder, load_folder
from core.errors import DatasetNotFoundError

PAIRS = 72


def load(root: Path, *, skip_bad: bool = False) -> LoadedFolder:
    """Read the dataset, with a warning when not all of it is there. Raises `DatasetNotFoundError` and `PairError`."""
    if not root.is_dir() or not any(root.glob("Tile */images")):
        raise DatasetNotFoundError(f"The Dubai dataset is not in {root}: fetch it with `python -m core data download`.")
    loaded = load_folder(root, AERIAL, skip_bad=skip_bad)
    if len(loaded.scenes) + len(loaded.problems) < PAIRS:
        loaded.warnings.append(
            f"{len(loaded.scenes)} of {PAIRS} pairs are in {root}; `python -m core data download` fetches the rest."
        )
    return loaded
