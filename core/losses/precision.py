"""In which number format losses are worked out, and what they do where a division has nothing to divide by."""

import torch
from torch import Tensor


def at_least_single(logits: Tensor) -> Tensor:
    """Half precision as float32, which sums over many pixels need; float32 and float64 as they are.

    Args:
        logits: Of any shape (…).

    Returns:
        Of the same shape (…).
    """
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def without_autocast(tensor: Tensor) -> torch.autocast:
    """Products of matrices on a device keep the precision of their factors in this context.

    Args:
        tensor: Of any shape (…), on that device.
    """
    return torch.autocast(tensor.device.type, enabled=False)


def over_root(values: Tensor, squares: Tensor, *, floor: float) -> Tensor:
    """values / √squares, and zero with a gradient of zero where `squares` is at most `floor`.

    Where nothing deviates, or a vector has no length, what is left is rounding: divided by, it would be amplified
    into noise of size one with a gradient of any size.

    Args:
        values: Of any shape (…).
        squares: Of a shape that `values` can be divided by, at least 0.
        floor: Above 0.

    Returns:
        Of the shape of `values` (…).
    """
    return values * squares.where(squares > floor, torch.inf).rsqrt()
