"""What is refused before anything is queued, and what is only warned of: the same for the app and the command line."""

import shutil
from pathlib import Path

import numpy as np
from torch import nn

from core import checkpoint
from core.band_set import BandSet, parse_names
from core.cards import mapping_of
from core.classes import ClassMap
from core.config import DistillConfig, RunConfig
from core.data import open_split, require_classes, transfer_scenes
from core.data.dataset import Dataset
from core.data.datasets import dataset_of
from core.data.splits import Split
from core.device import autocast_dtype, choose, share_of
from core.errors import CheckpointError, ConfigError, DeviceError, ModelError
from core.files import size_text
from core.models import build_model, count_parameters, with_weights, without_pretraining
from core.models.external import KINDS
from core.models.tap import feature_shape
from core.runs.trial import answering_problem, sizes_seen, training_problem
from core.train.view_cache import bytes_needed

_SPARE_BYTES = 500_000_000
_USUAL_VIEWS = 2000


def check(config: RunConfig, *, runs: Path) -> list[str]:
    """Warnings about a run that may start. Reads the data. Raises `ConfigError` with every problem, and `DataError`."""
    warnings = check_settings(config, runs=runs)
    data, split = open_split(config.data)
    require_labels(split, data.dataset.classes)
    problems = _on_pictures(config, split, data.dataset, runs)
    transfer_scenes(config.data, split, bands_read(config, data.dataset, runs))
    if problems:
        raise ConfigError(problems)
    return [*warnings, *_data_warnings([*data.warnings, *_narrow(config, data.dataset)], split)]


def require_labels(split: Split, class_map: ClassMap) -> None:
    """Raises `ConfigError` where nothing could be learnt, or no score be worked out."""
    for purpose, scenes in (("training", split.train), ("validation", split.val)):
        masks = (np.asarray(scene.mask) for scene in scenes if scene.mask is not None)
        if not any((mask != class_map.ignore_index).any() for mask in masks):
            raise ConfigError(
                f"The {purpose} pictures hold no labelled pixel: check their masks, or choose another split."
            )


def check_settings(config: RunConfig, *, runs: Path) -> list[str]:
    """Everything that can be known without reading the pictures: warnings, or `ConfigError` with every problem."""
    problems = config.problems()
    warnings: list[str] = []
    if not problems:
        dataset = dataset_of(config.data)
        problems += [problem for found in (_device(config), _disk(config, runs)) for problem in found]
        problems += _teacher(config, runs, dataset, warnings)
    if problems:
        # One that keeps the disk from being estimated is met again beside the teacher.
        raise ConfigError(list(dict.fromkeys(problems)))
    return warnings


def _narrow(config: RunConfig, dataset: Dataset) -> list[str]:
    """A warning where a view is wider than what lies between the parts of one picture."""
    margin, crop = dataset.margin, config.data.crop
    if margin is None or crop <= margin:
        return []
    return [
        f"Training and validation lie {margin} pixels apart in one picture, less than the crop of {crop}: scores may "
        f"be a little too high. Choose a smaller crop, or import it with a margin of {crop}."
    ]


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
            card = checkpoint.load_card(checkpoint.resolve(config.distill.teacher, runs=runs))
            outputs = len(card.model.arguments.get("classes", card.classes.scored_names))
            features = _stored_features(config, config.distill, runs)
        except CheckpointError:
            return []  # Reported once, where the teacher is checked.
        except ModelError as error:
            return [str(error)]
        needed += bytes_needed(
            # Pictures take about as much as an epoch of the views that fit them side by side.
            epochs=config.distill.cache_views or 1,
            views=views,
            outputs=outputs,
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
    if card.model.architecture in KINDS:
        teacher = checkpoint.own_answers(_load(distill.teacher, runs))
    else:
        teacher = build_model(without_pretraining(card.model), outputs=card.classes.outputs, inputs=card.inputs)
    return feature_shape(teacher, distill.teacher_layer, size=config.data.crop)


def _teacher(config: RunConfig, runs: Path, dataset: Dataset, warnings: list[str]) -> list[str]:
    """Problems with the teacher and the student beside it; a student that saves nothing is a warning."""
    class_map = dataset.classes
    try:
        bands_read(config, dataset, runs)
        if wrong := _start(config, runs, bands_seen(config, dataset)):
            return [wrong]
        model = initial_model(config, dataset, runs)
        student = count_parameters(model)
        if wrong := training_problem(model, config, outputs=class_map.outputs):
            return [wrong]
        if config.distill is None:
            return []
        teacher, card = (loaded := _load(config.distill.teacher, runs)).model, loaded.card
        if config.distill.uses_features:
            feature_shape(model, config.distill.student_layer, size=config.data.crop)
            feature_shape(checkpoint.own_answers(loaded), config.distill.teacher_layer, size=config.data.crop)
        sides = [(config.data.crop, config.data.crop)]
        if wrong := answering_problem(teacher, sides, outputs=card.classes.outputs, whose="The teacher"):
            return [wrong]
    except ConfigError as error:
        return list(error.problems)
    except (ModelError, CheckpointError) as error:
        return [str(error)]
    try:
        mapping = mapping_of(card, class_map.scored_names, config.distill.map_classes)
    except ConfigError as error:
        return list(error.problems)
    if mapping.changes:
        warnings.append(mapping.told(taught_alone=config.distill.taught_alone))
    if student >= card.parameters:
        warnings.append(
            f"The student ({student:,} parameters) is not smaller than its teacher ({card.parameters:,}): nothing is "
            "saved. Choose a smaller size."
        )
    return []


def initial_model(config: RunConfig, dataset: Dataset, runs: Path) -> nn.Module:
    """What a run begins with: a fresh model, or one with the weights that `start_from` names.

    Where these know other classes, or are a starting point, the last layer is fresh. Raises `ModelError`, and
    `CheckpointError` where there are no such weights, `ConfigError` where the dataset has no class. `check_settings`
    has seen that they are of this model.
    """
    require_classes(dataset)
    outputs, inputs = dataset.classes.outputs, len(bands_seen(config, dataset))
    if config.train.start_from is None:
        return build_model(config.model, outputs=outputs, inputs=inputs)
    found = checkpoint.load(checkpoint.resolve(config.train.start_from, runs=runs), to_begin=True)
    if found.card.classes.scored_names == dataset.classes.scored_names and not found.card.starting_point:
        return found.model.train()
    return with_weights(
        build_model(without_pretraining(config.model), outputs=outputs, inputs=inputs), found.model
    ).train()


def bands_seen(config: RunConfig, dataset: Dataset) -> BandSet:
    """The bands that the model of a run sees: those that its settings name, or all. Raises `ConfigError`."""
    names = parse_names(config.data.bands)
    return dataset.band_set.only(names) if names else dataset.band_set


def bands_read(config: RunConfig, dataset: Dataset, runs: Path) -> BandSet:
    """The bands of the pictures that a run needs: those of its model, and of its teacher.

    Raises:
        ConfigError: The pictures lack a band that one of them takes, or have another depth.
        CheckpointError: There is no such teacher.
    """
    needed = list(bands_seen(config, dataset).names)
    if config.distill is not None:
        card = checkpoint.load_card(checkpoint.resolve(config.distill.teacher, runs=runs))
        dataset.band_set.places_of(card.bands, whose="The teacher")
        needed += [name for name in card.bands.names if name not in needed]
    every = dataset.band_set
    return every if set(needed) == set(every.names) else every.only(needed)


def _load(name: str, runs: Path) -> checkpoint.Loaded:
    return checkpoint.load(checkpoint.resolve(name, runs=runs))


def _on_pictures(config: RunConfig, split: Split, dataset: Dataset, runs: Path) -> list[str]:
    """Whether student and teacher can answer the validation pictures, in the sizes in which these come to them."""
    sizes = sizes_seen(split.val)
    models = [("This network", initial_model(config, dataset, runs), dataset.classes.outputs)]
    if config.distill is not None:
        teacher = _load(config.distill.teacher, runs)
        models.append(("The teacher", teacher.model, teacher.card.classes.outputs))
    found = [answering_problem(model, sizes, outputs=outputs, whose=whose) for whose, model, outputs in models]
    return [problem for problem in found if problem]


def _start(config: RunConfig, runs: Path, bands: BandSet) -> str | None:
    """Why this model cannot begin with the weights it should start from. Raises `CheckpointError`."""
    if config.train.start_from is None:
        return None
    card = checkpoint.load_card(checkpoint.resolve(config.train.start_from, runs=runs))
    if card.model != without_pretraining(config.model):
        settings = ", ".join(f"{name} {value}" for name, value in sorted(card.model.arguments.items()))
        return (
            f"The model to start from is another network ({card.model.architecture}, {settings}): train one of its "
            "size, or start from another."
        )
    if (card.bands.names, card.bands.depth) != (bands.names, bands.depth):
        return f"The model to start from sees {card.bands} ({card.bands.depth}), not {bands} ({bands.depth})."
    return None
