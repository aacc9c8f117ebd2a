"""How long a run trains, how fast, and where."""

from dataclasses import dataclass
from typing import Literal

from core.config.fields import problems_of, setting

_PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast a run trains, on what, and from which weights."""

    epochs: int = setting(10, "Epochs", "How often the run goes through its views.", low=1, high=10_000)
    batch_size: int = setting(16, "Batch size", "Images a step, on each device.", low=1, high=1024, flag="batch")
    learning_rate: float = setting(
        6e-3,
        "Peak learning rate",
        "The highest rate of the schedule.",
        low=0,
        above=True,
        high=1,
        flag="lr",
        step=0.001,
    )
    schedule: Literal["one-cycle", "cosine"] = setting(
        "one-cycle", "Schedule", "How the learning rate changes over the run.", choices=("one-cycle", "cosine")
    )
    weight_decay: float = setting(1e-2, "Weight decay", "Weight decay of AdamW.", low=0, high=1, step=0.01)
    clip_norm: float = setting(
        1.0, "Gradient clipping", "Largest norm of the gradient of a step.", low=0, above=True, high=1000
    )
    dice: float = setting(0.5, "Dice share", "Share of the Dice loss in the loss on labels.", low=0, high=1, step=0.1)
    ema: float = setting(
        0.0,
        "EMA decay",
        "Decay of the averaged weights that are scored and shipped; 0.998 suits long runs, 0 is off.",
        low=0,
        high=1,
        below=True,
        step=0.001,
    )
    seed: int = setting(0, "Seed", "Seed of everything that is drawn at random.", low=0, high=2**31 - 1)
    device: str = setting("auto", "Device", "Where to run: auto (the best there is), cpu, cuda, cuda:N or mps.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "Precision", "Number format of the forward pass.", choices=_PRECISIONS
    )
    validate_every: int = setting(1, "Epochs between validations", "Epochs from one validation to the next.", low=1)
    match_seconds: float | None = setting(
        None,
        "Training time",
        "Lengthen the run to about that many seconds of training, in whole epochs and never fewer than asked for. "
        "A control gets the time of the run it is compared with.",
        low=0,
        above=True,
        high=2_592_000,
        unit="seconds",
        metavar="SECONDS",
        empty="as long as its epochs take",
    )
    clock: Literal["wall", "processor"] = setting(
        "wall",
        "Clock of the training time",
        "What the seconds of a run are: those that pass, or those that the processor works for it, which stay "
        "fair between two runs on a machine that does other work as well. Not for a run on a GPU.",
        choices=("wall", "processor"),
    )
    compile: bool = setting(
        False,
        "Compile",
        "Try torch.compile, and CUDA graphs on a GPU, and keep what is quickest: a minute at the start, then "
        "faster steps.",
    )
    start_from: str | None = setting(
        None,
        "Start from",
        "A trained model of the same architecture and size whose weights the run begins with, and its control too. "
        "Where it knows other classes, or is a starting point, the last layer is fresh.",
        metavar="NAME",
        empty="fresh weights",
    )
    consistency: float = setting(
        0.0,
        "Consistency",
        "Weight of consistency training: the averaged weights are the student's own teacher, also on pictures without "
        "labels. It needs an EMA decay; 0 is off.",
        low=0,
        high=100,
        step=0.5,
    )
    confidence: float = setting(
        0.95,
        "Confidence for consistency",
        "The student learns its averaged copy's answer to a pixel where that is at least so sure.",
        low=0,
        high=1,
        step=0.05,
    )
    accumulate: int = setting(
        1, "Gradient accumulation", "Parts that a batch is cut into, to save memory.", low=1, high=1024
    )
    devices: int = setting(
        1,
        "Devices",
        "Processes that share the run, each with a batch of its own on a GPU of its own (or on the CPU).",
        low=1,
        high=64,
    )

    @property
    def images_per_step(self) -> int:
        return self.batch_size * self.devices

    @property
    def images_at_once(self) -> int:
        """Images of a batch that are on one device at the same time."""
        return self.batch_size // self.accumulate

    def problems(self) -> list[str]:
        """A sentence for each value that is out of range, and for a batch that cannot be divided."""
        found = problems_of(self)
        if not found and self.batch_size % self.accumulate:
            found.append(f"A batch of {self.batch_size} cannot be cut into {self.accumulate} equal parts.")
        if not found and self.consistency and not self.ema:
            found.append("Consistency needs averaged weights to learn from: give an EMA decay, such as 0.99.")
        if not found and self.consistency and self.devices > 1:
            found.append("Consistency is trained on one device: set the devices to 1.")
        return found
