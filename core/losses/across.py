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
    """Within this block `add` sums a tensor over the devices. Gradients must flow back through it to all of them."""
    token = _ADD.set(add)
    try:
        yield
    finally:
        _ADD.reset(token)


def across(partial: Tensor) -> Tensor:
    """The sum of `partial` over the devices that share the batch; `partial` itself where there is but one."""
    add = _ADD.get()
    return partial if add is None else add(partial)


def mean_across(values: Tensor) -> Tensor:
    """The mean of `values` over all devices → scalar. Each device has as many."""
    if _ADD.get() is None:
        return values.mean()
    return across(values.sum()) / across(values.new_tensor(values.numel()))
