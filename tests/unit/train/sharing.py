"""What two processes do together, and one alone with twice the batch: the same code for all three.

`python -m tests.unit.train.sharing` is the second process: it does what the first one tells it to.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from core.config import DistillConfig, ModelConfig
from core.events import Event, StepEvent
from core.losses import sums
from core.losses.catalogue import LOSSES, names
from core.losses.features import FeatureTerms
from core.losses.supervised import cross_entropy, dice
from core.models import build_model
from core.normalise import Normaliser
from core.train import loop, step
from core.train.batches import Batch
from core.train.distributed import ALONE, Group, meet, open_store, share_statistics
from core.train.loop import fit
from core.train.step import TeacherOutput
from tests.unit.train.conftest import tiny_task

VIEWS, CLASSES, IGNORE = 8, 5, 5
Curve = list[dict[str, float]]


def teacher(batch: Batch) -> TeacherOutput:
    """An output that depends on the view alone."""
    red, green, _ = (batch.images.float() / 64).unbind(dim=3)
    logits = torch.stack([torch.sin(red + at) * 3 for at in range(CLASSES)], dim=1)
    coarse = torch.stack([red.cos(), green.sin(), red * green / 8], dim=1)
    return TeacherOutput(logits, nn.functional.avg_pool2d(coarse, 8))


def curve(
    group: Group, *, losses: dict[str, float] | None = None, mix: float = 0.0, architecture: str = "unet", **train: Any
) -> Curve:
    """The losses of every step of a run in float64 whose whole batch is 8 views, whoever shares it.

    Without `losses` it learns from labels alone. Only the first process has them.
    """
    distill = DistillConfig(alpha=0.0 if mix else 0.5, losses=losses) if losses else None
    settings = {"epochs": 2, "batch_size": VIEWS // group.size, "devices": group.size, "learning_rate": 2e-2} | train
    task = tiny_task(distill=distill, views=24, teacher_outputs=teacher if losses else None, **settings)
    chosen = [name for name in losses or () if LOSSES[name].on_features]
    features = FeatureTerms(chosen, student_channels=32, teacher_channels=3) if chosen else None
    if architecture != "unet":
        torch.manual_seed(0)
        task = replace(task, model=build_model(ModelConfig(architecture, {"base": 2}), outputs=CLASSES))
    task.model.double()
    normaliser = Normaliser(task.normaliser.mean.double(), task.normaliser.std.double())
    task = replace(task, group=group, normaliser=normaliser, sampler=replace(task.sampler, mix=mix))
    task = replace(task, features=features and features.double(), layer="encoder.4")
    told: Curve = []

    def emit(event: Event) -> None:
        if isinstance(event, StepEvent):
            told.append(event.losses)

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.object(loop, "_REPORT_EVERY", 0.0))
        stack.enter_context(mock.patch.object(loop._Trainer, "_validate"))  # Pictures are predicted in float32.
        fit(task, emit=emit, cancelled=lambda: False, folder=Path(folder))
    return told


def gradients(group: Group) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every loss in float64, its value and the gradient at this process's share of the student's output."""
    random = torch.Generator().manual_seed(0)
    logits, answers = (torch.randn(VIEWS, CLASSES, 12, 12, generator=random, dtype=torch.float64) for _ in range(2))
    labels = torch.randint(CLASSES, (VIEWS, 12, 12), generator=random)
    labels[:3, 2:] = IGNORE  # One device has far more valid pixels than the other.
    mine = group.positions(VIEWS)
    found = {}
    for name in ("cross_entropy", "dice", *names()):
        student = logits[mine].requires_grad_()
        with sums.devices(group.add) if group.size > 1 else nullcontext():
            loss = _loss(name, group, student=student, teacher=answers[mine], labels=labels[mine])
        loss.backward()  # type: ignore[no-untyped-call]
        assert student.grad is not None
        found[name] = (loss.detach(), student.grad / group.size)
    return found


def _loss(name: str, group: Group, *, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    if name in ("cross_entropy", "dice"):
        return {"cross_entropy": cross_entropy, "dice": dice}[name](logits=student, labels=labels, ignore_index=IGNORE)
    valid = labels != IGNORE
    if not LOSSES[name].on_features:
        value: Tensor = LOSSES[name].load()(student=student, teacher=teacher, temperature=2.0, valid=valid)
        return value
    torch.manual_seed(1)
    terms = FeatureTerms([name], student_channels=CLASSES, teacher_channels=CLASSES).double()
    share = (group.rank, group.size)
    found: dict[str, Tensor] = terms(
        student=student, teacher=teacher, valid=valid, temperature=2.0, seed=3, share=share
    )
    return found[name]


def normalisation(group: Group, *, act: bool = False) -> dict[str, Tensor]:
    """Of a batch normalisation (timm's with `act`) in float64: output, all gradients and memory, for this share."""
    random = torch.Generator().manual_seed(2)
    views = 3 + 2 * torch.randn(VIEWS, 4, 6, 5, generator=random, dtype=torch.float64)
    views[:2] += 5
    weights = torch.randn(views.shape, generator=random, dtype=torch.float64)
    layer = (_with_activation() if act else nn.BatchNorm2d)(4).double()
    nn.init.normal_(layer.weight, generator=random)
    share_statistics(layer, group)
    mine = group.positions(VIEWS)
    features = views[mine].requires_grad_()
    output = layer(features)
    group.add((output.square() * weights[mine]).sum()).backward()  # type: ignore[no-untyped-call]
    group.average_gradients(layer.parameters())
    assert features.grad is not None
    return {
        "output": output.detach(),
        "gradient": features.grad / group.size,
        **{f"gradient of {name}": value.grad for name, value in layer.named_parameters() if value.grad is not None},
        **dict(layer.named_buffers()),
    }


def _with_activation() -> type[nn.BatchNorm2d]:
    """The kind of normalisation in the teacher's encoder, which comes from timm with its activation built in."""
    arguments = {"architecture": "unet", "encoder": "tu-tf_efficientnet_lite0", "weights": None}
    encoder = build_model(ModelConfig("smp", arguments), outputs=CLASSES)
    return next(
        type(layer) for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d) and hasattr(layer, "act")
    )


def chances(group: Group) -> list[Tensor]:
    """What both devices draw before step 1, step 2, and step 1 once more."""
    found = []
    for step_number in (1, 2, 1):
        group.seed_apart(0, step_number)
        found.append(group.gather(torch.rand(4)))
    return found


WORKS: dict[str, Callable[..., Any]] = {
    "curve": curve,
    "gradients": gradients,
    "normalisation": normalisation,
    "chances": chances,
}


def broken(stack: ExitStack, part: str) -> None:
    """Take out one of the three things that make two devices learn what one would."""
    if part == "gradients":
        stack.enter_context(mock.patch.object(Group, "average_gradients"))
    elif part == "statistics":
        stack.enter_context(mock.patch.object(loop, "share_statistics"))
    elif part == "losses":
        stack.enter_context(mock.patch.object(step.sums, "devices", return_value=nullcontext()))


def do(group: Group, work: str, *, without: str = "", **settings: Any) -> Any:
    """One of `WORKS`, by this process as part of `group`."""
    torch.set_num_threads(1)
    with ExitStack() as stack:
        broken(stack, without)
        return WORKS[work](group, **settings)


def main() -> None:
    store = open_store("127.0.0.1", int(sys.argv[1]))
    group = meet(store, rank=1, size=2)
    while text := group.broadcast_text():
        do(group, **json.loads(text))
    os._exit(0)


if __name__ == "__main__":
    main()


__all__ = ["ALONE", "do"]
