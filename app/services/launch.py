"""Settings of a distillation as a person chooses them → checked → queued, with its control behind it."""

from dataclasses import asdict, dataclass, field
from typing import Any

from app.services.stores import open_store
from core import paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.errors import ConfigError

_LONGEST_NAME = 71
"""So that the control's name stays within the 80 characters of a run's name."""


@dataclass(frozen=True)
class Settings:
    """What the form holds. `views` is training pictures an epoch (None: as many as fit side by side)."""

    teacher: str = "teacher"
    dataset: str = "samples"
    root: str = ""
    split: str = "by-image"
    base: int = 4
    temperature: float = 2.0
    alpha: float = 0.5
    epochs: int = 20
    seed: int = 0
    control: bool = True
    views: int | None = 64
    batch_size: int = 8
    learning_rate: float = 6e-3
    cache_views: int = 4
    device: str = "auto"
    name: str = ""


PRESETS: dict[str, Settings] = {
    "quick": Settings(),
    "full": Settings(epochs=150, views=None, batch_size=16, cache_views=20),
}
"""`quick` is a first look within three minutes on two processor cores; `full` is what a useful student needs."""

PRESET_FIELDS = ("epochs", "views", "batch_size", "learning_rate", "cache_views", "temperature", "alpha")


@dataclass(frozen=True)
class Check:
    """`problems` keep the settings from being queued; `warnings` do not."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def to_config(settings: Settings) -> RunConfig:
    """The run that these settings ask for, not yet validated."""
    name = settings.name.strip() or f"U-Net {settings.base} from {settings.teacher}"
    return RunConfig(
        kind="distill",
        name=name,
        data=DataConfig(
            dataset=settings.dataset,
            root=settings.root.strip() or None,
            split=settings.split,
            views_per_epoch=settings.views,
        ),
        model=ModelConfig("unet", {"base": settings.base}),
        train=TrainConfig(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            seed=settings.seed,
            device=settings.device,
            validate_every=max(1, settings.epochs // 50),
        ),
        distill=DistillConfig(
            teacher=settings.teacher,
            temperature=settings.temperature,
            alpha=settings.alpha,
            cache_views=min(settings.cache_views, max(settings.epochs, 0)),
        ),
    )


def data_key(settings: Settings) -> dict[str, Any]:
    """The part of the settings that says which pictures are read, for `datasets.split_summary`."""
    return asdict(to_config(settings).data)


def check(settings: Settings) -> Check:
    """Everything that can be known to be wrong before the data is read."""
    from core.runs.checks import check_settings

    if settings.dataset == "folder" and not settings.root.strip():
        return Check(["Name the folder that holds images/ and masks/."])
    try:
        return Check(warnings=check_settings(to_config(settings), runs=paths.home()))
    except ConfigError as error:
        return Check(list(error.problems))


def launch(settings: Settings) -> str:
    """Queue the distillation, and its control when asked for; gives the run's id. Raises `StoreError`."""
    store = open_store()
    config = to_config(settings)
    record = store.add(config)
    if settings.control:
        name = f"{config.name[:_LONGEST_NAME]}, control"
        store.add(config.as_control(record.id, name=name))
    return record.id


def devices() -> list[str]:
    """`auto`, and the devices of this machine."""
    from core.device import available

    return ["auto", *available()]
