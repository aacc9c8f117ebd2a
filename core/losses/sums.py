"""How losses are summed: over which devices, in which number format, and what a division by nothing gives.


Inside `devices` every sum over a batch, numerator and denominator alike, is that of the whole batch, so a loss has the
value that a single device would find, however unevenly the valid pixels are spread. Outside nothing changes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_ADD: ContextVar[Callable[[Tensor], Tensor] | None] = ContextVar("add", default=None)


@contextmanager
def devices(add: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within this block the sums of all losses run over several devices.

    Args:
        add: Sums a tensor of any shape (…) over the devices. Gradients must flow back through it to all of them.

    Yields:
        Nothing.
    """
    token = _ADD.set(add)
    try:
        yield
    finally:
        _ADD.reset(token)


def across(partial: Tensor) -> Tensor:
    """The sum over the devices that share the batch.

    Args:
        partial: What this device has summed up, of any shape, a scalar () among them.

    Returns:
        Of the same shape; `partial` itself where there is but one device.
    """
    add = _ADD.get()
    return partial if add is None else add(partial)


def mean_across(values: Tensor) -> Tensor:
    """The mean over all devices.

    Args:
        values: Of any shape (…); each device has as many.

    Returns:
        A scalar ().
    """
    if _ADD.get() is None:
        return values.mean()
    return across(values.sum()) / across(values.new_tensor(values.numel()))


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
