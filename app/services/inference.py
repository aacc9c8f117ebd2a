"""Models at work for the Compare page: masks, how they agree, how they score, how fast they are."""

import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core import paths
from core.band_set import COLOURS, RGB, BandSet
from core.classes import ClassMap
from core.data.scene import Scene
from core.errors import ImageError
from core.freed_memory import give_back_freed_memory
from core.infer.tiling import OVERLAP, WHOLE
from core.metrics import confusion_matrix, scores

if TYPE_CHECKING:
    from core.checkpoint import Loaded

# One piece of work at a time on the device: two visitors at once would only slow each other.
_DEVICE = threading.Lock()


@dataclass(frozen=True)
class Planes:
    """What a model says of a picture, uint8 (H, W) each: class indices, and 0..255 for the probability of that class
    and for the entropy between all classes (0: certain, 255: all alike). Of a committee `members` is how much its
    members disagree (0: not at all, 255: each is certain of a class of its own), None for other models.
    """

    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8]
    entropy: NDArray[np.uint8]
    members: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Quality:
    """Fractions from 0 to 1. Scores are None where no mask is known; a class that does not occur has None.

    `learned`: the model was trained on this very picture, so its scores tell little.
    """

    agreement: float | None
    miou5: float | None
    per_class: dict[str, float | None]
    learned: bool = False


def warm_up() -> None:
    """Import what takes seconds to import, before somebody waits for it."""
    for name in ("core.infer.predict", "core.checkpoint"):
        importlib.import_module(name)
    importlib.import_module("core.models.smp").import_smp()


def load(name: str) -> "Loaded":
    """A model on the best device, for answers alone. Raises `CheckpointError` and `DeviceError`."""
    from core import checkpoint, device
    from core.infer.fused import fused

    found = checkpoint.load(checkpoint.resolve(name, runs=paths.home()), device=device.choose())
    return replace(found, model=fused(found.model, len(found.card.bands.names)))


def predict_planes(
    loaded: "Loaded", image: NDArray[np.uint8], *, values: NDArray[Any] | None = None, bands: BandSet = COLOURS
) -> Planes:
    """What a model says of a picture.

    Args:
        loaded: the model.
        image: the picture in colours (H, W, 3).
        values: its bands (H, W, D), where it has others than colours.
        bands: which these are.

    Raises:
        ImageError: the picture cannot be taken, or was read in colours and the model sees other bands.
        ConfigError: the picture lacks a band that the model sees, or holds another depth.
    """
    from core.device import choose
    from core.infer.members import predict_with_members
    from core.normalise import Normaliser

    with _DEVICE:
        given, whose = _given(loaded.card.bands, image, values, bands)
        normaliser = Normaliser.of_card(loaded.card, choose(), whose)
        found, members = predict_with_members(loaded.model, given, normaliser=normaliser, tile=WHOLE)
        give_back_freed_memory()
    unsure = None if members is None else _bytes(members)
    return Planes(found.mask, _bytes(found.confidence), _bytes(found.entropy), unsure)


def window_logits(
    loaded: "Loaded",
    image: NDArray[np.uint8],
    *,
    x: int,
    y: int,
    width: int,
    height: int,
    values: NDArray[Any] | None = None,
    bands: BandSet = COLOURS,
) -> NDArray[np.float16]:
    """Logits (C, height, width) in a part of a picture, each pixel's largest at 0. Raises as `predict_planes` does.

    The model sees `OVERLAP` pixels around the part. What comes out of the softmax tells the logits up to a constant.
    """
    from core.device import choose
    from core.infer.predict import predict
    from core.normalise import Normaliser

    top, left = max(0, y - OVERLAP), max(0, x - OVERLAP)
    given, whose = _given(loaded.card.bands, image, values, bands)
    seen = np.ascontiguousarray(given[top : y + height + OVERLAP, left : x + width + OVERLAP])
    with _DEVICE:
        card = loaded.card
        found = predict(loaded.model, seen, normaliser=Normaliser.of_card(card, choose(), whose), tile=WHOLE)
    part = found.probabilities[:, y - top : y - top + height, x - left : x - left + width]
    log = np.log(np.maximum(part, np.finfo(np.float32).tiny))
    logits: NDArray[np.float16] = (log - log.max(axis=0)).astype(np.float16)
    return logits


def _given(
    wanted: BandSet, image: NDArray[np.uint8], values: NDArray[Any] | None, bands: BandSet
) -> tuple[NDArray[Any], BandSet]:
    """What a model that sees `wanted` is given of a picture, and which bands that are. Raises `ImageError`.

    A model of colours is given red, green and blue, also where a person is shown other bands.
    """
    if wanted.is_colours:
        if values is None or not bands.serves(wanted) or [bands.names[place] for place in bands.colours] == [*RGB]:
            return image, COLOURS
        return Scene("", values, None, bands=replace(bands, shown=RGB)).rgb, COLOURS
    if values is None:
        raise ImageError(
            f"This model sees the bands {wanted}, and the picture was read in colours: open it on the page Your "
            "images, or choose a picture of a dataset with these bands."
        )
    return values, bands


def _bytes(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(255 * shares).astype(np.uint8)


def quality(
    mask: NDArray[np.uint8],
    *,
    reference: NDArray[np.uint8] | None,
    truth: NDArray[np.uint8] | None,
    classes: Sequence[tuple[str, tuple[int, int, int]]],
    ignore_index: int,
) -> Quality:
    """Agreement with `reference` (the teacher's mask) and, with a known mask, IoU; all masks (H, W)."""
    agreement = None if reference is None else float((mask == reference).mean())
    if truth is None:
        return Quality(agreement, None, {})
    class_map = ClassMap(tuple(name for name, _ in classes), tuple(colour for _, colour in classes), ignore_index)
    found = scores(confusion_matrix(mask, truth, len(class_map.names)), class_map)
    per_class = {name: None if np.isnan(score.iou) else score.iou for name, score in found.per_class.items()}
    return Quality(agreement, None if np.isnan(found.miou5) else found.miou5, per_class)
