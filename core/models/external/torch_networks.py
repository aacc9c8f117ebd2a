"""Brought folders whose network a library builds in PyTorch: which library, and what builds it."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.errors import PictureRefusedError
from core.models.external.smp_network import build_smp_folder
from core.models.external.transformers_network import build_transformers, require_transformers
from core.models.smp import import_smp
from core.out_of_memory import is_out_of_memory

_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
"""What a network of odd settings raises where it is given a picture."""
TORCH_KINDS: dict[str, Callable[[Path, dict[str, Any]], nn.Module]] = {
    "transformers": build_transformers,
    "smp-folder": build_smp_folder,
}


def imported(kind: str) -> None:
    """Import what building a network of this kind needs. Raises `ModelError` where that is not installed.

    Networks of either kind import the compiler of torch when they are built, and it looks for a folder to write to,
    which a confined process does not have.
    """
    importlib.import_module("torch._dynamo")
    if kind == "transformers":
        require_transformers()
    else:
        import_smp()


def build_here(folder: Path, kind: str, network: dict[str, Any]) -> nn.Module:
    """The network of a folder, in this process: (B, 3, H, W) → scores (B, C, H', W'). Raises `ModelError`."""
    return TORCH_KINDS[kind](folder, network).eval().requires_grad_(False)


class TorchRun:
    """A network as a function from pictures to scores, which raises `PictureRefusedError` where it fails.

    `network` maps normalised (B, D, H, W) to scores (B, C, H', W').
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def __call__(self, images: NDArray[np.generic]) -> NDArray[np.float32]:
        """The same from array to array, (B, D, H, W) to (B, C, H', W')."""
        try:
            with torch.inference_mode():
                found: NDArray[np.float32] = self._network(torch.from_numpy(images.copy())).float().numpy()
        except _FAILURES as error:
            if is_out_of_memory(error):
                raise
            line = (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".: ")
            raise PictureRefusedError(f"The model fails on a picture ({line}): export it anew.") from error
        return found

    def macs(self, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of one pass over pictures (B, D, H, W); 0 where they cannot be told."""
        try:
            with torch.inference_mode(), FlopCounterMode(display=False) as counter:
                self._network(torch.zeros(shape))
        except _FAILURES:
            return 0
        return int(counter.get_total_flops()) // 2
