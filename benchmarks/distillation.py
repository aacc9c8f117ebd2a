"""Two models, the views between them, and one function for each kind of training step, for benchmarks to time."""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.benchmark.runtimes import can_compile
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import AERIAL
from core.data.scene import Scene
from core.data.transforms import ViewSampler
from core.device import autocast_dtype, choose
from core.models import build_model
from core.models.pretrained import LITE_MEAN, LITE_STD
from core.normalise import Normaliser
from core.train import picture_cache, view_cache
from core.train.batches import Batch, epoch_batches
from core.train.schedule import build_optimiser
from core.train.step import FrozenTeacher, Stepper


class Bench:
    """Two models, views to train on, and every kind of step over them."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.batch_size, self.device = args.batch, choose(args.device)
        self.dtype = autocast_dtype(self.device)
        self.compiles = args.compile and can_compile(self.device.type)
        self.config = RunConfig(
            data=DataConfig(crop=256),
            model=ModelConfig("unet", {"base": args.student}),
            train=TrainConfig(batch_size=args.batch, dice=0.0),
            distill=DistillConfig(temperature=2.0, alpha=0.5, cache_views=1, losses={"soft_targets": 1.0}),
        )
        self.sampler = ViewSampler([_scene(seed) for seed in range(4)], 256, (0.6, 1.6), 0.25, AERIAL.ignore_index, 0)
        self.normaliser = Normaliser.of(LITE_MEAN, LITE_STD, self.device)
        torch.manual_seed(0)
        self.teacher_model = self.build(args.teacher)
        self.student_model = self.build(args.student)
        self.teacher = FrozenTeacher(
            self.teacher_model, self.normaliser, self.dtype, forward=self._maybe_compiled(self.teacher_model)
        )
        self.alone = self._stepper(replace(self.config, kind="train", distill=None))
        self.taught = self._stepper(self.config)
        self.folder = folder
        self.batches = list(self.epoch(2 * args.batch))

    def build(self, base: int) -> nn.Module:
        model = build_model(ModelConfig("unet", {"base": base}), outputs=AERIAL.outputs)
        return model.to(self.device).to(memory_format=torch.channels_last)

    def _maybe_compiled(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        return torch.compile(model) if self.compiles else model

    def _stepper(self, config: RunConfig) -> Stepper:
        return Stepper(
            model=self.student_model,
            forward=self._maybe_compiled(self.student_model),
            normaliser=self.normaliser,
            optimiser=build_optimiser(self.student_model, config.train),
            scaler=torch.amp.GradScaler(self.device.type, enabled=False),
            config=config,
            ignore_index=AERIAL.ignore_index,
            dtype=self.dtype,
        )

    def epoch(self, views: int) -> Iterator[Batch]:
        return epoch_batches(self.sampler, epoch=0, views=views, batch_size=self.batch_size)

    def kinds(self) -> dict[str, Callable[[Batch], Any]]:
        """Everything that is timed, by name; each takes one batch."""
        cache = view_cache.build(
            self.folder / "cache.logits",
            teacher=self.teacher,
            sampler=self.sampler,
            epochs=1,
            views=2 * self.batch_size,
            batch_size=self.batch_size,
            outputs=AERIAL.outputs,
            form="float16",
            identity={},
            emit=lambda _: None,
            cancelled=lambda: False,
        )
        pictures = picture_cache.build(
            self.folder / "pictures.logits",
            teacher=self.teacher,
            sampler=self.sampler,
            batch_size=self.batch_size,
            outputs=AERIAL.outputs,
            form="uint8",
            identity={},
            emit=lambda _: None,
            cancelled=lambda: False,
        )
        assert cache is not None
        assert pictures is not None
        return {
            "teacher forward": lambda batch: self.teacher.output(batch.images),
            "student alone": lambda batch: self.alone.step(batch, None, 1e-4),
            "uncached": lambda batch: self.taught.step(batch, self.teacher.output(batch.images), 1e-4),
            "cached": lambda batch: self.taught.step(batch, cache.output(batch), 1e-4),
            "from pictures": lambda batch: self.taught.step(batch, pictures.output(batch), 1e-4),
        }

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], Any]) -> float:
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - started


def _scene(seed: int) -> Scene:
    random = np.random.default_rng(seed)
    mask = random.integers(0, 5, (16, 16)).astype(np.uint8).repeat(64, 0).repeat(64, 1)
    image = np.array(AERIAL.colours, np.int64)[mask] + random.integers(-30, 31, (*mask.shape, 3))
    return Scene(f"scene {seed}", image.clip(0, 255).astype(np.uint8), mask)
