"""The training loop: epochs of steps, validation, the best weights kept, progress reported, a stop at any step."""

import copy
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from core.errors import CheckpointError
from core.events import COLLAPSED, Cancelled, CancelledError, Emit, Event, MessageEvent, StepEvent
from core.models.tap import Tap
from core.train.batches import Batch, epoch_batches
from core.train.checkpointing import TrainState, load_state, save_state
from core.train.compiling import PLAIN, fastest, run_modes
from core.train.distributed import share_statistics
from core.train.schedule import CLIMB, Budget, build_optimiser, clock_of, learning_rate
from core.train.step import Stepper
from core.train.task import Outcome, Task
from core.train.validate import Validation, epoch_event, validate

__all__ = ["Outcome", "Task", "fit"]

_REPORT_EVERY = 0.5
_SAVE_EVERY = 60.0
"""Seconds of training that a killed run loses at most, beside the step that it was in."""
_SURELY_SETTLED = 1000


def fit(task: Task, *, emit: Emit, cancelled: Cancelled, folder: Path, resume: bool = True) -> Outcome:
    """Train `task.model`, saving to and going on from FOLDER/last.ckpt. Raises `CancelledError` when stopped."""
    trainer = _Trainer(task, emit, cancelled, folder / "last.ckpt")
    with trainer.stepper.tap or nullcontext():
        return trainer.run(resume)


class _Trainer:
    """The moving parts of one run."""

    def __init__(self, task: Task, emit: Emit, cancelled: Cancelled, checkpoint: Path) -> None:
        self.task, self.cancelled, self.checkpoint, self.group = task, cancelled, checkpoint, task.group
        self.emit = emit if task.group.leads else _ignore
        share_statistics(task.model, task.group)
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
            forward=task.model,
            normaliser=task.normaliser,
            optimiser=self.optimiser,
            scaler=self.scaler,
            config=task.config,
            ignore_index=task.class_map.ignore_index,
            dtype=task.dtype,
            features=task.features,
            tap=Tap(task.model, task.layer) if task.features else None,
            group=task.group,
            averaged=self.average.module if self.average and config.consistency else None,
            bands=task.sampler.scenes[0].bands,
        )
        self.steps = max(1, task.views // config.images_per_step)
        self.progress = TrainState(epochs=config.epochs)
        self.best: dict[str, Tensor] = {}
        self.budget = Budget(config.match_seconds, self.steps)
        self.clock = clock_of(config)

    @property
    def scored(self) -> nn.Module:
        """The model that is validated and shipped: the averaged one where there is one."""
        return self.average.module if self.average else self.task.model

    def run(self, resume: bool) -> Outcome:
        if resume and self._load():
            self.emit(MessageEvent(f"Going on from epoch {self.progress.epoch + 1}, step {self.progress.step}."))
        if self.task.compile and self.progress.epoch < self.progress.epochs:
            self._compile()
        while self.progress.epoch < self.progress.epochs:
            self._epoch()
            if self.group.leads and self._validates():
                self._validate()
            self.progress.epoch += 1
            self.progress.step, self.progress.sums = 0, {}
            self._save()
        done = self.progress
        return Outcome(
            self.best, done.best_scores, done.best_miou5, done.best_epoch, done.epochs, done.seconds, done.collapsed
        )

    def _compile(self) -> None:
        """Run the model in the fastest mode; after a resume in the mode it had before, if that still works."""
        task, config = self.task, self.task.config
        candidates = run_modes(task.model, task.normaliser.device)
        views = max(1, config.train.batch_size // config.train.accumulate)
        bands = task.normaliser.bands
        black = np.zeros((views, config.data.crop, config.data.crop, len(bands)), bands.depth)
        pixels = task.normaliser(black)
        known = self.progress.mode
        tried = {name: forward for name, forward in candidates.items() if not known or name in (known, PLAIN)}
        self.progress.mode = fastest(tried, task.model, pixels, dtype=task.dtype, emit=self.emit, prefer=known)
        self.stepper = replace(self.stepper, forward=candidates[self.progress.mode])

    def _epoch(self) -> None:
        task, progress = self.task, self.progress
        batch_size = task.config.train.images_per_step
        sums = {name: torch.tensor(value) for name, value in progress.sums.items()}
        begun = reported = saved = time.perf_counter()
        started, before, first = self.clock(), progress.seconds, progress.step
        task.model.train()
        for batch in self._batches():
            if self.group.broadcast(self.cancelled()):
                self._save(sums)
                raise CancelledError
            output = task.teacher_outputs(batch) if task.teacher_outputs else None
            position = progress.epoch * self.steps + progress.step
            steps = progress.epochs * self.steps
            rate = learning_rate(task.config.train, position, steps)
            self.group.seed_apart(task.config.train.seed, position)
            terms = self.stepper.step(batch, output, rate, position / max(1, steps - 1))
            if self.average:
                self.average.update_parameters(task.model)
            sums = {name: sums.get(name, 0) + term for name, term in terms.items()}
            progress.step += 1
            now, spent = time.perf_counter(), self.clock() - started
            progress.seconds = before + spent
            self._maybe_lengthen(spent, progress.step - first)
            if now - saved >= _SAVE_EVERY:
                saved = now
                self._save(sums)
            if now - reported >= _REPORT_EVERY or progress.step == self.steps:
                reported = now
                self._report(terms, rate, (progress.step - first) * batch_size / (now - begun))
        progress.sums = {name: float(value) for name, value in sums.items()}

    def _batches(self) -> Iterator[Batch]:
        """What is left of this epoch: a resumed run goes on at the batch after its last."""
        task, progress, train = self.task, self.progress, self.task.config.train
        turn, epoch = divmod(progress.epoch, task.view_epochs) if task.view_epochs else (0, progress.epoch)
        return epoch_batches(
            task.sampler,
            epoch=epoch,
            turn=turn,
            views=task.views,
            batch_size=train.images_per_step,
            start_step=progress.step,
            group=self.group,
            parts=train.accumulate,
        )

    def _report(self, terms: dict[str, Tensor], rate: float, speed: float) -> None:
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

    def _maybe_lengthen(self, elapsed: float, taken: int) -> None:
        """In the first epoch of a run with a budget of seconds: what the first device measured holds for all."""
        step = self.progress.step
        epochs = self.budget.epochs(elapsed=elapsed, taken=taken, step=step) if self.progress.epoch == 0 else None
        if epochs is not None:
            self.progress.epochs = max(self.task.config.train.epochs, int(self.group.broadcast(epochs)))

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

    def _save(self, sums: dict[str, Tensor] | None = None) -> None:
        """Within an epoch with its `sums` of losses so far."""
        if not self.group.leads:
            return
        if sums is not None:
            self.progress.sums = {name: float(value) for name, value in sums.items()}
        save_state(
            self.checkpoint,
            progress=self.progress,
            modules=self._modules(),
            optimiser=self.optimiser,
            scaler=self.scaler,
            best=self.best,
        )

    def _load(self) -> bool:
        """Whether there was something to go on from. Raises `CheckpointError` where devices found different things."""
        modules, optimiser, scaler = self._modules(), self.optimiser, self.scaler
        found = load_state(self.checkpoint, modules=modules, optimiser=optimiser, scaler=scaler, emit=self.emit)
        if found is not None:
            self.progress, self.best = found
        position = -1 if found is None else self.progress.epoch * self.steps + self.progress.step
        if self.group.broadcast(position) != position:
            raise CheckpointError(f"The devices do not all see the same {self.checkpoint}: give them one disk.")
        return found is not None


def _ignore(_event: Event) -> None:
    """The first device reports for all."""
