"""The fastest way to run a model here: as it is, compiled by torch.compile, or replayed as a CUDA graph.

None of them is the fastest everywhere (docs/LOG.md has a model that torch.compile slows down), so each is tried on a
batch before the first step; one that fails is left out, and the log says why. Some depthwise convolutions are
differentiated faster in float32 than in bfloat16 on a CPU, and are kept in float32.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.device import autocast
from core.events import Emit, MessageEvent

Forward = Callable[[Tensor], Tensor]

PLAIN = "as it is"
_TIMED = 3


def run_modes(model: nn.Module, device: torch.device) -> dict[str, Forward]:
    """What can run the model on this device, by a name for the log."""
    found: dict[str, Forward] = {PLAIN: model, "compiled": torch.compile(model)}
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


def fastest(
    candidates: dict[str, Forward],
    model: nn.Module,
    pixels: Tensor,
    *,
    dtype: torch.dtype,
    emit: Emit,
    prefer: str = "",
) -> str:
    """The name of the mode whose forward and backward pass takes least.

    What is preferred is taken wherever it works: a run that goes on should go on as it was. The model stays as it was.

    Args:
        candidates: Forward passes by the name of the mode.
        model: What they pass through.
        pixels: (B, 3, H, W), normalised.
        dtype: Of autocast.
        emit: Told of each mode that cannot be run, and of the figures.
        prefer: Name of a mode, or nothing.
    """
    seconds: dict[str, float] = {}
    for name, forward in candidates.items():
        try:
            with _unchanged(model):
                seconds[name] = _time(forward, model, pixels, dtype)
        except RuntimeError as error:
            if name == PLAIN:
                raise
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            emit(MessageEvent(f"The model cannot be run {name} here: {reason}", "warning"))
    best = prefer if prefer in seconds else min(seconds, key=seconds.__getitem__)
    figures = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in seconds.items())
    emit(MessageEvent(f"The model is run {best} (a forward and backward pass: {figures})."))
    return best


def _time(forward: Forward, model: nn.Module, pixels: Tensor, dtype: torch.dtype) -> float:
    """The least of a few, after as many that compile and warm up."""

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
def _unchanged(model: nn.Module) -> Iterator[None]:
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


def keep_in_float32(model: nn.Module) -> int:
    """Let the strided and the large depthwise convolutions of `model` leave CPU autocast; how many they are.

    Their backward pass in bfloat16 has no fast kernel on a CPU: it takes up to 16 times as long as in float32, and a
    third of a training step of a U-Net on EfficientNet-Lite0. Weights, names and what flows on keep their form.
    """
    slow = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _is_slow(module)]
    for module in slow:
        module.forward = functools.partial(_in_single, module.forward)  # type: ignore[method-assign]
    return len(slow)


def _is_slow(module: nn.Conv2d) -> bool:
    depthwise = module.groups == module.in_channels > 1
    return depthwise and (max(module.stride) > 1 or max(module.kernel_size) > 3)


def _in_single(forward: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    with torch.autocast(features.device.type, enabled=False):
        return forward(features.float()).to(features.dtype)
