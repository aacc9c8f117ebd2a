"""What training, prediction and benchmarks report while they work, and how they are asked to stop.

A training run hands each `Event` to an `Emit`; prediction and benchmarks hand a `Progress` to an `OnProgress`. All of
them ask `Cancelled` between two steps and raise `CancelledError` when it is true.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StepEvent:
    """After an optimiser step (not necessarily every one). Losses by term name; `seconds_left` is an estimate."""

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: dict[str, float]
    learning_rate: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochEvent:
    """After an epoch: mean losses by term, and the validation scores when it was validated (fractions from 0 to 1).

    `collapsed`: whether the model has collapsed to one class; None where that was not checked.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    seconds: float
    miou5: float | None = None
    miou6: float | None = None
    accuracy: float | None = None
    iou: dict[str, float] = field(default_factory=dict)
    best: bool = False
    collapsed: bool | None = None


@dataclass(frozen=True)
class PreviewEvent:
    """One validation crop as the model sees it now: image (H, W, 3), truth and prediction (H, W), all uint8."""

    epoch: int
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]


COLLAPSED = "Collapsed:"
"""How the warning of a collapse begins. It holds until an `EpochEvent` says that the model has recovered."""


@dataclass(frozen=True)
class MessageEvent:
    """A sentence for the log; a warning is also shown to the person."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class TeacherEvent:
    """The teacher's scores on the same validation pictures (fractions from 0 to 1), once at the start."""

    name: str
    miou5: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is: `done` of `total` parts; `doing` says in words what comes next."""

    done: int
    total: int
    doing: str = ""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else 0.0


class CancelledError(Exception):
    """`cancelled()` was true, so the work stopped. Not a failure, and so no `TerrastillError`."""


Event = StepEvent | EpochEvent | PreviewEvent | MessageEvent | TeacherEvent
Emit = Callable[[Event], None]
OnProgress = Callable[[Progress], None]
Cancelled = Callable[[], bool]
