"""The road of a run: epochs of steps, validation, the best weights kept, progress told, and a stop at any step."""

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from core.classes import ClassMap
from core.config import RunConfig
from core.data.scene import Scene
from core.data.transforms import ViewSampler
from core.losses.features import FeatureTerms
from core.models.tap import Tap
from core.train.batches import Batch, epoch_batches
from core.train.events import COLLAPSED, Cancelled, Emit, MessageEvent, StepEvent
from core.train.optim import CLIMB, build_optimiser, learning_rate
from core.train.state import Progress, load_state, save_state
from core.train.step import Answer, Normaliser, Stepper
from core.train.validate import Validation, epoch_event, validate

_WARM_STEPS, _TIMED_STEPS = 3, 8
_TELL_EVERY = 0.5
_SURELY_SETTLED = 1000


class RunCancelledError(Exception):
    """`cancelled()` said so. The state was saved; this is no failure."""


@dataclass(frozen=True)
class Task:
    """A run with everything built. `answers` gives what the teacher says to a batch; None: labels only.

    `features` are losses on features with what they learn, and `layer` the student's module that they look at.
    """

    config: RunConfig
    model: nn.Module
    sampler: ViewSampler
    validation: Sequence[Scene]
    class_map: ClassMap
    normaliser: Normaliser
    dtype: torch.dtype
    views: int
    view_epochs: int | None = None
    answers: Callable[[Batch], Answer] | None = None
    features: FeatureTerms | None = None
    layer: str | None = None
    compile: bool = False


@dataclass(frozen=True)
class Outcome:
    """The best weights by validation mIoU-5, their scores as JSON, and what it took (seconds of training steps)."""

    weights: dict[str, Tensor]
    scores: dict[str, Any]
    best_miou5: float
    best_epoch: int
    epochs: int
    seconds: float
    collapsed: bool


def fit(task: Task, *, emit: Emit, cancelled: Cancelled, folder: Path, resume: bool = True) -> Outcome:
    """Train `task.model`, saving to and going on from FOLDER/last.ckpt. Raises `RunCancelledError` when stopped."""
    trainer = _Trainer(task, emit, cancelled, folder / "last.ckpt")
    with trainer.stepper.tap or nullcontext():
        return trainer.run(resume)


class _Trainer:
    """The moving parts of one run."""

    def __init__(self, task: Task, emit: Emit, cancelled: Cancelled, checkpoint: Path) -> None:
        self.task, self.emit, self.cancelled, self.checkpoint = task, emit, cancelled, checkpoint
        config = task.config.train
        trained = {"model": task.model} | ({"features": task.features} if task.features else {})
        self.optimiser = build_optimiser(nn.ModuleDict(trained), config)
        self.scaler = torch.amp.GradScaler(task.normaliser.device.type, enabled=task.dtype == torch.float16)
        self.average = (
            AveragedModel(task.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)  # type: ignore[no-untyped-call]
            if config.ema
            else None
        )
        self.stepper = Stepper(
            model=task.model,
            forward=torch.compile(task.model) if task.compile else task.model,
            normaliser=task.normaliser,
            optimiser=self.optimiser,
            scaler=self.scaler,
            config=task.config,
            ignore_index=task.class_map.ignore_index,
            dtype=task.dtype,
            features=task.features,
            tap=Tap(task.model, task.layer) if task.features else None,
        )
        self.steps = max(1, task.views // config.batch_size)
        self.progress = Progress(epochs=config.epochs)
        self.best: dict[str, Tensor] = {}
        self.warm_steps, self.warm_seconds = 0, 0.0

    @property
    def scored(self) -> nn.Module:
        """The model that is validated and shipped: the averaged one where there is one."""
        return self.average.module if self.average else self.task.model

    def run(self, resume: bool) -> Outcome:
        loaded = self._load() if resume else None
        if loaded is not None:
            self.progress, self.best = loaded
            self.emit(MessageEvent(f"Going on from epoch {self.progress.epoch + 1}, step {self.progress.step}."))
        while self.progress.epoch < self.progress.epochs:
            self._epoch()
            if self._validates():
                self._validate()
            self.progress.epoch += 1
            self.progress.step, self.progress.sums = 0, {}
            self._save()
        done = self.progress
        return Outcome(
            self.best, done.best_scores, done.best_miou5, done.best_epoch, done.epochs, done.seconds, done.collapsed
        )

    def _epoch(self) -> None:
        task, progress = self.task, self.progress
        batch_size = task.config.train.batch_size
        view_epoch = progress.epoch % task.view_epochs if task.view_epochs else progress.epoch
        batches = epoch_batches(
            task.sampler, epoch=view_epoch, views=task.views, batch_size=batch_size, start_step=progress.step
        )
        sums = {name: torch.tensor(value) for name, value in progress.sums.items()}
        started = told = time.perf_counter()
        before, first = progress.seconds, progress.step
        task.model.train()
        for batch in batches:
            if self.cancelled():
                self._stop(sums)
            answer = task.answers(batch) if task.answers else None
            position = progress.epoch * self.steps + progress.step
            rate = learning_rate(task.config.train, position, progress.epochs * self.steps)
            terms = self.stepper.step(batch, answer, rate)
            if self.average:
                self.average.update_parameters(task.model)
            sums = {name: sums.get(name, 0) + term for name, term in terms.items()}
            progress.step += 1
            now = time.perf_counter()
            progress.seconds = before + now - started
            self._maybe_lengthen(now - started, progress.step - first)
            if now - told >= _TELL_EVERY or progress.step == self.steps:
                told = now
                self._tell(terms, rate, (progress.step - first) * batch_size / (now - started))
        progress.sums = {name: float(value) for name, value in sums.items()}

    def _tell(self, terms: dict[str, Tensor], rate: float, speed: float) -> None:
        progress = self.progress
        done = progress.epoch * self.steps + progress.step
        seconds_left = progress.seconds / done * (progress.epochs * self.steps - done)
        self.emit(
            StepEvent(
                epoch=progress.epoch + 1,
                epochs=progress.epochs,
                step=progress.step,
                steps=self.steps,
                losses={name: float(term) for name, term in terms.items()},
                learning_rate=rate,
                images_per_second=speed,
                seconds_left=seconds_left,
            )
        )

    def _maybe_lengthen(self, elapsed: float, steps: int) -> None:
        """At one step of the first epoch of a run with `match_seconds`: as many whole epochs as the budget pays for.

        `elapsed` seconds for `steps` steps are those since the start or the resume. The first of them, which are slow,
        do not count where there are others.
        """
        budget = self.task.config.train.match_seconds
        if budget is None or self.progress.epoch > 0:
            return
        if self.progress.step == min(_WARM_STEPS + _TIMED_STEPS, self.steps):
            per_step = (elapsed - self.warm_seconds) / (steps - self.warm_steps)
            self.progress.epochs = max(self.progress.epochs, round(budget / (per_step * self.steps)))
        if steps <= _WARM_STEPS:
            self.warm_steps, self.warm_seconds = steps, elapsed

    def _validates(self) -> bool:
        number = self.progress.epoch + 1
        return number == self.progress.epochs or number % self.task.config.train.validate_every == 0

    def _validate(self) -> None:
        task, progress = self.task, self.progress
        result = validate(
            self.scored, task.validation, task.class_map, task.normaliser, progress.epoch + 1, self.cancelled
        )
        better = result.scores.miou5 > progress.best_miou5
        if better:
            progress.best_miou5, progress.best_epoch = result.scores.miou5, progress.epoch + 1
            progress.best_scores = result.scores.to_json()
            self.best = copy.deepcopy(self.scored.state_dict())
        self._warn_of_collapse(result)
        self.emit(epoch_event(result, progress, steps=self.steps, better=better))
        self.emit(result.preview)

    def _warn_of_collapse(self, result: Validation) -> None:
        """Not while the learning rate still climbs: many a healthy model says Land everywhere in its first epochs."""
        done = (self.progress.epoch + 1) * self.steps
        settled = done >= min(CLIMB["one-cycle"] * self.progress.epochs * self.steps, _SURELY_SETTLED)
        if not settled:
            return
        if result.only_class and not self.progress.collapsed:
            self.emit(
                MessageEvent(
                    f"{COLLAPSED} after epoch {self.progress.epoch + 1} the model calls every validation pixel "
                    f"{result.only_class}. Try a lower learning rate, or check the masks and the class colours.",
                    "warning",
                )
            )
        self.progress.collapsed = result.only_class is not None

    def _modules(self) -> dict[str, nn.Module]:
        beside = {"average": self.average, "features": self.task.features}
        return {"model": self.task.model} | {name: module for name, module in beside.items() if module is not None}

    def _save(self) -> None:
        save_state(
            self.checkpoint,
            progress=self.progress,
            modules=self._modules(),
            optimiser=self.optimiser,
            scaler=self.scaler,
            best=self.best,
        )

    def _load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        modules, optimiser, scaler = self._modules(), self.optimiser, self.scaler
        return load_state(self.checkpoint, modules=modules, optimiser=optimiser, scaler=scaler, emit=self.emit)

    def _stop(self, sums: dict[str, Tensor]) -> None:
        self.progress.sums = {name: float(value) for name, value in sums.items()}
        self._save()
        raise RunCancelledError
