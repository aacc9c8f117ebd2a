"""Fetching the files of a dataset: each is checked, and a stopped download goes on where it stopped."""

import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core.errors import DownloadError


@dataclass(frozen=True)
class Download:
    """Where the files of a dataset are fetched, and what they must be.

    Attributes:
        url: the folder above all files, pinned to a version that does not change.
        checksums: a text file with a SHA-256 (64 hexadecimal digits) and a file name, parted by spaces, on each line.
    """

    url: str
    checksums: Path

    def files(self) -> dict[str, str]:
        """SHA-256 by file name, such as `Tile 1/images/image_part_001.jpg`."""
        lines = self.checksums.read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def download(
    source: Download,
    destination: Path,
    *,
    title: str,
    url: str | None = None,
    progress: bool = True,
    retries: int = 2,
) -> Path:
    """Fetch what `destination` lacks of the files of a dataset.

    Each file is checked before it takes its place, so a stopped download goes on with the next missing file, and a
    file that does not match its SHA-256 is fetched again.

    Args:
        source: the files and where they are.
        destination: the folder that they go to.
        title: what the bar calls them.
        url: another copy of the same files.
        progress: whether a bar is shown on a terminal.
        retries: how often a file is asked for again.

    Returns:
        `destination`.

    Raises:
        DownloadError: With the file and the reason; what has arrived stays.
    """
    import pooch
    from tqdm import tqdm

    registry, base = source.files(), (url or source.url).rstrip("/")
    urls = {name: f"{base}/{quote(name)}" for name in registry}
    # One bar for all files says more than a line in the log for each.
    pooch.get_logger().setLevel(logging.WARNING)
    store = pooch.create(path=destination, base_url="", registry=registry, urls=urls, retry_if_failed=retries)
    for name in tqdm(registry, desc=title, unit="file", disable=None if progress else True):
        try:
            store.fetch(name)
        except ValueError as error:
            raise DownloadError(f"{urls[name]} is not the file that was expected (its SHA-256 differs).") from error
        except OSError as error:  # network errors of requests are among these
            reason = f"{name} could not be fetched from {urls[name]} ({error})"
            raise DownloadError(f"{reason}. Run the command again: it goes on where it stopped.") from error
    return destination
