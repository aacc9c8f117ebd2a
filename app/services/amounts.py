"""How much visitors brought: pixels of pictures that were not decoded yet, bytes on the disk."""

import math
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from core.imagery.sniff import pixels_of


def megapixels(files: Iterable[Path]) -> int:
    """What picture files say of their sizes, together; rounded up."""
    return math.ceil(sum(map(pixels_of, files)) / 1e6)


def bytes_below(root: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none."""
    taken = 0
    for folder, _, names in os.walk(root):
        for name in names:
            # It may be removed meanwhile.
            with suppress(OSError):
                taken += (Path(folder) / name).lstat().st_size
    return taken
