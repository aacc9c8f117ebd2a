"""Many pictures at once: the datasets that are here, and folders that the operator opened, name by name."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from app.services import access, own_datasets
from app.services.datasets import Picture
from core.band_set import BandSet
from core.data import named
from core.data.confined import confined
from core.data.datasets import dataset_named
from core.data.datasets.own_folder import OWN_FOLDER
from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.data.folder import Pair, flat_pairs, load_pair
from core.errors import ConfigError, DatasetNotFoundError

FOLDER = OWN_FOLDER.name
APART = (FOLDER, SHIPPED_SCENES.name)
"""Collections that have a source of their own on Compare, or that a link alone can name there."""
_MOST_SEEN = 8
USES = {"all": "All", "train": "Train", "validate": "Validate", "test": "Test"}


@dataclass(frozen=True)
class CollectionEntry:
    """One picture of a collection; `use` is a key of `USES` where the dataset parts its pictures, else empty."""

    name: str
    use: str


def titles(owner: str | None = None) -> dict[str, str]:
    """Collections that this visitor can open now, by name (`own_datasets.visible`)."""
    opened = access.read_access().images is not None
    return {
        name: dataset.short_title
        for name, dataset in own_datasets.visible(owner).items()
        if (opened if dataset.needs_root else dataset.is_here())
    }


def entries(collection: str, folder: str = "", owner: str | None = None) -> tuple[CollectionEntry, ...]:
    """Every picture, in order. Raises `DatasetNotFoundError` with what to do, `ConfigError` for another's dataset."""
    own_datasets.require_visible(collection, owner)
    return tuple(CollectionEntry(pair.name, _use(collection, pair)) for pair in _pairs(collection, folder))


def seen_by(bands: BandSet, owner: str | None = None) -> dict[str, tuple[str, str]]:
    """Pictures of this visitor's datasets that a model of these bands can see: collection and picture by their title.

    Some of each dataset.
    """
    found = {}
    for collection, title in titles(owner).items():
        with suppress(ConfigError, DatasetNotFoundError):
            dataset_named(collection).band_set.places_of(bands)
            for entry in entries(collection, owner=owner)[:_MOST_SEEN]:
                found[f"{title}: {entry.name}"] = (collection, entry.name)
    return found


def open_picture(collection: str, name: str, folder: str = "", owner: str | None = None) -> Picture:
    """A picture with its mask, where it has one. Raises `DatasetNotFoundError`, `PairError`, and what `entries` does.

    Those of the operator's folder, and of datasets that visitors brought, are decoded in a confined process.
    """
    own_datasets.require_visible(collection, owner)
    pairs = _pairs(collection, folder)
    pair = next((pair for pair in pairs if pair.name == name), None)
    if pair is None:
        raise DatasetNotFoundError(f"There is no picture {name!r} in this collection: choose another one.")
    dataset = dataset_named(collection)
    if dataset.needs_root:
        with confined(access.opened_path(folder)[1]) as read:
            scene, _ = load_pair(pair, dataset.classes, read=read, siblings=pairs)
    elif named.is_brought(collection):
        with confined(dataset.folder()) as read:
            scene, _ = load_pair(pair, dataset.classes, read=read, siblings=pairs)
    else:
        scene, _ = load_pair(pair, dataset.classes)
    digest = hashlib.sha256(repr(scene.image.shape).encode())
    for values in (scene.image, scene.truth):
        digest.update(b"" if values is None else np.asarray(values).tobytes())
    use = pair.split or (dataset.split.use_of(pair.part) if dataset.split is not None else "")
    return Picture(
        name,
        digest.hexdigest(),
        scene.rgb,
        scene.truth,
        private=own_datasets.is_private(collection),
        dataset=dataset.name,
        use=use,
        classes=dataset.classes.scored_names,
        values=None if scene.bands.is_colours else np.asarray(scene.image),
        bands=scene.bands,
    )


def _pairs(collection: str, folder: str) -> list[Pair]:
    dataset = dataset_named(collection)
    if not dataset.needs_root:
        return dataset.find(dataset.folder())[0]
    wanted, opened = access.opened_path(folder)
    try:
        found = dataset.find(wanted, opened=opened)[0]
    except DatasetNotFoundError:
        found = []
    return found or flat_pairs(wanted, opened=opened)


def _use(collection: str, pair: Pair) -> str:
    dataset = dataset_named(collection)
    if dataset.needs_root:
        return ""
    use = pair.split or (dataset.split.use_of(pair.part) if dataset.split is not None else "")
    return "validate" if use == "val" else use
