"""How long a run trains, how fast, and where."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast. `learning_rate` is the peak of the one-cycle (or cosine) schedule.

    `match_seconds` lengthens the run to about that many seconds of training (whole epochs, never fewer than `epochs`):
    so a control gets a budget equal to the run it controls for. `ema` is the decay of the averaged weights that are
    scored and shipped (0: none). `compile` tries torch.compile where there is a C++ compiler, and CUDA graphs on a
    GPU, and keeps what is quickest: a minute at the start, then faster steps. `start_from` names a trained model of
    the same architecture and classes whose weights the run begins with (None: fresh weights). `accumulate` cuts a
    batch into that many parts whose gradients are averaged before the step: memory for one part at a time. `devices`
    share the run: each takes `batch_size` images a step, and together they learn what one would from all of them.
    """

    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 6e-3
    schedule: Literal["one-cycle", "cosine"] = "one-cycle"
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    dice: float = 0.5
    ema: float = 0.0
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    validate_every: int = 1
    match_seconds: float | None = None
    compile: bool = False
    start_from: str | None = None
    accumulate: int = 1
    devices: int = 1

    @property
    def images_per_step(self) -> int:
        return self.batch_size * self.devices

    def problems(self) -> list[str]:
        found = []
        if not 1 <= self.epochs <= 10_000:
            found.append(f"Epochs must be from 1 to 10,000, not {self.epochs}.")
        if not 1 <= self.batch_size <= 1024:
            found.append(f"Batch size must be from 1 to 1024, not {self.batch_size}.")
        elif self.accumulate < 1 or self.batch_size % self.accumulate:
            found.append(f"A batch of {self.batch_size} cannot be cut into {self.accumulate} equal parts.")
        if not 1 <= self.devices <= 64:
            found.append(f"Devices must be from 1 to 64, not {self.devices}.")
        if not 0 < self.learning_rate <= 1:
            found.append(f"Learning rate must be above 0 and at most 1, not {self.learning_rate}.")
        if self.schedule not in ("one-cycle", "cosine"):
            found.append(f"Schedule must be one-cycle or cosine, not {self.schedule}.")
        if not 0 <= self.weight_decay <= 1:
            found.append(f"Weight decay must be from 0 to 1, not {self.weight_decay}.")
        if not 0 < self.clip_norm <= 1000:
            found.append(f"Gradient clipping must be above 0 and at most 1000, not {self.clip_norm}.")
        if not 0 <= self.dice <= 1:
            found.append(f"The Dice share must be from 0 to 1, not {self.dice}.")
        if not 0 <= self.ema < 1:
            found.append(f"The averaging decay must be from 0 to below 1, not {self.ema}.")
        if not 0 <= self.seed < 2**31:
            found.append(f"Seed must be from 0 to 2,147,483,647, not {self.seed}.")
        if self.precision not in ("auto", "float32", "bfloat16", "float16"):
            found.append(f"Precision must be auto, float32, bfloat16 or float16, not {self.precision}.")
        if self.validate_every < 1:
            found.append(f"Validation must come every 1 epoch or more, not {self.validate_every}.")
        if self.match_seconds is not None and not 0 < self.match_seconds <= 2_592_000:
            found.append(f"Seconds to match must be above 0 and at most 2,592,000 (30 days), not {self.match_seconds}.")
        return found
