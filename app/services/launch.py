"""Settings of a distillation as a person chooses them → checked → queued: one for each seed, its control behind it."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from app.services import access, distill_losses
from app.services.artifacts import require_known
from app.services.stores import open_store
from core import paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.errors import CheckpointError, ConfigError, DatasetNotFoundError

_LONGEST_NAME = 71
"""So that the control's name stays within the 80 characters of a run's name."""
MOST_SEEDS = 5


@dataclass(frozen=True)
class Settings:
    """What the form holds. `views` is training pictures an epoch (None: as many as fit side by side).

    `losses` are weights by name (`core.losses.catalogue`); `seeds` is how many distillations are launched, with `seed`,
    `seed` + 1 and so on; `ema` is the decay of the averaged weights (0: none).
    """

    teacher: str = "teacher"
    dataset: str = "samples"
    root: str = ""
    split: str = "by-image"
    base: int = 4
    temperature: float = 2.0
    alpha: float = 0.5
    losses: dict[str, float] = field(default_factory=distill_losses.default_weights)
    average_flips: bool = False
    epochs: int = 16
    seed: int = 0
    seeds: int = 1
    control: bool = True
    crop: int = 128
    views: int | None = 256
    batch_size: int = 16
    learning_rate: float = 6e-3
    ema: float = 0.0
    cache_pictures: bool = False
    cache_views: int = 4
    cache_form: Literal["float16", "uint8"] = "float16"
    device: str = "auto"
    name: str = ""


PRESETS: dict[str, Settings] = {
    "quick": Settings(),
    "full": Settings(
        epochs=75,
        crop=256,
        views=None,
        batch_size=8,
        ema=0.998,
        cache_pictures=True,
        cache_views=20,
        cache_form="uint8",
    ),
}
"""`quick` is a first look: two minutes on two processor cores, and as much for its control; `full` is what a useful
student needs."""

PRESET_FIELDS = (
    "epochs",
    "crop",
    "views",
    "batch_size",
    "learning_rate",
    "ema",
    "cache_pictures",
    "cache_views",
    "cache_form",
    "temperature",
    "alpha",
)


@dataclass(frozen=True)
class Check:
    """`problems` keep the settings from being queued; `warnings` do not."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def to_config(settings: Settings) -> RunConfig:
    """The run of the first seed that these settings ask for, not yet validated. Raises `DatasetNotFoundError`."""
    name = settings.name.strip() or f"Compact {settings.base} from {settings.teacher}"
    return RunConfig(
        kind="distill",
        name=name,
        data=_data(settings),
        model=ModelConfig("compact", {"base": settings.base}),
        train=TrainConfig(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            ema=settings.ema,
            seed=settings.seed,
            device=settings.device,
            validate_every=max(1, settings.epochs // 50),
        ),
        distill=_distill(settings),
    )


def _data(settings: Settings) -> DataConfig:
    """Raises `DatasetNotFoundError` for a folder that the operator did not open."""
    root, opened = access.opened_path(settings.root) if settings.dataset == "folder" else (None, None)
    return DataConfig(
        dataset=settings.dataset,
        root=None if root is None else str(root),
        split=settings.split,
        crop=settings.crop,
        views_per_epoch=settings.views,
        opened=None if opened is None else str(opened),
    )


def _distill(settings: Settings) -> DistillConfig:
    """Losses on features need the very views: whole pictures are not stored for them, whatever the form says."""
    losses = dict(settings.losses)
    pictures = settings.cache_pictures and not distill_losses.uses_features(losses)
    return DistillConfig(
        teacher=settings.teacher,
        temperature=settings.temperature,
        alpha=settings.alpha,
        cache_pictures=pictures,
        cache_views=0 if pictures else min(settings.cache_views, max(settings.epochs, 0)),
        cache_form=settings.cache_form,
        losses=losses,
        average_flips=settings.average_flips,
    )


def to_configs(settings: Settings) -> list[RunConfig]:
    """One run a seed; their names say which when there are several."""
    first = to_config(settings)
    if settings.seeds == 1:
        return [first]
    configs = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        ending = f", seed {seed}"
        name = first.name[: _LONGEST_NAME - len(ending)] + ending
        configs.append(replace(first, name=name, train=replace(first.train, seed=seed)))
    return configs


def data_key(settings: Settings) -> dict[str, Any]:
    """The part of the settings that says which pictures are read, for `datasets.split_summary`."""
    return asdict(to_config(settings).data)


def problems(settings: Settings) -> list[str]:
    """What is out of range, each with its range; nothing is looked up for it."""
    if settings.dataset == "folder" and not settings.root.strip():
        return ["Name the folder that holds images/ and masks/."]
    try:
        found = to_config(settings).problems()
        require_known(settings.teacher)
    except (CheckpointError, DatasetNotFoundError) as error:
        return [str(error)]
    if not 1 <= settings.seeds <= MOST_SEEDS:
        found.append(f"Seeds must be from 1 to {MOST_SEEDS}, not {settings.seeds}.")
    return found or to_configs(settings)[-1].problems()


def check(settings: Settings) -> Check:
    """Everything that can be known to be wrong before the data is read; a visitor's paths are judged here too."""
    from core.runs.checks import check_settings

    if found := problems(settings):
        return Check(found)
    try:
        return Check(warnings=check_settings(to_config(settings), runs=paths.home()))
    except ConfigError as error:
        return Check(list(error.problems))


def launch(settings: Settings) -> str:
    """Queue a distillation a seed, each with its control when asked for; gives the first one's id.

    Raises `ConfigError` and `StoreError`.
    """
    if found := problems(settings):
        raise ConfigError(found)
    store = open_store()
    queued = []
    for config in to_configs(settings):
        record = store.add(config)
        queued.append(record.id)
        if settings.control:
            store.add(config.as_control(record.id, name=f"{config.name[:_LONGEST_NAME]}, control"))
    return queued[0]


def devices() -> list[str]:
    """`auto`, and the devices of this machine."""
    from core.device import available

    return ["auto", *available()]
