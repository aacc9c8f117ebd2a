"""The Dubai dataset: 72 aerial pictures with masks, 8 tiles of 9 neighbouring parts. Licence CC0 1.0.

Humans in the Loop with the Mohammed Bin Rashid Space Center, *Semantic segmentation of aerial imagery*. Its class map
is `core.classes.AERIAL` (the colours the masks really hold; its own classes.json lists others), its default split
`by-image`: parts 1 to 7 train, 8 validates, 9 tests.

In parts 1 to 8, 549,431 mask pixels are black, which is no class: 545,723 of them between the houses of Tile 8, part 3.
They are yards that nobody labelled; by nearness they would be Building, so the class map counts black as Unlabeled.
"""

import logging
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pooch
from tqdm import tqdm

from core.classes import AERIAL
from core.data.folder import LoadedFolder, load_folder
from core.errors import DatasetNotFoundError, DownloadError

PAIRS = 72
MANIFEST = Path(__file__).with_name("dubai.sha256")
SOURCE = (
    "https://raw.githubusercontent.com/smp0714/Semantic-Segmentation-of-Satellite-Imager/"
    "86da6fb9d3343381942952f2b78924df38a96feb/Semantic%20segmentation%20dataset/"
)
"""A public copy, pinned to a commit."""


def load(root: Path, *, skip_bad: bool = False) -> LoadedFolder:
    """Read the dataset, with a warning when not all of it is there. Raises `DatasetNotFoundError` and `PairError`."""
    if not any(root.glob("Tile */images")):
        remedy = "fetch it with `python -m core data download`, or set TERRASTILL_DUBAI to its folder"
        raise DatasetNotFoundError(f"The Dubai dataset is not in {root}: {remedy}.")
    loaded = load_folder(root, AERIAL, skip_bad=skip_bad)
    there = len(loaded.scenes) + len(loaded.problems)
    if there >= PAIRS:
        return loaded
    missing = f"{there} of {PAIRS} pairs are in {root}; `python -m core data download` fetches the rest."
    return replace(loaded, warnings=[*loaded.warnings, missing])


def manifest(path: Path = MANIFEST) -> dict[str, str]:
    """SHA-256 by file name (`Tile 1/images/image_part_001.jpg`) for the files of the 72 pairs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def download(
    destination: Path,
    *,
    base_url: str = SOURCE,
    files: dict[str, str] | None = None,
    progress: bool = True,
    retries: int = 2,
) -> Path:
    """Fetch what `destination` lacks of `files` (name → SHA-256; None: all of the dataset) and give `destination` back.

    Each file is checked before it takes its place, so a stopped download goes on with the next missing file, and a
    file that does not match its SHA-256 is fetched again. `progress` shows a bar on a terminal.
    Raises `DownloadError` with the file and the reason; what has arrived stays.
    """
    registry = manifest() if files is None else files
    urls = {name: base_url.rstrip("/") + "/" + quote(name) for name in registry}
    # One bar for all files says more than a line in the log for each.
    pooch.get_logger().setLevel(logging.WARNING)
    store = pooch.create(path=destination, base_url="", registry=registry, urls=urls, retry_if_failed=retries)
    for name in tqdm(registry, desc="Dubai dataset", unit="file", disable=None if progress else True):
        try:
            store.fetch(name)
        except ValueError as error:
            raise DownloadError(f"{urls[name]} is not the file that was expected (its SHA-256 differs).") from error
        except OSError as error:  # network errors of requests are among these
            reason = f"{name} could not be fetched from {urls[name]} ({error})"
            raise DownloadError(f"{reason}. Run the command again: it goes on where it stopped.") from error
    return destination
