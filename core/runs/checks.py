"""What is refused before anything is queued, and what is only warned of: the same for the app and the command line."""

import shutil
from pathlib import Path

from core import checkpoint
from core.classes import AERIAL, ClassMap
from core.config import DistillConfig, RunConfig
from core.data import open_split
from core.data.splits import Split
from core.device import autocast_dtype, choose, share_of
from core.errors import CheckpointError, ConfigError, DeviceError, ModelError
from core.files import size_text
from core.models import build_model, count_parameters, without_pretraining
from core.models.tap import feature_shape
from core.train.teacher_cache import bytes_needed

_SPARE_BYTES = 500_000_000
_USUAL_VIEWS = 2000


def check(config: RunConfig, *, runs: Path) -> list[str]:
    """Warnings about a run that may start. Reads the data. Raises `ConfigError` with every problem, and `DataError`."""
    warnings = check_settings(config, runs=runs)
    dataset, split = open_split(config.data)
    return [*warnings, *_data_warnings(dataset.warnings, split)]


def check_settings(config: RunConfig, *, runs: Path, class_map: ClassMap = AERIAL) -> list[str]:
    """Everything that can be known without reading the pictures: warnings, or `ConfigError` with every problem."""
    problems = config.problems()
    warnings: list[str] = []
    if not problems:
        problems += [problem for found in (_device(config), _disk(config, runs)) for problem in found]
        problems += _teacher(config, runs, class_map, warnings)
    if problems:
        raise ConfigError(problems)
    return warnings


def _data_warnings(warnings: list[str], split: Split) -> list[str]:
    return [*warnings, split.note] if split.leaks else warnings


def _device(config: RunConfig) -> list[str]:
    try:
        device = share_of(choose(config.train.device), rank=0, devices=config.train.devices)
        autocast_dtype(device, config.train.precision)
    except DeviceError as error:
        return [str(error)]
    return []


def _disk(config: RunConfig, runs: Path) -> list[str]:
    """The run's files, and the teacher's cached answers where it asks for them."""
    needed = _SPARE_BYTES
    if config.distill is not None and (config.distill.cache_views or config.distill.cache_pictures):
        views = config.data.views_per_epoch or _USUAL_VIEWS
        try:
            features = _stored_features(config, config.distill, runs)
        except CheckpointError:
            return []  # Said once, where the teacher is looked at.
        except ModelError as error:
            return [str(error)]
        needed += bytes_needed(
            # Pictures take about as much as an epoch of the views that fit them side by side.
            epochs=config.distill.cache_views or 1,
            views=views,
            outputs=AERIAL.outputs,
            crop=config.data.crop,
            form=config.distill.cache_form,
            features=features,
        )
    runs.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(runs).free
    if free >= needed:
        return []
    return [
        f"The run needs about {size_text(needed)} of disk and {size_text(free)} are free: delete old runs, or "
        "cache fewer views."
    ]


def _stored_features(config: RunConfig, distill: DistillConfig, runs: Path) -> tuple[int, int, int] | None:
    """The shape of the teacher's features of one view where they are stored. Raises `ModelError`."""
    if not distill.uses_features:
        return None
    card = checkpoint.load_card(checkpoint.resolve(distill.teacher, runs=runs))
    teacher = build_model(without_pretraining(card.model), outputs=card.classes.outputs)
    return feature_shape(teacher, distill.teacher_layer, size=config.data.crop)


def _teacher(config: RunConfig, runs: Path, class_map: ClassMap, warnings: list[str]) -> list[str]:
    """Problems with the teacher and the student beside it; a student that saves nothing is a warning."""
    try:
        student = count_parameters(build_model(config.model, outputs=class_map.outputs))
        if wrong := _start(config, runs, class_map):
            return [wrong]
        if config.distill is None:
            return []
        card = checkpoint.load_card(checkpoint.resolve(config.distill.teacher, runs=runs))
    except (ModelError, CheckpointError) as error:
        return [str(error)]
    if card.classes.scored_names != class_map.scored_names:
        names = ", ".join(card.classes.scored_names)
        return [f"The teacher knows the classes {names}, not those of the data: choose another teacher."]
    if student >= card.parameters:
        warnings.append(
            f"The student ({student:,} parameters) is not smaller than its teacher ({card.parameters:,}): nothing is "
            "saved. Choose a smaller size."
        )
    return []


def _start(config: RunConfig, runs: Path, class_map: ClassMap) -> str | None:
    """Why this model cannot begin with the weights it should start from. Raises `CheckpointError`."""
    if config.train.start_from is None:
        return None
    card = checkpoint.load_card(checkpoint.resolve(config.train.start_from, runs=runs))
    if card.classes.scored_names != class_map.scored_names:
        names = ", ".join(card.classes.scored_names)
        return f"The model to start from knows the classes {names}, not those of the data: choose another one."
    if card.model != without_pretraining(config.model):
        return f"The model to start from is another network ({card.model.architecture} {card.model.arguments})."
    return None
