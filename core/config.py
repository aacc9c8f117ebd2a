"""The settings of a run: frozen, checked once where they enter, to and from JSON. Pure Python."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from core.errors import ConfigError
from core.typed import build, is_number

Kind = Literal["train", "distill"]
FAMILIES = ("compact", "unet")
"""Architectures of which a `base` makes every size; the first is the usual one."""
LOGIT_LOSSES = ("soft_targets", "standardised", "channel_wise", "correlation", "boundary")
FEATURE_LOSSES = ("feature_channel_wise", "affinity", "attention", "hint", "masked_generation")
"""Ways to listen to a teacher: to its logits, and to features inside it (functions and papers: `core/losses/`)."""


@dataclass(frozen=True)
class DataConfig:
    """Which pictures, how they are split, and how training views are cut from them.

    `dataset` is a key of `core.data.DATASETS` (`samples`, `dubai`, `folder`); `root` a folder for those that need it.
    `split` is `by-image`, `leave-tile-out:N` or `leaky-patches`. An epoch is `views_per_epoch` random crops
    (None: as many as non-overlapping crops fit in the training images). `paste` is the share of views that get a
    rectangle of another with its labels (CutMix; 0: none), `mix` the share of another view that may be
    blended into each (mixup; 0: none), and `transfer` more pictures without labels for a student to hear its teacher
    on: `samples`, or a folder that holds images/. `labelled` training pictures keep their labels (None: all); a student
    hears its teacher on the others too, and a run on labels alone does without them.
    """

    dataset: str = "samples"
    root: str | None = None
    split: str = "by-image"
    crop: int = 256
    views_per_epoch: int | None = None
    scale: tuple[float, float] = (0.6, 1.6)
    colour: float = 0.25
    skip_bad_pairs: bool = False
    mix: float = 0.0
    paste: float = 0.0
    transfer: str | None = None
    labelled: int | None = None

    def problems(self) -> list[str]:
        found = []
        if not 32 <= self.crop <= 1024 or self.crop % 16:
            found.append(f"Crop must be a multiple of 16 from 32 to 1024 pixels, not {self.crop}.")
        if self.views_per_epoch is not None and not 1 <= self.views_per_epoch <= 1_000_000:
            found.append(f"Views an epoch must be from 1 to 1,000,000, not {self.views_per_epoch}.")
        if self.labelled is not None and self.labelled < 1:
            found.append(f"Pictures with labels must be 1 or more, not {self.labelled}.")
        if not 0.25 <= self.scale[0] <= self.scale[1] <= 4:
            found.append(f"Scale must be a range within 0.25 to 4, not {self.scale[0]} to {self.scale[1]}.")
        if not 0 <= self.colour <= 1:
            found.append(f"Colour augmentation must be from 0 to 1, not {self.colour}.")
        if not 0 <= self.paste <= 1:
            found.append(f"The share of views that are pasted into must be from 0 to 1, not {self.paste}.")
        if not 0 <= self.mix <= 0.5:
            found.append(f"The share that is mixed in must be from 0 to 0.5, not {self.mix}.")
        return found


@dataclass(frozen=True)
class ModelConfig:
    """An architecture by its key in `core.models.MODELS`, and its arguments (plain JSON values)."""

    architecture: str = "compact"
    arguments: dict[str, Any] = field(default_factory=lambda: {"base": 4})

    def problems(self) -> list[str]:
        base = self.arguments.get("base")
        if self.architecture in FAMILIES and not (isinstance(base, int) and 2 <= base <= 64):
            return [f"The base width of {self.architecture} must be a whole number from 2 to 64, not {base}."]
        return []


@dataclass(frozen=True)
class DistillConfig:
    """What the student learns: total = alpha · supervised + (1 − alpha) · Σ weight · loss, at `temperature`.

    `losses` gives each distillation loss (`LOGIT_LOSSES`, `FEATURE_LOSSES`) its weight. Losses on features compare the
    modules named by `student_layer` and `teacher_layer` (None: the deepest features of the encoder). With
    `average_flips` the teacher's logits are averaged over the four mirror images of a view.
    `cache_views` > 0 stores the teacher's answers to that many epochs of views and replays them in turn, so that a
    later epoch costs the student alone; 0 runs the teacher at every step. `cache_pictures` stores its answers to the
    whole pictures instead, from which those to ever new views are cut. `cache_form` is how a stored logit is written:
    `uint8` takes half the disk of `float16`, which stored features always have.
    """

    teacher: str = "teacher"
    temperature: float = 2.0
    alpha: float = 0.5
    cache_views: int = 0
    cache_pictures: bool = False
    cache_form: Literal["float16", "uint8"] = "float16"
    losses: dict[str, float] = field(default_factory=lambda: {"soft_targets": 1.0})
    student_layer: str | None = None
    teacher_layer: str | None = None
    average_flips: bool = False

    @property
    def uses_features(self) -> bool:
        return any(name in FEATURE_LOSSES for name in self.losses)

    def problems(self) -> list[str]:
        found = self._loss_problems()
        if not self.teacher:
            found.append("A distillation needs a teacher: choose a model.")
        if not 0.5 <= self.temperature <= 50:
            found.append(f"Temperature must be from 0.5 to 50, not {self.temperature}.")
        if not 0 <= self.alpha <= 1:
            found.append(f"Alpha must be from 0 (teacher only) to 1 (labels only), not {self.alpha}.")
        if not 0 <= self.cache_views <= 1000:
            found.append(f"Cached views must be from 0 (no cache) to 1000, not {self.cache_views}.")
        if self.cache_pictures and (self.cache_views or self.uses_features):
            found.append(
                "Stored pictures go with losses on logits alone, and not with stored views: choose one of them."
            )
        if self.cache_form not in ("float16", "uint8"):
            found.append(f"The form of the cache must be float16 or uint8, not {self.cache_form}.")
        return found

    def _loss_problems(self) -> list[str]:
        found = []
        if not self.losses:
            found.append("A distillation needs at least one loss that listens to the teacher.")
        for name, weight in self.losses.items():
            if name not in LOGIT_LOSSES + FEATURE_LOSSES:
                found.append(f"There is no loss {name}; there are {', '.join(LOGIT_LOSSES + FEATURE_LOSSES)}.")
            elif not is_number(weight) or not 0 < weight <= 10_000:
                found.append(f"The weight of {name} must be above 0 and at most 10,000, not {weight}.")
        return found


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


@dataclass(frozen=True)
class RunConfig:
    """One run: one model trained once. A distillation with a control is two runs, the second with `control_of` set."""

    kind: Kind = "distill"
    name: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    distill: DistillConfig | None = None
    control_of: str | None = None

    def problems(self) -> list[str]:
        found = [*self.data.problems(), *self.model.problems(), *self.train.problems()]
        if self.kind not in ("train", "distill"):
            found.append(f"A run is of kind train or distill, not {self.kind}.")
        if self.kind == "distill" and self.distill is None:
            found.append("A distillation needs its settings: teacher, temperature and alpha.")
        if self.kind == "train" and self.distill is not None:
            found.append("A run of kind train takes no distillation settings.")
        if self.distill is not None:
            found.extend(self.distill.problems())
        found.extend(self._transfer_problems())
        if len(self.name) > 80:
            found.append("A run's name may have 80 characters at most.")
        return found

    def _transfer_problems(self) -> list[str]:
        """What is blended or unlabelled has nothing to say to a loss on labels."""
        taught_alone = self.distill is not None and self.distill.alpha == 0
        if 0 < self.data.mix <= 0.5 and not taught_alone:
            return ["Mixed views have no labels of their own: mixing needs a teacher, and alpha 0."]
        if self.data.mix and self.distill is not None and self.distill.cache_pictures:
            return ["A teacher that saw whole pictures has no answer to mixed views: store views, or do not mix."]
        if self.data.transfer and self.distill is None:
            return ["Pictures without labels teach nothing without a teacher: leave them out of this run."]
        return []

    def validate(self) -> "RunConfig":
        """Give itself back, or raise `ConfigError` with every problem at once."""
        if found := self.problems():
            raise ConfigError(found)
        return self

    def as_control(self, of: str, *, name: str | None = None) -> "RunConfig":
        """The run that shows what the teacher was worth to the run `of`: all the same, on labels alone."""
        data = replace(self.data, mix=0.0, transfer=None)
        name = self.name if name is None else name
        return replace(self, kind="train", name=name, data=data, distill=None, control_of=of)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "RunConfig":
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"These settings are not JSON ({error}).") from error
        config: RunConfig = build(cls, data, nested=_NESTED)
        return config.validate()


_NESTED: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "train": TrainConfig, "distill": DistillConfig}
