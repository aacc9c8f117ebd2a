"""How fast models are: warmed up, synchronised with the device, and told in medians, not means of the lucky few."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.device import describe
from core.errors import ConfigError
from core.infer.forward import evaluating
from core.models import inputs_of

Clock = Callable[[], float]


@dataclass(frozen=True)
class Latency:
    """Of one forward pass over `batch` pictures of `size` x `size`, in milliseconds; `device` as a person calls it."""

    median_ms: float
    p95_ms: float
    mean_ms: float
    megapixels_per_second: float
    device: str
    threads: int
    size: int
    batch: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    model: nn.Module,
    *,
    size: int = 256,
    batch: int = 1,
    device: torch.device,
    repeats: int = 20,
    warmup: int = 5,
    threads: int | None = None,
    clock: Clock = time.perf_counter,
) -> Latency:
    """Time one model; see `compare`."""
    latencies = compare(
        {"": model}, size=size, batch=batch, device=device, repeats=repeats, warmup=warmup, threads=threads, clock=clock
    )
    return latencies[""]


def compare(
    models: Mapping[str, nn.Module],
    *,
    size: int = 256,
    batch: int = 1,
    device: torch.device,
    repeats: int = 20,
    warmup: int = 5,
    threads: int | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, Latency]:
    """Time several models in turns, one pass each, so that a machine that slows down slows all of them alike.

    `clock` gives seconds. `threads` is how many processor threads torch may use meanwhile (None: as now). Models are
    moved to `device` and come back in the mode they were in. Raises `ConfigError` for counts below one.
    """
    _check(size=size, batch=batch, repeats=repeats, threads=1 if threads is None else threads)
    # channels-last, as pictures come from `predict`.
    channels = inputs_of(next(iter(models.values()))) if models else 3
    images = torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(0))
    images = images.to(device, memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    with _thread_limit(threads), torch.inference_mode():
        for turn in range(warmup + repeats):
            for name, model in models.items():
                taken = _time_once(model.to(device), images, clock)
                if turn >= warmup:
                    seconds[name].append(taken)
        return {name: _latency(taken, images, device) for name, taken in seconds.items()}


def _check(**counts: int) -> None:
    problems = [f"{name.capitalize()} must be 1 or more, not {count}." for name, count in counts.items() if count < 1]
    if problems:
        raise ConfigError(problems)


def _time_once(model: nn.Module, images: Tensor, clock: Clock) -> float:
    with evaluating(model):
        _wait_for(images.device)
        start = clock()
        model(images)
        _wait_for(images.device)
        return clock() - start


def _wait_for(device: torch.device) -> None:
    """GPUs answer before they are done: without this, only the time to ask would be measured."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _latency(seconds: list[float], images: Tensor, device: torch.device) -> Latency:
    batch, _, size, _ = images.shape
    median = statistics.median(seconds)
    return Latency(
        median_ms=1000 * median,
        p95_ms=1000 * float(np.percentile(seconds, 95)),
        mean_ms=1000 * statistics.fmean(seconds),
        megapixels_per_second=batch * size * size / 1e6 / max(median, 1e-9),
        device=describe(device),
        threads=torch.get_num_threads(),
        size=size,
        batch=batch,
    )


@contextmanager
def _thread_limit(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
