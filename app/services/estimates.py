"""How large a student is, and how long its training will take: known before anything is launched.

The time rests on steps timed on this machine: two students of the width family and the teacher, on random pictures.
A step's cost is taken to grow in a straight line with the student's MACs between and beyond these two; what a loss adds
to it is timed on its own.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core import paths
from core.config import DistillConfig, ModelConfig, RunConfig
from core.errors import ModelError
from core.losses.catalogue import LOSSES, names

_BASES = (4, 12)
_IMAGES = 4
_START_SECONDS = 12.0
_CONSISTENCY = 4 / 3
"""Steps that consistency adds to each: a forward pass of the averaged copy, and a step on the strong view."""
_LOSS_IMAGES, _LOSS_PIXELS = 8, 8 * 128**2
MOST_TIMED = 100_000_000
"""Parameters of a network whose training steps are timed: with gradients and averages they take 1.6 GB."""
_FEWEST_TURNS, _MOST_TURNS, _TURNS_SECONDS = 4, 20, 4.0
QUIET = 0.15
"""With less than this of the processors kept busy by others, an estimate is one time, and no range."""


@dataclass(frozen=True)
class Size:
    """`macs_256` of one 256 x 256 picture; `bytes` of the file that holds its weights."""

    parameters: int
    macs_256: int
    bytes: int


@dataclass(frozen=True)
class Pace:
    """Seconds a picture of `crop`², timed on this machine: a training step of a student, a pass of the teacher.

    `busy` is the share of the processors that others kept busy meanwhile, 0 to 1; 0 on a GPU.
    """

    crop: int
    device: str
    fixed: float
    per_mac: float
    teacher: float
    busy: float = 0.0

    def student(self, macs_256: int) -> float:
        return max(self.fixed + self.per_mac * macs_256, 1e-5)


def student_size(base: int, *, outputs: int) -> Size:
    """Parameters and MACs of the compact student of that base that tells so many classes apart.

    Raises `ConfigError` for a base out of range.
    """
    from core.checkpoint import file_size
    from core.models import build_model, count_macs, count_parameters

    model = build_model(_compact(base), outputs=outputs)
    return Size(count_parameters(model), count_macs(model), file_size(model))


def measure_pace(*, teacher: str, crop: int, device: str) -> Pace:
    """Time a few steps on this machine; takes seconds. Raises `CheckpointError` and `DeviceError`."""
    from core import checkpoint
    from core.device import choose

    chosen = choose(device)
    loaded = checkpoint.load(checkpoint.resolve(teacher, runs=paths.home()), device=chosen)
    return _pace(loaded.model, loaded.card.classes.outputs, crop, device)


@dataclass(frozen=True)
class TeacherPace:
    """Seconds a picture that a training step of a fresh teacher takes, and the pace of students behind it."""

    step: float
    pace: Pace


def measure_teacher_pace(model: ModelConfig, *, outputs: int, crop: int, device: str) -> TeacherPace:
    """The same for a teacher that is not trained yet, without fetching its weights.

    Raises `ModelError` where it cannot be built, or is too large to be trained in this process.
    """
    import torch

    from core.device import choose
    from core.models import build_model, count_parameters, without_pretraining

    fresh = without_pretraining(model)
    # Without memory for its weights: a person may name any encoder.
    with torch.device("meta"):
        parameters = count_parameters(build_model(fresh, outputs=outputs))
    if parameters > MOST_TIMED:
        raise ModelError(
            f"How long it takes is not known before: the network has {parameters / 1e6:,.0f} million parameters, and "
            f"at most {MOST_TIMED // 1_000_000} million are timed here."
        )
    step = _training_step(fresh, outputs, crop, device)
    built = build_model(fresh, outputs=outputs).to(choose(device)).eval()
    return TeacherPace(step, _pace(built, outputs, crop, device))


def _pace(teacher: Any, outputs: int, crop: int, device: str) -> Pace:
    """Two students of the width family trained, and this teacher asked."""
    from core.device import choose, describe

    chosen = choose(device)
    macs = {base: student_size(base, outputs=outputs).macs_256 for base in _BASES}
    busy = others()
    seconds = {base: _training_step(_compact(base), outputs, crop, device) for base in _BASES}
    small, large = _BASES
    per_mac = max(0.0, (seconds[large] - seconds[small]) / (macs[large] - macs[small]))
    fixed = max(0.0, seconds[small] - per_mac * macs[small])
    passes = _teacher_pass(teacher, crop, device)
    return Pace(crop, describe(chosen), fixed, per_mac, passes, busy() if chosen.type == "cpu" else 0.0)


def likely(seconds: float, pace: Pace) -> tuple[float, float]:
    """From and to which time, for an estimate of `seconds`: once others are done, and while they go on.

    Both are the same where the machine was idle when the steps were timed.
    """
    return (seconds if pace.busy <= QUIET else seconds * (1 - pace.busy), seconds)


def others() -> Callable[[], float]:
    """Ask what it gives when the work is done: which share of the processors others kept busy since, 0 to 0.9."""
    import os

    from core.benchmark.turns import busy_seconds

    begun, busy, own = time.perf_counter(), busy_seconds(), time.process_time()

    def share() -> float:
        took = (time.perf_counter() - begun) * (os.cpu_count() or 1)
        return min(0.9, max(0.0, (busy_seconds() - busy - time.process_time() + own) / took))

    return share


def training_seconds(
    config: RunConfig,
    pace: Pace,
    *,
    macs_256: int,
    views: int,
    val_megapixels: float,
    losses: Mapping[str, float] | None = None,
) -> float:
    """Seconds that one run will take. `views` training pictures an epoch; its control takes about as long again.

    `losses` is what each loss on the teacher adds, in seconds a picture (`measure_losses`).
    """
    per_image = pace.student(macs_256)
    # A forward pass is about a third of a training step; validation pictures are whole scenes.
    pictures = val_megapixels * 1e6 / pace.crop**2
    validations = -(-config.train.epochs // config.train.validate_every)
    validation = validations * pictures * per_image / 3
    train = config.train.epochs * views * per_image * (1 + (_CONSISTENCY if config.train.consistency else 0))
    if config.distill is not None:
        on_teacher = sum((losses or {}).get(name, 0.0) for name in config.distill.losses)
        train += config.train.epochs * views * on_teacher
        train += views * _teacher_passes(config.distill, config.train.epochs) * pace.teacher
    return _START_SECONDS + train + validation + pictures * pace.teacher


def shared_seconds(config: RunConfig, pace: Pace, *, views: int, val_megapixels: float) -> float:
    """Of `training_seconds` what one trial of a search does for all: stored outputs of the teacher, and its score."""
    distill = config.distill
    if distill is None:
        return 0.0
    stored = distill.cache_pictures or distill.cache_views
    passes = views * _teacher_passes(distill, config.train.epochs) if stored else 0
    return (passes + val_megapixels * 1e6 / pace.crop**2) * pace.teacher


def teacher_seconds(config: RunConfig, found: TeacherPace, *, views: int, val_megapixels: float) -> float:
    """Seconds that a run takes which trains a teacher on labels; `views` training pictures an epoch."""
    pictures = val_megapixels * 1e6 / found.pace.crop**2
    validations = -(-config.train.epochs // config.train.validate_every)
    return _START_SECONDS + config.train.epochs * views * found.step + validations * pictures * found.pace.teacher


def _teacher_passes(distill: DistillConfig, epochs: int) -> int:
    """How often the teacher predicts each view of an epoch, over the whole run.

    The pictures themselves take about as long as an epoch of the views that fit them side by side.
    """
    if distill.cache_pictures:
        return distill.passes_per_view
    return distill.passes_per_view * min(distill.cache_views or epochs, epochs)


def measure_losses(*, teacher: str, crop: int, device: str) -> dict[str, float]:
    """Seconds a picture that each loss on the teacher takes, forward and backward, by name; without the networks.

    Logits of the real size, and features as the teacher and a small student give them. Raises `CheckpointError`.
    """
    import torch

    from core import checkpoint
    from core.device import choose

    place = choose(device)
    images = max(1, min(_LOSS_IMAGES, _LOSS_PIXELS // crop**2))
    loaded = checkpoint.load(checkpoint.resolve(teacher, runs=paths.home()), device=place)
    outputs = loaded.card.classes.outputs
    shape = (images, outputs, crop, crop)
    ours, theirs = _random(shape, place).requires_grad_(), _random(shape, place)
    valid = torch.ones(images, crop, crop, dtype=torch.bool, device=place)

    def on_logits(name: str) -> Callable[[], Any]:
        return lambda: LOSSES[name].load()(student=ours, teacher=theirs, temperature=2.0, valid=valid)

    losses = {name: on_logits(name) for name in names("logits")}
    losses |= _feature_losses(checkpoint.own_answers(loaded), outputs, valid)
    return {name: seconds / images for name, seconds in _quickest(losses).items()}


def _feature_losses(teacher: Any, outputs: int, valid: Any) -> dict[str, Callable[[], Any]]:
    """Losses on features by name, each ready to be worked out: mask (B, H, W).

    None for a teacher that does not say where its features are, as one that was brought: it cannot teach by them here.
    """
    from core.errors import ModelError
    from core.losses.features import FeatureTerms
    from core.models import build_model
    from core.models.tap import feature_shape

    try:
        inside = feature_shape(teacher, size=valid.shape[1])
    except ModelError:
        return {}
    student = build_model(ModelConfig("compact", {"base": _BASES[0]}), outputs=outputs).to(valid.device)
    shapes = (feature_shape(student, size=valid.shape[1]), inside)
    ours, theirs = (_random((len(valid), *shape), valid.device) for shape in shapes)
    ours.requires_grad_()

    def on_features(name: str) -> Callable[[], Any]:
        terms = FeatureTerms([name], student_channels=ours.shape[1], teacher_channels=theirs.shape[1]).to(valid.device)
        return lambda: terms(student=ours, teacher=theirs, valid=valid, temperature=2.0, seed=0)[name]

    return {name: on_features(name) for name in names("features")}


def _quickest(losses: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds forward and backward. They take turns, and the best of each counts: so other work disturbs little."""
    best = dict.fromkeys(losses, float("inf"))
    begun = time.perf_counter()
    for turn in range(_MOST_TURNS):
        if turn >= _FEWEST_TURNS and time.perf_counter() - begun > _TURNS_SECONDS:
            break
        for name, loss in losses.items():
            start = time.perf_counter()
            value = loss()
            value.backward()
            float(value.detach())
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def _random(shape: tuple[int, ...], place: Any) -> Any:
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(place)


def _compact(base: int) -> ModelConfig:
    return ModelConfig("compact", {"base": base})


def _training_step(network: ModelConfig, outputs: int, crop: int, device: str) -> float:
    """Seconds a picture for forward, loss, backward and update."""
    import torch
    from torch.nn.functional import cross_entropy

    from core.device import autocast, autocast_dtype, choose
    from core.models import build_model

    place = choose(device)
    model = build_model(network, outputs=outputs)
    model = model.to(place).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_IMAGES, 3, crop, crop, generator=generator).to(place, memory_format=torch.channels_last)
    labels = torch.randint(outputs, (_IMAGES, crop, crop), generator=generator).to(place)

    def step() -> None:
        with autocast(place, autocast_dtype(place)):
            logits = model(images)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
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
