"""Pictures to look at (shipped scenes, uploads) and datasets to train on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services import own_datasets
from app.services.access import read_access
from app.services.names import shown
from core.band_set import COLOURS, BandSet, serving_all
from core.config import DataConfig
from core.data.dataset import Dataset
from core.data.datasets import dataset_named
from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.errors import ConfigError, ImageError
from core.imagery.limits import MEGABYTE

UPLOAD_MEGABYTES = 50
UPLOAD_MEGAPIXELS = 16
ELSEWHERE = "open it on the page Your images, which takes any size and shows every part in full detail."
OTHER_BANDS = "for each sees bands that another does not: choose other models, or a picture of a dataset."
_DECODING_BYTES = 1024**3
_MOST_VALUE_BYTES = 256 * MEGABYTE
"""Of the bands of an upload, where they are others than colours."""
UPLOAD_TYPES = ("png", "jpg", "jpeg", "tif", "tiff")


@dataclass(frozen=True)
class Picture:
    """`image` uint8 (H, W, 3); `mask` class indices (H, W) where it is known; `sha256` of the file's bytes.

    `values` (H, W, C) are the bands of one that has others than colours, and `bands` says which; None: `image` is all.
    `ground` is in metres a pixel, where the file says so.
    `private` pictures are a visitor's own: nothing that comes of them may be kept for others. `dataset` is the name of
    the one that it belongs to, empty for an upload, and `use` what that dataset keeps it for (`train`, `val` or
    `test`), where it says so. `classes` are the names that the numbers in `mask` stand for; empty: those of any model.
    """

    name: str
    sha256: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    private: bool = False
    ground: float | None = None
    dataset: str = ""
    use: str = ""
    classes: tuple[str, ...] = ()
    values: NDArray[Any] | None = None
    bands: BandSet = COLOURS

    @property
    def held_pixels(self) -> float:
        """How many pixels of colours take as much memory."""
        held = self.image.nbytes + (0 if self.values is None else self.values.nbytes)
        return held / COLOURS.pixel_bytes

    @property
    def own_bands(self) -> dict[str, Any]:
        """What models of other bands than colours are given of it besides its colours; empty where it has no more."""
        return {} if self.values is None else {"values": self.values, "bands": self.bands}

    def known_to(self, model_classes: tuple[tuple[str, tuple[int, int, int]], ...]) -> "Picture":
        """The same for a model: without its mask where that tells other classes apart than the model does.

        Args:
            model_classes: names and colours, the ignored class last.
        """
        names = tuple(name for name, _ in model_classes[:-1])
        return self if self.mask is None or not self.classes or self.classes == names else replace(self, mask=None)


@dataclass(frozen=True)
class DatasetChoice:
    """A dataset for the form: `missing` says how to get it when it is not there."""

    name: str
    title: str
    missing: str | None = None
    needs_root: bool = False
    classes: tuple[str, ...] = ()
    labelled: bool = True


def scene_names() -> list[str]:
    """The shipped scenes, in order; empty when they have not been made."""
    folder = SHIPPED_SCENES.folder() / "images"
    return sorted(file.stem for file in folder.glob("*.*")) if folder.is_dir() else []


def shipped_classes() -> tuple[tuple[str, tuple[int, int, int]], ...]:
    """What the masks of the shipped scenes tell apart."""
    classes = SHIPPED_SCENES.classes
    return tuple(zip(classes.names, classes.colours, strict=True))


def load_scene(name: str) -> Picture:
    """A shipped scene with its mask. Raises `DataError`."""
    from core.data.folder import load_pair

    pairs, _ = SHIPPED_SCENES.find(SHIPPED_SCENES.folder())
    pair = next((pair for pair in pairs if pair.name == name), None)
    if pair is None:
        raise ImageError(f"There is no shipped scene {name}: choose another one.")
    scene, _ = load_pair(pair, SHIPPED_SCENES.classes)
    digest = hashlib.sha256(pair.image.read_bytes()).hexdigest()
    return Picture(name, digest, scene.rgb, scene.truth, dataset=SHIPPED_SCENES.name)


def read_upload(name: str, data: bytes, wanted: Sequence[BandSet] = ()) -> Picture:
    """A visitor's picture, kept in memory only.

    Args:
        name: of the file.
        data: its bytes.
        wanted: those that each of the models sees; it is read in the bands of the one that sees all of them.

    Raises:
        ImageError: it is no picture, lacks a band, holds another depth, or is too large; or no model sees all bands.
    """
    from core.imagery.confined_picture import picture_of
    from core.imagery.limits import HUGE_PIXELS, Limits

    label, bands = shown(name), serving_all(wanted)
    if bands is None:
        raise ImageError(f"{label} cannot be read for all of these models, {OTHER_BANDS}")
    if len(data) > UPLOAD_MEGABYTES * MEGABYTE:
        raise ImageError(f"{label} is larger than {UPLOAD_MEGABYTES} MB: {ELSEWHERE}")
    # Nothing above this page's own megapixels is decoded, however empty it is.
    limits = Limits(memory=_DECODING_BYTES, seconds=10, patience=30, pixels_per_byte=HUGE_PIXELS)
    with picture_of(data, name=label, limits=limits, band_set=bands) as picture:
        height, width = picture.info.height, picture.info.width
        if height * width > UPLOAD_MEGAPIXELS * 1_000_000 * 1.05:
            raise ImageError(
                f"{label} has {height * width / 1e6:.0f} megapixels; this page takes {UPLOAD_MEGAPIXELS}: {ELSEWHERE}"
            )
        if height * width * bands.pixel_bytes > _MOST_VALUE_BYTES:
            raise ImageError(
                f"{label} holds {height * width * bands.pixel_bytes / MEGABYTE:.0f} MB in the bands {bands}; this page "
                f"takes {_MOST_VALUE_BYTES // MEGABYTE}: {ELSEWHERE}"
            )
        image, _ = picture.read_seen(0, 0, height, width)
        values = None if bands.is_colours else picture.read(0, 0, height, width)[0]
        ground = picture.info.metres_per_pixel
    told = data if values is None else data + repr(bands).encode()
    digest = hashlib.sha256(told).hexdigest()
    return Picture(label, digest, image, None, private=True, ground=ground, values=values, bands=bands)


def training_choices(owner: str | None = None) -> list[DatasetChoice]:
    """What this visitor can train on (`own_datasets.visible`), and what is missing for the rest."""
    opened = read_access().images is not None
    known = own_datasets.visible(owner).values()
    return [_choice(dataset) for dataset in known if opened or not dataset.needs_root]


def _choice(dataset: Dataset) -> DatasetChoice:
    """`Shipped scenes (12, synthetic)`."""
    more = ", ".join(str(value) for value in (dataset.pictures, dataset.note) if value)
    title = f"{dataset.title} ({more})" if more else dataset.title
    missing = None
    if not dataset.needs_root and not dataset.is_here():
        missing = f"{dataset.remedy[:1].upper()}{dataset.remedy[1:]}, then reload this page."
    return DatasetChoice(
        dataset.name,
        title,
        missing,
        dataset.needs_root,
        dataset.classes.scored_names,
        own_datasets.has_labels(dataset.name),
    )


def short_title(name: str) -> str:
    """What a narrow table calls a dataset; the name itself where there is none of that name."""
    try:
        return dataset_named(name).short_title
    except ConfigError:
        return name


def class_names(name: str, owner: str | None = None) -> tuple[str, ...]:
    """The classes of a dataset; none where this visitor knows none of this name."""
    dataset = own_datasets.visible(owner).get(name)
    return () if dataset is None else dataset.classes.scored_names


def split_summary(data: dict[str, Any]) -> dict[str, Any]:
    """Read a dataset once and count it: pictures and megapixels to train and validate on, and the split's note.

    `labelled` of the `train` pictures have labels; `without` more come without, from elsewhere.

    Raises `DataError` and `ConfigError` with what to do.
    """
    from core.data import open_split, transfer_scenes
    from core.runs.checks import require_labels

    config = DataConfig(**data)
    if config.transfer is None and (kept := own_datasets.split_facts(config)) is not None:
        return kept
    loaded, split = open_split(config)
    require_labels(split, loaded.dataset.classes)
    crop, transfer = config.crop, transfer_scenes(config, split, loaded.dataset.band_set)
    more = transfer.scenes
    return {
        "train": len(split.train),
        "labelled": sum(scene.mask is not None for scene in split.train),
        "without": len(more),
        "val": len(split.val),
        "crops": sum(max(1, s.height // crop) * max(1, s.width // crop) for s in [*split.train, *more]),
        "val_megapixels": sum(s.height * s.width for s in split.val) / 1e6,
        "note": f"{split.note} {transfer}".strip(),
        "leaks": split.leaks,
        "warnings": loaded.warnings,
    }
