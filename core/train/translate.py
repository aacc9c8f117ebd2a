"""The quickest way to run a model here: as it is, translated by torch.compile, or replayed as a CUDA graph.

None of them is the quickest everywhere (docs/LOG.md has a model that translation slows down), so each is tried on a
batch before the first step; one that fails is left out, and the log says why.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from core.device import autocast
from core.train.events import Emit, MessageEvent

Forward = Callable[[Tensor], Tensor]

PLAIN = "as it is"
_TIMED = 3


def ways(model: nn.Module, device: torch.device) -> dict[str, Forward]:
    """How the model can be run on this device, by a name for the log."""
    found: dict[str, Forward] = {PLAIN: model, "translated": torch.compile(model)}
    if device.type == "cuda":
        found["as a CUDA graph"] = _graphed(model)
    return found


def _graphed(model: nn.Module) -> Forward:
    replayed = torch.compile(model, mode="reduce-overhead")

    def forward(pixels: Tensor) -> Tensor:
        # What the last replay gave may be overwritten from here on.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        logits: Tensor = replayed(pixels)
        return logits

    return forward


def quickest(
    candidates: dict[str, Forward],
    model: nn.Module,
    pixels: Tensor,
    *,
    dtype: torch.dtype,
    emit: Emit,
    prefer: str = "",
) -> str:
    """The name of the way whose forward and backward pass over `pixels` (B, 3, H, W) takes least.

    What is preferred is taken wherever it works: a run that goes on should go on as it was. The model stays as it was.
    """
    seconds: dict[str, float] = {}
    for name, forward in candidates.items():
        try:
            with _as_it_was(model):
                seconds[name] = _time(forward, model, pixels, dtype)
        except (TorchDynamoException, RuntimeError) as error:
            if name == PLAIN:
                raise
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            emit(MessageEvent(f"The model cannot be run {name} here: {reason}", "warning"))
    best = prefer if prefer in seconds else min(seconds, key=seconds.__getitem__)
    figures = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in seconds.items())
    emit(MessageEvent(f"The model is run {best} (a forward and backward pass: {figures})."))
    return best


def _time(forward: Forward, model: nn.Module, pixels: Tensor, dtype: torch.dtype) -> float:
    """The least of a few, after as many that translate and warm up."""

    def once() -> float:
        _wait(pixels.device)
        started = time.perf_counter()
        with autocast(pixels.device, dtype):
            logits = forward(pixels)
        logits.float().square().mean().backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)
        _wait(pixels.device)
        return time.perf_counter() - started

    model.train()
    return min([once() for _ in range(2 * _TIMED)][_TIMED:])


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Trying moves the running statistics of normalisations, and draws random numbers where there is dropout."""
    kept = [buffer.clone() for buffer in model.buffers()]
    devices: Iterable[int] = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), kept, strict=True):
                buffer.copy_(before)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
