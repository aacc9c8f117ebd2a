"""A run from its start to its end, stopped or killed on the way, and how two of them differ."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from core.events import CancelledError, EpochEvent, MessageEvent
from core.train.batches import Batch
from core.train.step import TeacherOutput
from core.train.task import Outcome, Task
from tests.unit.event_collector import EventCollector

PLAIN: dict[str, Any] = {}
AVERAGED = {"ema": 0.9}
SPARSE = {"validate_every": 2, "schedule": "cosine"}


def teacher(batch: Batch) -> TeacherOutput:
    """An output that depends on the view alone."""
    red = batch.images[..., 0].float() / 64
    return TeacherOutput(torch.stack([torch.sin(red + at) * 3 for at in range(5)], dim=1))


class KilledError(Exception):
    """The loop does not catch this one: as after a kill, only what is on the disk is left."""


class KillingCollector(EventCollector):
    """Kills the run at call number `stop_at` of `cancelled`, instead of stopping it."""

    def cancelled(self) -> bool:
        if super().cancelled():
            raise KilledError
        return False


class RecordedRun:
    """A run from its start to its end, stopped at some steps on the way: its tensors, losses and messages."""

    def __init__(self, make: Callable[[], Task], make_collector: Callable[..., Any], folder: Path, *stops: int) -> None:
        losses: dict[int, tuple[dict[str, float], float | None]] = {}
        self.steps, self.messages = 0, list[str]()
        for stop_at in (*stops, None):
            collector, task = make_collector(stop_at=stop_at), make()
            task.model.register_forward_pre_hook(lambda module, _: self._count(module.training))
            with contextlib.suppress(CancelledError, KilledError):
                self.outcome: Outcome = collector.run(task, folder)
            self.messages += [event.text for event in collector.of(MessageEvent)]
            # A resumed run reports again what a killed one reported after its last checkpoint.
            losses |= {event.epoch: (event.losses, event.miou5) for event in collector.of(EpochEvent)}
        self.losses = losses
        self.tensors = load_file(folder / "last.ckpt" / "state.safetensors")

    def _count(self, training: bool) -> None:
        self.steps += training


def differing(one: RecordedRun, other: RecordedRun) -> list[str]:
    assert one.tensors.keys() == other.tensors.keys()
    found = [key for key, value in one.tensors.items() if not torch.equal(value, other.tensors[key])]
    found += [
        f"shipped {key}"
        for key, value in one.outcome.weights.items()
        if not torch.equal(value, other.outcome.weights[key])
    ]
    mine, theirs = one.outcome, other.outcome
    if (mine.scores, mine.best_epoch, mine.epochs) != (theirs.scores, theirs.best_epoch, theirs.epochs):
        found.append("outcome")
    if one.losses != other.losses:
        found.append("losses")
    return found
