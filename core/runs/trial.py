"""One forward pass of a run's models before it is queued: what a network cannot take is refused, with a message.

Pictures are of the run's own size, and as many as batch normalisation would see: two stand for any larger number,
because a network treats pictures alike. So the pass takes a fraction of a second.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from core.config import RunConfig
from core.data.scene import Scene
from core.errors import ModelError
from core.infer.predict import windows_of
from core.models import inputs_of
from core.train.distributed import Group, share_statistics

# What networks of others raise on a picture that they cannot take.
_REFUSALS = (ValueError, RuntimeError, AssertionError, LookupError, TypeError, AttributeError)
_FEW_SIZES = 4


def training_problem(model: nn.Module, config: RunConfig, *, outputs: int) -> str | None:
    """Why `model` cannot make one training step of this run, or None. The model's running statistics change."""
    crop, devices = config.data.crop, config.train.devices
    pictures = min(2, config.train.images_at_once * devices)
    model.train()
    if wrong := _pass(model, (crop, crop), pictures, outputs):
        if pictures == 1 and _pass(model, (crop, crop), 2, outputs) is None:
            return (
                f"This network normalises over a batch, and sees {crop} x {crop} pixels of one picture at a time: with "
                "two it can train. Choose a larger batch, fewer parts of it (accumulate), or a larger crop."
            )
        return f"This network cannot train on {crop} x {crop} pixels ({wrong}): choose another crop or network."
    try:
        share_statistics(model, Group(size=devices))
    except ModelError as error:
        return str(error)
    return None


def answering_problem(model: nn.Module, sizes: Iterable[tuple[int, int]], *, outputs: int, whose: str) -> str | None:
    """Why `model` cannot answer pictures of one of these (height, width), or None. `whose`: `The teacher`."""
    model.eval()
    for size in sizes:
        if wrong := _pass(model, size, 1, outputs):
            return f"{whose} cannot take {size[1]} x {size[0]} pixels ({wrong}): choose another one, or another crop."
    return None


def sizes_seen(scenes: Sequence[Scene]) -> list[tuple[int, int]]:
    """The (height, width) in which validation gives these pictures to a model: a few of them, the smallest first."""
    found = {
        (window.height, window.width)
        for height, width in {(scene.height, scene.width) for scene in scenes}
        for window in windows_of(height, width)
    }
    return sorted(found)[:_FEW_SIZES]


@torch.no_grad()
def _pass(model: nn.Module, size: tuple[int, int], pictures: int, outputs: int) -> str | None:
    """What went wrong with black pictures of this (height, width), in one line; None when they were answered."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        try:
            answer = model(torch.zeros(pictures, inputs_of(model), *size, device=device))
        except _REFUSALS as error:
            return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if not isinstance(answer, Tensor) or answer.shape != (pictures, outputs, *size):
        return f"it answers with {tuple(getattr(answer, 'shape', ()))} instead of {(pictures, outputs, *size)}"
    return None
