"""What a model that is not yet imported makes of a picture, by what is said of it so far, in a confined process.

So a wrong normalisation, layout or order of classes is seen before anything is saved.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.brought.found import FoundModel, ModelAnswers, own_classes, settle
from core.classes import UNLABELLED_COLOUR, ClassMap, colours_for
from core.errors import ConfigError
from core.models.external import limits_for
from core.models.external.brought_network import BroughtNetwork, Surroundings
from core.models.external.confined_network import RunLimits
from core.models.external.importer import found_in, probe_with, running, with_probe
from core.models.external.onnx_network import ArrayNetwork
from core.models.mapped import MappedModel

MOST_SIDE = 768
"""Of the middle of a picture that is shown, in pixels."""
_BYTES = "No normalisation is given yet: this is for bytes divided by 255."
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
    source: Path, said: ModelAnswers, image: NDArray[np.uint8], *, limits: RunLimits | None = None
) -> ModelPreview:
    """Run the model in a confined process on the middle of a picture; nothing is kept.

    Args:
        source: As for `importer.inspect`.
        said: What a person says of it; what is missing is assumed, and told in `notes`.
        image: uint8 (H, W, 3).
        limits: Of the process.

    Raises:
        ConfigError: Something that was said is wrong.
        ModelError: The model cannot be used.
    """
    found, said = found_in(source, said)
    known, notes = _assumed(settle(found, said))
    if known.inputs != 3:
        raise ConfigError(
            f"It takes {known.inputs} bands and this picture shows three: import it, and see it on one of its own."
        )
    folder = source if source.is_dir() else source.parent
    limits = limits or limits_for(sum((folder / file).stat().st_size for file in known.files))
    part = _middle(image)
    with running(folder, known, limits, confined=True) as run:
        known = with_probe(replace(known, classes=()), probe_with(run, known), asking=False)
        model, classes, named = _answering(known, settle(found, said).classes, said, ArrayNetwork(run, known.network))
        mask = model(_normalised(part, known)).argmax(dim=1)[0].to(torch.uint8).numpy()
    return ModelPreview(part, mask, classes, tuple(notes if named else (*notes, _NUMBERS)))


def _assumed(known: FoundModel) -> tuple[FoundModel, list[str]]:
    notes = []
    if known.network.get("layout", "nchw") is None:
        known = replace(known, network=known.network | {"layout": "nchw"})
        notes.append(_LAYOUT)
    if known.network.get("dtype") == "uint8":
        return replace(known, mean=(0.0,) * 3, std=(1.0,) * 3), notes
    if known.mean is None or known.std is None:
        known = replace(known, mean=known.mean or (0.0,) * 3, std=known.std or (255.0,) * 3)
        notes.append(_BYTES)
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
            "classes": list(theirs),
        }
    )
    bare = BroughtNetwork(network, around).eval()
    if not named:
        return bare, ClassMap((*theirs, "None"), (*colours_for(outputs), UNLABELLED_COLOUR), outputs), False
    mapping, own = own_classes(theirs, said)
    return (MappedModel(bare, mapping) if mapping.changes else bare), own, True


def _middle(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(0, (side - MOST_SIDE) // 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + MOST_SIDE, left : left + MOST_SIDE])


def _normalised(image: NDArray[np.uint8], known: FoundModel) -> torch.Tensor:
    """(1, 3, H, W)."""
    values = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (known.mean, known.std))
    return (values - mean) / std
