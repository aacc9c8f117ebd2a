"""Brought folders whose network a library builds in PyTorch: which library, and what builds it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.errors import PictureRefusedError
from core.models.external.smp_network import build_smp_folder
from core.models.external.transformers_network import build_transformers, require_transformers
from core.out_of_memory import is_out_of_memory

TORCH_KINDS: dict[str, Callable[[Path, dict[str, Any]], nn.Module]] = {
    "transformers": build_transformers,
    "smp-folder": build_smp_folder,
}


def imported(kind: str) -> None:
    """Import what building a network of this kind needs. Raises `ModelError` where that is not installed."""
    if kind == "transformers":
        require_transformers()


def build_here(folder: Path, kind: str, network: dict[str, Any]) -> nn.Module:
    """The network of a folder, in this process: (B, 3, H, W) → scores (B, C, H', W'). Raises `ModelError`."""
    return TORCH_KINDS[kind](folder, network).eval().requires_grad_(False)


def run_of(network: nn.Module) -> Callable[[NDArray[np.generic]], NDArray[np.float32]]:
    """The network as a function from pictures to scores, which raises `PictureRefusedError` where it fails.

    Args:
        network: Maps normalised (B, 3, H, W) to scores (B, C, H', W').

    Returns:
        The same from array to array, (B, 3, H, W) to (B, C, H', W').
    """

    def run(images: NDArray[np.generic]) -> NDArray[np.float32]:
        try:
            with torch.inference_mode():
                found: NDArray[np.float32] = network(torch.from_numpy(images.copy())).float().numpy()
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            line = (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".: ")
            raise PictureRefusedError(f"The model fails on a picture ({line}): export it anew.") from error
        return found

    return run
