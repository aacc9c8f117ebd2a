"""What a model that is not yet imported makes of a picture, by what is said of it so far, in a confined process.

So a wrong normalisation, layout or order of classes is seen before anything is saved.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.band_set import COLOURS, BandSet
from core.brought.found import FoundModel, ModelAnswers, own_classes, settle
from core.classes import UNLABELLED_COLOUR, ClassMap, colours_for
from core.errors import ConfigError
from core.models.external import limits_for
from core.models.external.brought_network import BroughtNetwork, Surroundings
from core.models.external.confined_network import RunLimits
from core.models.external.importer import found_in, probe_with, running, with_probe
from core.models.external.onnx_network import ArrayNetwork
from core.models.mapped import MappedModel

_T = TypeVar("_T", bound=np.generic)
MOST_SIDE = 768
"""Of the middle of a picture that is shown, in pixels."""
_LARGEST = {"uint8": 255, "uint16": 65_535, "float32": 1}
_UNSAID = "No normalisation is given yet: this is for values divided by {:,}."
_LAYOUT = "No layout is given yet: this is for colours before rows and columns (nchw)."
_NUMBERS = "Its classes have no names yet: they are shown by their numbers."


@dataclass(frozen=True)
class ModelPreview:
    """A mask (H, W) of indices of `classes`, of the part `image` (H, W, 3) of a picture.

    `notes` are sentences on what was assumed because nobody said it yet.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    classes: ClassMap
    notes: tuple[str, ...]


def preview(
    source: Path,
    said: ModelAnswers,
    image: NDArray[np.uint8],
    *,
    values: NDArray[Any] | None = None,
    bands: BandSet = COLOURS,
    limits: RunLimits | None = None,
) -> ModelPreview:
    """Run the model in a confined process on the middle of a picture; nothing is kept.

    Args:
        source: As for `importer.inspect`.
        said: What a person says of it; what is missing is assumed, and told in `notes`.
        image: uint8 (H, W, 3), as a person sees it.
        values: Its bands (H, W, D), for a model that sees others than colours.
        bands: Which these are.
        limits: Of the process.

    Raises:
        ConfigError: Something that was said is wrong, or the picture lacks a band that the model sees.
        ModelError: The model cannot be used.
    """
    found, said = found_in(source, said)
    known, notes = _assumed(settle(found, said))
    given = _given(known, image, values, bands)
    folder = source if source.is_dir() else source.parent
    limits = limits or limits_for(sum((folder / file).stat().st_size for file in known.files))
    part = _middle(image)
    with running(folder, known, limits, confined=True) as run:
        known = with_probe(replace(known, classes=()), probe_with(run, known), asking=False)
        model, classes, named = _answering(known, settle(found, said).classes, said, ArrayNetwork(run, known.network))
        mask = model(_normalised(_middle(given), known)).argmax(dim=1)[0].to(torch.uint8).numpy()
    return ModelPreview(part, mask, classes, tuple(notes if named else (*notes, _NUMBERS)))


def _given(known: FoundModel, image: NDArray[np.uint8], values: NDArray[Any] | None, bands: BandSet) -> NDArray[Any]:
    """What a model is given of a picture, (H, W, D) of its own bands. Raises `ConfigError`."""
    if known.inputs != len(known.band_set):
        raise ConfigError(f"Name its {known.inputs} bands, as those of your pictures: then it is shown on one of them.")
    if known.band_set.is_colours:
        return image
    if values is None:
        raise ConfigError(
            f"It sees the bands {known.band_set}, and this picture was read in colours: choose one of a dataset with "
            "these bands, or a GeoTIFF of your own."
        )
    places = bands.places_of(known.band_set, "It")
    return values[..., list(places)] if places else values


def _assumed(known: FoundModel) -> tuple[FoundModel, list[str]]:
    notes = []
    if known.network.get("layout", "nchw") is None:
        known = replace(known, network=known.network | {"layout": "nchw"})
        notes.append(_LAYOUT)
    if known.network.get("dtype") == "uint8":
        return replace(known, mean=(0.0,) * known.inputs, std=(1.0,) * known.inputs), notes
    if known.mean is None or known.std is None:
        largest = _LARGEST[known.depth]
        none, whole = (0.0,) * known.inputs, (float(largest),) * known.inputs
        known = replace(known, mean=known.mean or none, std=known.std or whole)
        notes.append(_UNSAID.format(largest))
    return known, notes


def _answering(
    known: FoundModel, names: tuple[str, ...], said: ModelAnswers, network: nn.Module
) -> tuple[nn.Module, ClassMap, bool]:
    """The model in the classes that were asked for, or in its own by number where their names are missing."""
    outputs = known.outputs or 2
    named = len(names) == outputs
    theirs = names if named else tuple(f"Class {number}" for number in range(outputs))
    around = Surroundings.of(
        {
            **known.network,
            "output": known.output,
            "tile": known.tile,
            "fixed": known.fixed,
            "overlap": known.overlap,
            "inputs": known.inputs,
            "classes": list(theirs),
        }
    )
    bare = BroughtNetwork(network, around).eval()
    if not named:
        return bare, ClassMap((*theirs, "None"), (*colours_for(outputs), UNLABELLED_COLOUR), outputs), False
    mapping, own = own_classes(theirs, said)
    return (MappedModel(bare, mapping) if mapping.changes else bare), own, True


def _middle(image: NDArray[_T]) -> NDArray[_T]:
    top, left = (max(0, (side - MOST_SIDE) // 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + MOST_SIDE, left : left + MOST_SIDE])


def _normalised(values: NDArray[Any], known: FoundModel) -> torch.Tensor:
    """(H, W, D) → (1, D, H, W)."""
    mean, std = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (known.mean, known.std))
    return (torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None] - mean) / std
