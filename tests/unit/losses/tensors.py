"""Small seeded tensors for the tests of the losses."""

import torch
from torch import Tensor


def normal(seed: int, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def some(seed: int, *shape: int, share: float = 0.7) -> Tensor:
    """A boolean mask (B, H, W) with its first position true."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share
    mask[0, 0, 0] = True
    return mask


def enlarged(mask: Tensor, factor: int) -> Tensor:
    """Each position as a block of `factor` × `factor`: (..., H, W) → (..., H·factor, W·factor)."""
    return mask.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)


def numbers(*rows: tuple[float, ...]) -> Tensor:
    """One image (1, C, 1, W): a row of positions for each channel."""
    return torch.tensor(rows, dtype=torch.float64)[None, :, None]


def pixels(*rows: tuple[float, ...]) -> Tensor:
    """One image (1, C, 1, W): the classes of each pixel."""
    return torch.tensor(rows, dtype=torch.float64).T[None, :, None]
