"""Whether an exported file answers as PyTorch does, on real tiles of even and odd sizes: asked before it is offered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from core.cards import ModelCard
from core.errors import ExportError
from core.export.session import OnnxModel
from core.export.torch_answer import logits

SAME_CLASS, SAME_CLASS_INT8 = 0.9995, 0.9
"""Least share of pixels with PyTorch's class. The rest may tip over where two classes are as likely as each other."""


@dataclass(frozen=True)
class Parity:
    """`agreement`: share of pixels with PyTorch's class; `largest_difference` of a logit (None for a mask)."""

    agreement: float
    largest_difference: float | None
    pixels: int
    tiles: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(exported: OnnxModel, model: nn.Module, card: ModelCard, tiles: Sequence[NDArray[np.uint8]]) -> Parity:
    """Both on the same tiles; every second tile loses some rows and columns, so that odd sizes are looked at too."""
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
