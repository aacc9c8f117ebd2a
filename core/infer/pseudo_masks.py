"""A model's answers as a dataset: masks of its classes where it is sure enough, beside copies of the pictures.

Reference: Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method, 2013.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import checkpoint
from core.checkpoint import Loaded, ModelCard
from core.config.pseudo_mask_order import PseudoMaskOrder
from core.data import named
from core.data.confined import confined
from core.data.dataset_files import copy_picture
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from core.data.folder import Pair, Read, read_pair
from core.data.importing import shared_ground
from core.data.mask_files import PACKED, UNLABELLED, write_mask
from core.data.picture_sources import SourcePictures, find_pictures
from core.data.readers.source import Labels, SourcePicture
from core.data.readers.stems import numbered, safe_stem
from core.device import choose
from core.errors import ConfigError, DataError, ImageError, TerrastillError
from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.files import require_room
from core.freed_memory import keep_freed_memory
from core.imagery.confined_picture import ConfinedPicture
from core.imagery.ground import ground_ratio
from core.imagery.limits import Info
from core.imagery.sniff import pixels_of
from core.infer.stream import WindowSource, segment
from core.infer.tiling import NO_DATA, Tiling
from core.normalise import Normaliser
from core.out_of_memory import lacking, out_of_memory_as

_USES = {"train": "train", "val": "validate", "test": "test"}
_LONGEST_NAME, _LONGEST_TEXT = 60, 1000
_PARTS_OF_A_PICTURE = 100


@dataclass
class PseudoMasks:
    """What came of an order. `sure` is the share of pixels that got a class; a problem is a sentence on a picture."""

    pictures: int = 0
    masks: int = 0
    sure: float = 0.0
    problems: list[str] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


def make_dataset(
    order: PseudoMaskOrder,
    target: Path,
    *,
    partial: Path,
    owner: Mapping[str, Any] | None = None,
    runs: Path | None = None,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> PseudoMasks:
    """Write the dataset of an order as the folder `target`, whole or not at all.

    Args:
        order: What is asked for.
        target: Where the dataset goes; nothing may be there.
        partial: Beside it, where it is prepared; what an earlier attempt left there is removed.
        owner: Whose it is, for one that a visitor of the app made (`core.data.named.OWNER_FILE`).
        runs: The folder of all runs.
        progress: Called with the picture that is worked on.
        cancelled: Asked before each picture and between windows.

    Raises:
        ConfigError: The target is taken, the model takes other bands, or its classes cannot be those of a dataset.
        CheckpointError: There is no such model.
        DataError: No picture can be read, or the model is nowhere sure enough.
        DiskFullError: There is no space for it.
        CancelledError: `cancelled` said so.
    """
    order.validate()
    with named.whole_folder(target, partial):
        found = write_pseudo_masks(order, partial, runs=runs, progress=progress, cancelled=cancelled)
        if owner is not None:
            told = {**owner, "pictures": found.pictures, "labelled": found.masks, "parts": found.parts}
            (partial / named.OWNER_FILE).write_text(json.dumps(told), encoding="utf-8")
    return found


def write_pseudo_masks(
    order: PseudoMaskOrder,
    folder: Path,
    *,
    runs: Path | None = None,
    progress: OnProgress | None = None,
    cancelled: Cancelled | None = None,
) -> PseudoMasks:
    """Fill an empty folder: pictures as they are, masks of class indices (255: unlabelled), and what says how to read.

    `dataset.toml` is for us; `classes.csv` and, where the pictures are parted, `train.txt`, `val.txt` and `test.txt`
    say the same to others. A picture of which the model is sure nowhere comes without a mask. Raises as `make_dataset`.
    """
    keep_freed_memory()
    pictures = find_pictures(order.source)
    loaded = checkpoint.load(checkpoint.resolve(order.model, runs=runs), device=choose(order.device))
    pictures.bands.places_of(loaded.card.bands, whose="The model")
    stems = _stems(pictures.pairs)
    require_room(folder, sum(pair.image.stat().st_size + pixels_of(pair.image) // PACKED for pair in pictures.pairs))
    for name in ("images", "masks"):
        (folder / name).mkdir()
    found, kept, metres, sure, pixels = PseudoMasks(), list[Pair](), list[float | None](), 0, 0
    with _reader(order, pictures) as read:
        for number, pair in enumerate(pictures.pairs):
            shown = _share_of(progress, number, len(pictures.pairs), pair.name)
            if cancelled is not None and cancelled():
                raise CancelledError
            try:
                short = out_of_memory_as(ImageError(lacking("masking", name=pair.name)))
                with short, _opened(pair, pictures, read) as picture:
                    mask = _answer(picture, loaded, order, pictures, shown, cancelled)
                    metres.append(picture.info.metres_per_pixel)
            except (ImageError, DataError, ConfigError) as error:
                found.problems.append(_sentence(pair.name, error))
                continue
            copy_picture(SourcePicture(pair.image, stems[pair.image]), folder / "images")
            kept.append(pair)
            known = int((mask != UNLABELLED).sum())
            sure, pixels = sure + known, pixels + mask.size
            if known:
                _write(folder / "masks" / stems[pair.image], mask)
                found.masks += 1
    found.pictures, found.sure = len(kept), sure / max(1, pixels)
    _require_answers(found, order)
    _describe(order, folder, pictures, loaded.card, kept, stems, shared_ground(metres))
    masked = {path.stem for path in (folder / "masks").iterdir()}
    found.parts = dict(
        Counter(_USES[pair.split] for pair in kept if pair.split in _USES and stems[pair.image] in masked)
    )
    return found


def _require_answers(found: PseudoMasks, order: PseudoMaskOrder) -> None:
    """Raises `DataError` where no picture could be read, or the model is sure of no pixel."""
    if not found.pictures:
        raise DataError(found.problems[0] if found.problems else "There is no picture in it: choose another folder.")
    if not found.masks:
        raise DataError(
            f"The model is nowhere {100 * order.confidence:g} % sure of a class: choose a lower confidence, or a model "
            "that knows such pictures."
        )


@contextmanager
def _reader(order: PseudoMaskOrder, pictures: SourcePictures) -> Iterator[Read]:
    """What reads pictures of other bands than colours: in a confined process where a visitor brought them."""
    with ExitStack() as stack:
        read: Read = read_pair
        if pictures.dataset is not None and named.is_brought(pictures.dataset.name):
            read = stack.enter_context(confined(pictures.dataset.folder()))
        elif order.source.opened is not None:
            read = stack.enter_context(confined(Path(order.source.opened)))
        yield read


class _Whole:
    """A picture in memory, read by windows. Where every band is 0 there is no data (`core.image.read_bands`)."""

    def __init__(self, image: NDArray[Any], metres: float | None) -> None:
        self._image = image
        self.info = Info("array", image.shape[1], image.shape[0], metres_per_pixel=metres)

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A window, and which of its pixels hold data."""
        part = self._image[y : y + height, x : x + width]
        valid: NDArray[np.bool_] = np.any(part != 0, axis=2)
        return part, None if valid.all() else valid


@contextmanager
def _opened(pair: Pair, pictures: SourcePictures, read: Read) -> Iterator[WindowSource]:
    """A picture to be read by windows: colours from a confined process, as `predict` reads them."""
    metres = None if pictures.dataset is None else pictures.dataset.metres_per_pixel
    if not pictures.bands.is_colours:
        yield _Whole(read(pair).image, metres)
        return
    with ConfinedPicture(pair.image, name=pair.name) as picture:
        picture.info = picture.info.with_ground(metres)
        yield picture


def _answer(
    picture: WindowSource,
    loaded: Loaded,
    order: PseudoMaskOrder,
    pictures: SourcePictures,
    progress: OnProgress | None,
    cancelled: Cancelled | None,
) -> NDArray[np.uint8]:
    """Class indices (H, W) of the picture; `UNLABELLED` without data and below the confidence."""
    card, normaliser = loaded.card, Normaliser.of_card(loaded.card, choose(order.device), pictures.bands)
    mask = np.full((picture.info.height, picture.info.width), UNLABELLED, np.uint8)
    strips = segment(
        picture,
        loaded.model,
        outputs=card.classes.outputs,
        normaliser=normaliser,
        tiling=Tiling(flips=order.flips, ground_ratio=ground_ratio(picture.info, card.metres_per_pixel)),
        probabilities=True,
        progress=progress,
        cancelled=cancelled,
    )
    for strip in strips:
        assert strip.probabilities is not None
        sure = (strip.probabilities.amax(dim=0) >= order.confidence).cpu().numpy()
        rows = mask[strip.y : strip.y + len(strip.mask)]
        rows[:] = np.where(sure & (strip.mask != NO_DATA), strip.mask, np.uint8(UNLABELLED))
    return mask


def _write(stem: Path, mask: NDArray[np.uint8]) -> None:
    height, width = mask.shape
    labels = Labels(height, width, lambda top, bottom: mask[top:bottom].astype(np.int32))
    write_mask(stem, labels, (height, width), {index: index for index in range(UNLABELLED)})


def _stems(pairs: Sequence[Pair]) -> dict[Path, str]:
    """A name of its own for each picture, without folders and endings."""
    found = {pair.image: safe_stem(pair.name.replace("/", "_").removesuffix(pair.image.suffix)) for pair in pairs}
    return numbered(found)


def _describe(
    order: PseudoMaskOrder,
    folder: Path,
    pictures: SourcePictures,
    card: ModelCard,
    kept: Sequence[Pair],
    stems: Mapping[Path, str],
    metres: float | None,
) -> None:
    """`dataset.toml`, and the same in files that others read."""
    source = pictures.dataset
    classes = tuple(
        DescribedClass(name[:_LONGEST_NAME], colour)
        for name, colour in zip(card.classes.scored_names, card.classes.colours, strict=False)
    )
    listed = {use: tuple(stems[pair.image] for pair in kept if _USES.get(pair.split) == use) for use in _USES.values()}
    lists = listed["train"], listed["validate"], listed["test"]
    split = DescribedSplit("names", *lists) if any(lists) else DescribedSplit()
    of = "" if source is None else f"{source.short_title}, "
    description = Description(
        name=order.name,
        title=(order.title or f"{of}answers of {_plain(card.name)}")[:_LONGEST_NAME],
        classes=classes,
        licence=order.licence or ("" if source is None else source.licence),
        attribution=order.attribution or ("" if source is None else source.attribution),
        labelled_by=answered_by(card, order.confidence),
        bands=pictures.bands.names,
        depth=pictures.bands.depth,
        shown=pictures.bands.shown,
        metres_per_pixel=metres or (None if source is None else source.metres_per_pixel),
        split=split,
    )
    write_description(folder, description)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("value", "name", "red", "green", "blue"))
    table.writerows((at, each.name, *(each.colour or ())) for at, each in enumerate(classes))
    (folder / "classes.csv").write_text(text.getvalue(), encoding="utf-8")
    for name, use in (("train", "train"), ("val", "validate"), ("test", "test")):
        if listed[use]:
            (folder / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in listed[use]), encoding="utf-8")


def answered_by(card: ModelCard, confidence: float) -> str:
    """Who made the masks, and what they are worth: a sentence or two for `dataset.toml`."""
    unsure = f"; pixels of which it was less than {100 * confidence:g} % sure are unlabelled" if confidence else ""
    licence = f" Licence of the model: {_plain(card.licence)}." if card.licence else ""
    return f"Answers of the model {_plain(card.name)}, and no labels{unsure}.{licence}"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_TEXT].strip()


def _share_of(progress: OnProgress | None, at: int, of: int, name: str) -> OnProgress | None:
    """Reports a picture's windows as a part of all pictures."""
    if progress is None:
        return None
    whole = _PARTS_OF_A_PICTURE
    progress(Progress(at * whole, of * whole, name))
    return lambda now: progress(Progress(at * whole + whole * now.done // max(1, now.total), of * whole, name))


def _sentence(name: str, error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, TerrastillError) and text.startswith(name) else f"{name} is left out: {text}"
