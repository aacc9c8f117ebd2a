"""A loss of a batch that several devices share: what each of them has summed up is summed over all of them.

Inside `devices` every sum over a batch, numerator and denominator alike, is that of the whole batch, so a loss has the
value that a single device would find, however unevenly the valid pixels are spread. Outside nothing changes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
