"""Whether an exported file answers as PyTorch does, on real tiles of even and odd sizes: asked before it is offered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.band_set import COLOURS, BandSet
from core.cards import ModelCard
from core.config import DataConfig
from core.data import open_split
from core.data.datasets import dataset_of, known
from core.data.scene import Scene
from core.errors import DataError, ExportError
from core.export.session import OnnxModel
from core.infer.forward import evaluating
from core.normalise import Normaliser

TILE = 256
SAME_CLASS, SAME_CLASS_INT8 = 0.9995, 0.9
"""Least share of pixels with PyTorch's class. The rest may tip over where two classes are as likely as each other."""


def usual_data(card: ModelCard) -> DataConfig:
    """The shipped scenes, or what a model of other classes, or of other bands than colours, learned from."""
    shipped, learned = DataConfig(), DataConfig(str(card.data.get("dataset") or DataConfig().dataset))
    if not card.bands.is_colours:
        return learned
    names = card.classes.scored_names
    dataset = known().get(learned.dataset)
    there = dataset is not None and dataset.is_here() and dataset.classes.scored_names == names
    return learned if there and dataset_of(shipped).classes.scored_names != names else shipped


def training_tiles(
    data: DataConfig, *, count: int, bands: BandSet | None = None, side: int = TILE, seed: int = 0
) -> list[NDArray[Any]]:
    """Squares of the training pictures of a dataset, which are real pictures to check and calibrate on.

    Args:
        data: Which dataset.
        count: How many squares.
        bands: Those that the model takes. None: colours.
        side: S, in pixels.
        seed: Of the places.

    Returns:
        (S, S, C) of C bands each, as the pictures hold them; smaller where a picture is.

    Raises:
        DataError: What `core.data.open_split` raises, or there is no picture.
        ConfigError: The pictures have not all of these bands, or have another depth.
    """
    _, split = open_split(data)
    wanted = bands or COLOURS
    if split.train:
        split.train[0].bands.places_of(wanted)
    return cut_tiles([scene.only(wanted.names) for scene in split.train], count=count, side=side, seed=seed)


def cut_tiles(scenes: Sequence[Scene], *, count: int, side: int = TILE, seed: int = 0) -> list[NDArray[Any]]:
    """The same from these scenes, one after the other, each time from another place.

    Args:
        scenes: At least one.
        count: How many squares.
        side: S, in pixels.
        seed: Of the places.

    Returns:
        (S, S, C) of C bands each, as the pictures hold them; smaller where a picture is.

    Raises:
        DataError: There is no scene.
    """
    if not scenes:
        raise DataError("There are no pictures to take tiles from: choose another dataset.")
    draw = np.random.default_rng(seed)
    tiles = []
    for index in range(count):
        image = scenes[index % len(scenes)].image
        height, width = image.shape[:2]
        top, left = draw.integers(max(1, height - side + 1)), draw.integers(max(1, width - side + 1))
        tiles.append(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return tiles


@dataclass(frozen=True)
class Parity:
    """`agreement`: share of pixels with PyTorch's class; `largest_difference` of a logit (None for a mask)."""

    agreement: float
    largest_difference: float | None
    pixels: int
    tiles: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(exported: OnnxModel, model: nn.Module, card: ModelCard, tiles: Sequence[NDArray[Any]]) -> Parity:
    """Both on the same tiles; every second tile loses some rows and columns, so that odd sizes are compared too.

    Args:
        exported: The file at work.
        model: The network that it was made from.
        card: Its classes and normalisation.
        tiles: (H, W, C) of C bands each.

    Raises:
        ExportError: The file gives another shape.
    """
    same, pixels, largest = 0, 0, None
    for index, tile in enumerate(tiles):
        image = tile if index % 2 == 0 else np.ascontiguousarray(tile[: -1 - index % 7, : -3 - index % 5])
        expected, found = logits(model, card, image[None]), exported.run(image[None])
        if not exported.gives_mask:
            if found.shape != expected.shape:
                raise ExportError(f"The exported model gives {found.shape} where PyTorch gives {expected.shape}.")
            largest = max(largest or 0.0, float(np.abs(found - expected).max()))
        mask = found if exported.gives_mask else found.argmax(axis=1)
        same += int((mask == expected.argmax(axis=1)).sum())
        pixels += mask.size
    return Parity(same / pixels, largest, pixels, len(tiles))


def insist(parity: Parity, *, least: float = SAME_CLASS) -> Parity:
    """Raises `ExportError` when fewer pixels than `least` (a share) have PyTorch's class."""
    if not parity.agreement >= least:
        raise ExportError(
            f"The exported model gives PyTorch's class for {100 * parity.agreement:.2f} % of {parity.pixels:,} pixels; "
            f"{100 * least:g} % are asked for, so the file is not offered."
        )
    return parity


def logits(model: nn.Module, card: ModelCard, images: NDArray[Any]) -> NDArray[np.float32]:
    """What PyTorch makes of the same bytes that an exported model takes, on the device where the model lies.

    Args:
        model: The network.
        card: Its normalisation.
        images: (N, H, W, C) of the card's bands and depth.

    Returns:
        Logits (N, C, H, W).
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.inference_mode():
        given = Normaliser.of_card(card, device, card.bands)(images)
        found: NDArray[np.float32] = model(given).float().contiguous().cpu().numpy()
    return found
