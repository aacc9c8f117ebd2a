"""Brought folders whose network a library builds in PyTorch: which library, and what builds it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from core.models.external.smp_network import build_smp_folder
from core.models.external.transformers_network import build_transformers, require_transformers

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
