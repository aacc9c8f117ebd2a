"""How large a student is, and how long its training will take: known before anything is launched.

The time rests on steps timed on this machine: two students of the width family and the teacher, on random pictures.
A step's cost is taken to grow in a straight line with the student's MACs between and beyond these two.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from core import paths
from core.classes import AERIAL
from core.config import ModelConfig, RunConfig

_BASES = (4, 12)
_IMAGES = 4
_START_SECONDS = 12.0


@dataclass(frozen=True)
class Size:
    """`macs_256` of one 256 x 256 picture; `megabytes` of float32 weights."""

    parameters: int
    macs_256: int
    megabytes: float


@dataclass(frozen=True)
class Pace:
    """Seconds a picture of `crop`², timed on this machine: a training step of a student, a pass of the teacher."""

    crop: int
    device: str
    fixed: float
    per_mac: float
    teacher: float

    def student(self, macs_256: int) -> float:
        return max(self.fixed + self.per_mac * macs_256, 1e-5)


def student_size(base: int) -> Size:
    """Parameters and MACs of `unet(base)`. Raises `ConfigError` for a base out of range."""
    from core.models import build_model, count_macs, count_parameters

    model = build_model(ModelConfig("unet", {"base": base}), outputs=AERIAL.outputs)
    parameters = count_parameters(model)
    buffers = sum(buffer.numel() for buffer in model.buffers())
    return Size(parameters, count_macs(model), 4 * (parameters + buffers) / 1e6)


def measure_pace(*, teacher: str, crop: int, device: str) -> Pace:
    """Time a few steps on this machine; takes seconds. Raises `CheckpointError` and `DeviceError`."""
    from core import checkpoint
    from core.device import choose, describe

    chosen = choose(device)
    macs = {base: student_size(base).macs_256 for base in _BASES}
    seconds = {base: _student_step(base, crop, device) for base in _BASES}
    small, large = _BASES
    per_mac = max(0.0, (seconds[large] - seconds[small]) / (macs[large] - macs[small]))
    fixed = max(0.0, seconds[small] - per_mac * macs[small])
    loaded = checkpoint.load(checkpoint.resolve(teacher, runs=paths.home()), device=chosen)
    return Pace(crop, describe(chosen), fixed, per_mac, _teacher_pass(loaded.model, crop, device))


def training_seconds(config: RunConfig, pace: Pace, *, macs_256: int, views: int, val_megapixels: float) -> float:
    """Seconds that one run will take. `views` training pictures an epoch; its control takes about as long again."""
    per_image = pace.student(macs_256)
    train = config.train.epochs * views * per_image
    teacher_views = 0
    if config.distill is not None:
        teacher_views = views * min(config.distill.cache_views or config.train.epochs, config.train.epochs)
    # A forward pass is about a third of a training step; validation pictures are whole scenes.
    pictures = val_megapixels * 1e6 / pace.crop**2
    validations = -(-config.train.epochs // config.train.validate_every)
    validation = validations * pictures * per_image / 3
    return _START_SECONDS + train + teacher_views * pace.teacher + validation + pictures * pace.teacher


def without_teacher(config: RunConfig) -> RunConfig:
    """The labels-only run of the same settings."""
    return replace(config, kind="train", distill=None)


def _student_step(base: int, crop: int, device: str) -> float:
    """Seconds a picture for forward, loss, backward and update."""
    import torch
    from torch.nn.functional import cross_entropy

    from core.device import autocast, autocast_dtype, choose
    from core.models import build_model

    place = choose(device)
    model = build_model(ModelConfig("unet", {"base": base}), outputs=AERIAL.outputs)
    model = model.to(place).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_IMAGES, 3, crop, crop, generator=generator).to(place, memory_format=torch.channels_last)
    labels = torch.randint(AERIAL.outputs, (_IMAGES, crop, crop), generator=generator).to(place)

    def step() -> None:
        with autocast(place, autocast_dtype(place)):
            logits = model(images)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(logits.float(), labels).backward()
        optimiser.step()
        float(logits.detach().sum())

    return _median_seconds(step) / _IMAGES


def _teacher_pass(model: object, crop: int, device: str) -> float:
    import torch

    from core.device import autocast, autocast_dtype, choose

    place = choose(device)
    images = torch.zeros(_IMAGES, 3, crop, crop, device=place).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode(), autocast(place, autocast_dtype(place)):
            float(model(images).float().sum())  # type: ignore[operator]

    return _median_seconds(run) / _IMAGES


def _median_seconds(work: Callable[[], None], *, repeats: int = 3) -> float:
    """Reading a number back, as the work does, waits for the device."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
