"""Consistency training: an averaged copy of the student is its own teacher, so pictures need no labels and no teacher.

The copy answers a view as the sampler cut it (weak); the student learns these answers on the same view with stronger
colours and a rectangle of its neighbour (strong), where the copy is confident. Mean Teacher, arXiv 1703.01780;
FixMatch, 2001.07685; CutMix for masks, 1906.01916; UniMatch, 2208.09910.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from core.band_set import COLOURS, BandSet
from core.data.transforms import Rectangle, jitter, rectangle
from core.losses.sums import at_least_single

TERM = "consistency"
_STRENGTH = 0.8
"""Of the colours of a strong view; those of a weak one are 0.2 to 0.25 in our recipes."""
_GREY = 0.2
"""Share of strong views without colour."""


@torch.no_grad()
def pseudo_labels(logits: Tensor, *, valid: Tensor, confidence: float, ignore_index: int) -> Tensor:
    """The likeliest class of each pixel where its probability is at least `confidence`.

    Args:
        logits: (B, C, H, W), of the averaged copy.
        valid: Boolean (B, H, W): other pixels are ignored.
        confidence: From 0 to 1.
        ignore_index: The label of pixels that nobody learns from.

    Returns:
        Class indices (B, H, W), without a gradient.
    """
    likeliest, classes = at_least_single(logits).softmax(dim=1).max(dim=1)
    return classes.where((likeliest >= confidence) & valid, torch.full_like(classes, ignore_index))


def consistency(*, logits: Tensor, labels: Tensor, valid: Tensor, ignore_index: int) -> Tensor:
    """Cross-entropy against pseudo-labels, averaged over all valid pixels, confident or not (as in FixMatch).

    Args:
        logits: (B, C, H, W), of the student on strong views; the gradient flows to them.
        labels: What `pseudo_labels` gave, pasted as the strong views were, (B, H, W).
        valid: Boolean (B, H, W), pasted alike.
        ignore_index: The label of pixels that count as 0.

    Returns:
        A scalar () of at least 0 and at least float32; 0, with a gradient of 0, where nobody is confident.
    """
    summed = functional.cross_entropy(at_least_single(logits), labels, ignore_index=ignore_index, reduction="sum")
    return summed / valid.sum().clamp(min=1)


class StrongViews:
    """Stronger colours and a rectangle of the next view for each view of a batch; a pure function of the seed.

    Args:
        images: (B, S, S, D), as they were cut.
        seed: Of what is drawn.
        bands: Of the views.
    """

    def __init__(self, images: Tensor, *, seed: tuple[int, ...], bands: BandSet = COLOURS) -> None:
        random = np.random.default_rng([abs(part) for part in seed])
        side = images.shape[1]
        self.rectangles: list[Rectangle] = [rectangle(side, random) for _ in range(len(images))]
        coloured = np.stack([_recoloured(view, random, bands) for view in images.numpy()])
        self.images = self.pasted(torch.from_numpy(coloured))

    def pasted(self, values: Tensor) -> Tensor:
        """Values that belong to pixels, moved as the pixels were.

        Args:
            values: (B, S, S, …), of the views as they were cut.

        Returns:
            Of the same shape.
        """
        found = values.clone()
        for at, (rows, columns) in enumerate(self.rectangles):
            found[at, rows, columns] = values[(at + 1) % len(values), rows, columns]
        return found


def consistency_term(
    *,
    averaged: nn.Module,
    student: Callable[[Tensor], Tensor],
    images: Tensor,
    normalise: Callable[[Tensor], Tensor],
    valid: Tensor,
    confidence: float,
    ignore_index: int,
    seed: tuple[int, ...],
    bands: BandSet = COLOURS,
) -> Tensor:
    """The loss of one batch: weak views to the copy, strong ones to the student.

    Args:
        averaged: The averaged copy; it answers in eval mode and gets no gradient.
        student: Gives logits (B, C, S, S) for normalised pixels.
        images: (B, S, S, D), on the CPU.
        normalise: What makes pixels of them, on the device.
        valid: Boolean (B, S, S): pixels that lie in a picture and are not ignored.
        confidence: From 0 to 1.
        ignore_index: The label of pixels that nobody learns from.
        seed: Of the strong views.
        bands: Of the views.

    Returns:
        A scalar ().
    """
    averaged.eval()
    with torch.no_grad():
        weak = averaged(normalise(images))
    labels = pseudo_labels(weak, valid=valid, confidence=confidence, ignore_index=ignore_index)
    strong = StrongViews(images, seed=seed, bands=bands)
    logits = student(normalise(strong.images)).contiguous()
    return consistency(
        logits=logits, labels=strong.pasted(labels), valid=strong.pasted(valid), ignore_index=ignore_index
    )


def _recoloured(view: NDArray[Any], random: np.random.Generator, bands: BandSet) -> NDArray[Any]:
    """One view (S, S, D) with stronger colours; where it has nothing but these, now and then with none."""
    if random.random() < _GREY and bands == COLOURS:
        view = np.repeat(view.mean(axis=2, keepdims=True), view.shape[2], axis=2).astype(view.dtype)
    return jitter(view, _STRENGTH, random, bands)
