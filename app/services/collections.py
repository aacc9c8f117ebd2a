"""Many pictures at once: the datasets that are here, and folders that the operator opened, name by name."""

import hashlib
from dataclasses import dataclass

from app.services import access
from app.services.datasets import Picture
from core import paths
from core.classes import AERIAL
from core.data.confined import confined
from core.data.folder import Pair, find_pairs, flat_pairs, load_pair
from core.data.splits import TEST_PART, TRAIN_PARTS, VAL_PART
from core.errors import DatasetNotFoundError

SAMPLES, DUBAI, FOLDER = "samples", "dubai", "folder"
USES = {"all": "All", "train": "Train", "validate": "Validate", "test": "Test"}


@dataclass(frozen=True)
class Entry:
    """One picture of a collection; `use` is a key of `USES` where the dataset parts its pictures, else empty."""

    name: str
    use: str


def titles() -> dict[str, str]:
    """Collections that can be opened now, by name."""
    found = {}
    if (paths.SAMPLES / "images").is_dir():
        found[SAMPLES] = "Shipped scenes"
    if (paths.dubai_root() / "Tile 1" / "images").is_dir():
        found[DUBAI] = "Dubai"
    if access.read_access().images is not None:
        found[FOLDER] = "Folder"
    return found


def entries(collection: str, folder: str = "") -> tuple[Entry, ...]:
    """Every picture, in order. Raises `DatasetNotFoundError` with what to do."""
    return tuple(Entry(pair.name, _use(collection, pair)) for pair in _pairs(collection, folder))


def open_picture(collection: str, name: str, folder: str = "") -> Picture:
    """A picture with its mask, where it has one. Raises `DatasetNotFoundError` and `PairError`.

    Those of the operator's folder are decoded in a confined process.
    """
    pairs = _pairs(collection, folder)
    pair = next((pair for pair in pairs if pair.name == name), None)
    if pair is None:
        raise DatasetNotFoundError(f"There is no picture {name!r} in this collection: choose another one.")
    if collection == FOLDER:
        with confined(access.opened_path(folder)[1]) as read:
            scene, _ = load_pair(pair, AERIAL, read=read, siblings=pairs)
    else:
        scene, _ = load_pair(pair, AERIAL)
    digest = hashlib.sha256(repr(scene.image.shape).encode())
    for values in (scene.image, scene.mask):
        digest.update(b"" if values is None else values.tobytes())
    return Picture(name, digest.hexdigest(), scene.image, scene.mask)


def _pairs(collection: str, folder: str) -> list[Pair]:
    if collection == SAMPLES:
        return find_pairs(paths.SAMPLES)[0]
    if collection == DUBAI:
        return find_pairs(paths.dubai_root())[0]
    wanted, opened = access.opened_path(folder)
    try:
        found = find_pairs(wanted, opened=opened)[0]
    except DatasetNotFoundError:
        found = []
    return found or flat_pairs(wanted, opened=opened)


def _use(collection: str, pair: Pair) -> str:
    if collection != DUBAI:
        return ""
    if pair.part in TRAIN_PARTS:
        return "train"
    return {VAL_PART: "validate", TEST_PART: "test"}.get(pair.part or 0, "")
