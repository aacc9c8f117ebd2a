"""A run with everything built, and what it comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.classes import ClassMap
from core.config import RunConfig
from core.data.scene import Scene
from core.data.transforms import ViewSampler
from core.losses.features import FeatureTerms
from core.normalise import Normaliser
from core.train.batches import Batch
from core.train.distributed import ALONE, Group
from core.train.step import TeacherOutput


@dataclass(frozen=True)
class Task:
    """A run with everything built.

    Attributes:
        sampler: Cuts views from the training scenes.
        dtype: Of autocast.
        views: How many there are in an epoch.
        view_epochs: After so many epochs the same views come again. None: never.
        teacher_outputs: Gives the teacher's output for a batch. None: labels only.
        features: Losses on features, with what they learn.
        layer: The student's module whose output these take. None: the usual one.
        compile: Whether modes of torch.compile are tried.
        group: The devices that share each batch; the first of them alone validates, saves and reports.
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
    teacher_outputs: Callable[[Batch], TeacherOutput] | None = None
    features: FeatureTerms | None = None
    layer: str | None = None
    compile: bool = False
    group: Group = ALONE


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
