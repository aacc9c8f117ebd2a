"""In which number format losses are worked out."""

import torch
from torch import Tensor


def at_least_single(logits: Tensor) -> Tensor:
    """Half precision as float32, which sums over many pixels need; float32 and float64 as they are."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
