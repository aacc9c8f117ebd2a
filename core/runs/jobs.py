"""From settings to a finished run: the one place that puts data, models, losses and the loop together."""

import datetime
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core import checkpoint
from core.checkpoint import Loaded, ModelCard
from core.classes import ClassMap
from core.config import RunConfig
from core.data import open_split
from core.data.splits import Split
from core.data.transforms import ViewSampler
from core.device import autocast_dtype, choose, describe
from core.errors import ConfigError
from core.evaluate import evaluate
from core.models import build_model, can_compile, count_macs, count_parameters, without_pretraining
from core.models.pretrained import LITE_MEAN, LITE_STD
from core.runs.checks import check
from core.train import teacher_cache
from core.train.depthwise import keep_in_single
from core.train.events import Cancelled, Emit, MessageEvent, TeacherEvent
from core.train.loop import Outcome, RunCancelledError, Task, fit
from core.train.step import FrozenTeacher, Normaliser
from core.train.validate import asking

_CACHE = "teacher_cache"
__all__ = ["MEAN", "STD", "check", "execute", "load_teacher"]

MEAN, STD = LITE_MEAN, LITE_STD
"""Every model of ours normalises its input in this one way."""


@dataclass(frozen=True)
class _Teaching:
    """The teacher's part in a run: its score on the same validation pictures, and the seconds its cache took."""

    loaded: Loaded
    miou5: float
    cache_seconds: float = 0.0


def execute(
    config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
) -> dict[str, Any]:
    """Train what `config` says; leave student.safetensors and its card in `folder`; give the summary as JSON values.

    Raises `RunCancelledError`, and the errors of whatever cannot be built.
    """
    config = _with_budget(config.validate(), runs)
    torch.manual_seed(config.train.seed)
    dataset, split = open_split(config.data)
    _require_labels(split, dataset.class_map)
    for warning in dataset.warnings:
        emit(MessageEvent(warning, "warning"))
    task = _task(config, split, dataset.class_map, emit, runs)
    teaching = None
    if config.distill is not None:
        task, teaching = _with_teacher(task, folder, emit, cancelled, runs)
    outcome = fit(task, emit=emit, cancelled=cancelled, folder=folder, resume=resume)
    task.model.load_state_dict(outcome.weights)
    summary = _summary(config, outcome, teaching, split)
    card = checkpoint.save(folder / "student", task.model, _card(task, outcome, summary, split))
    # Last: a run that is stopped before its model is saved would have to fill the cache again.
    for leftover in folder.glob(f"{_CACHE}.*"):
        leftover.unlink()
    return summary | {"parameters": card.parameters, "macs_256": card.macs_256, "bytes": card.bytes}


def _with_budget(config: RunConfig, runs: Path) -> RunConfig:
    """A control gets the seconds of training that the run it controls for took, its teacher's included."""
    if config.control_of is None or config.train.match_seconds is not None:
        return config
    card = checkpoint.load_card(runs / config.control_of / "student")
    return replace(config, train=replace(config.train, match_seconds=float(card.training["seconds"])))


def _require_labels(split: Split, class_map: ClassMap) -> None:
    for purpose, scenes in (("training", split.train), ("validation", split.val)):
        if not any((scene.mask != class_map.ignore_index).any() for scene in scenes if scene.mask is not None):
            raise ConfigError(
                f"The {purpose} pictures hold no labelled pixel: check their masks, or choose another split."
            )


def _task(config: RunConfig, split: Split, class_map: ClassMap, emit: Emit, runs: Path) -> Task:
    device = choose(config.train.device)
    dtype = autocast_dtype(device, config.train.precision)
    emit(MessageEvent(f"{split.note} {len(split.train)} training pictures, on {describe(device)}."))
    model = _initial_model(config, class_map, runs).to(device).to(memory_format=torch.channels_last)
    if device.type == "cpu" and dtype == torch.bfloat16:
        keep_in_single(model)
    sampler = ViewSampler(
        scenes=split.train,
        crop=config.data.crop,
        scale=config.data.scale,
        colour=config.data.colour,
        ignore_index=class_map.ignore_index,
        seed=config.train.seed,
    )
    compiled = config.train.compile and can_compile(device)
    if config.train.compile and not compiled:
        emit(MessageEvent("There is no C++ compiler here, so the model is not translated: it runs as it is."))
    return Task(
        config=config,
        model=model,
        sampler=sampler,
        validation=split.val,
        class_map=class_map,
        normaliser=Normaliser.of(MEAN, STD, device),
        dtype=dtype,
        views=max(config.train.batch_size, config.data.views_per_epoch or sampler.default_views),
        compile=compiled,
    )


def _initial_model(config: RunConfig, class_map: ClassMap, runs: Path) -> nn.Module:
    """Fresh, or with the weights that `start_from` names: `checks.check` has seen that they are of this model."""
    if config.train.start_from is None:
        return build_model(config.model, outputs=class_map.outputs)
    return checkpoint.load(checkpoint.resolve(config.train.start_from, runs=runs)).model.train()


def _with_teacher(task: Task, folder: Path, emit: Emit, cancelled: Cancelled, runs: Path) -> tuple[Task, _Teaching]:
    """The task with a source of teacher logits: its cache, or the teacher itself at every step."""
    distill = task.config.distill
    assert distill is not None
    loaded = load_teacher(distill.teacher, task.class_map, task.normaliser.device, runs)
    card = loaded.card
    normaliser = Normaliser.of(card.mean, card.std, task.normaliser.device)
    forward = torch.compile(loaded.model) if task.compile else loaded.model
    teacher = FrozenTeacher(loaded.model, normaliser, task.dtype, forward=forward)
    report = evaluate(
        loaded.model,
        task.validation,
        task.class_map,
        mean=card.mean,
        std=card.std,
        device=normaliser.device,
        progress=asking(cancelled),
    )
    emit(TeacherEvent(card.name, report.scores.miou5, report.scores.accuracy))
    if not distill.cache_views:
        return replace(task, teacher_logits=lambda batch: teacher.logits(batch.images)), _Teaching(
            loaded, report.scores.miou5
        )
    cache = _cache(task, teacher, folder, emit, cancelled)
    if cache is None:
        raise RunCancelledError
    return replace(task, teacher_logits=cache.logits, view_epochs=cache.epochs), _Teaching(
        loaded, report.scores.miou5, cache.seconds
    )


def load_teacher(name: str, class_map: ClassMap, device: torch.device, runs: Path) -> Loaded:
    """A teacher by name. Raises `ConfigError` when its classes are not those of the data."""
    loaded = checkpoint.load(checkpoint.resolve(name, runs=runs), device=device)
    if loaded.card.classes.scored_names != class_map.scored_names:
        raise ConfigError(
            f"The teacher {name} knows the classes {', '.join(loaded.card.classes.scored_names)}; the data has "
            f"{', '.join(class_map.scored_names)}. Choose a teacher of the same classes."
        )
    return loaded


def _cache(
    task: Task, teacher: FrozenTeacher, folder: Path, emit: Emit, cancelled: Cancelled
) -> teacher_cache.TeacherCache | None:
    config = task.config
    assert config.distill is not None
    size = teacher_cache.bytes_needed(
        epochs=config.distill.cache_views,
        views=task.views,
        outputs=task.class_map.outputs,
        crop=config.data.crop,
        form=config.distill.cache_form,
    )
    emit(MessageEvent(f"The teacher's answers will take {size / 1e9:.1f} GB of disk while the run lasts."))
    return teacher_cache.build(
        folder / f"{_CACHE}.logits",
        teacher=teacher,
        sampler=task.sampler,
        epochs=config.distill.cache_views,
        views=task.views,
        batch_size=config.train.batch_size,
        outputs=task.class_map.outputs,
        form=config.distill.cache_form,
        identity={
            "teacher": _fingerprint(teacher),
            "data": asdict(config.data),
            "seed": config.train.seed,
            "batch_size": config.train.batch_size,
        },
        emit=emit,
        cancelled=cancelled,
    )


def _fingerprint(teacher: FrozenTeacher) -> str:
    """Of its weights and its normalisation: trained again under the same name it is another teacher."""
    tensors = [*teacher.model.state_dict().values(), teacher.normaliser.mean, teacher.normaliser.std]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _summary(config: RunConfig, outcome: Outcome, teaching: _Teaching | None, split: Split) -> dict[str, Any]:
    cache_seconds = teaching.cache_seconds if teaching else 0.0
    return {
        "best_miou5": outcome.best_miou5,
        "best_epoch": outcome.best_epoch,
        "epochs": outcome.epochs,
        "scores": outcome.scores,
        "train_seconds": outcome.seconds + cache_seconds,
        "cache_seconds": cache_seconds,
        "collapsed": outcome.collapsed,
        "teacher": config.distill.teacher if config.distill else None,
        "teacher_miou5": teaching.miou5 if teaching else None,
        "control_of": config.control_of,
        "split": split.rule,
        "leaks": split.leaks,
    }


def _card(task: Task, outcome: Outcome, summary: dict[str, Any], split: Split) -> ModelCard:
    config = task.config
    return ModelCard(
        name=config.name or "student",
        model=without_pretraining(config.model),
        classes=task.class_map,
        mean=MEAN,
        std=STD,
        parameters=count_parameters(task.model),
        macs_256=count_macs(task.model),
        data=asdict(config.data) | {"root": None, "note": split.note, "training_images": len(split.train)},
        training=asdict(config.train)
        | {"seconds": summary["train_seconds"], "epochs": outcome.epochs, "best_epoch": outcome.best_epoch},
        distillation=asdict(config.distill) if config.distill else None,
        teacher=config.distill.teacher if config.distill else None,
        seed=config.train.seed,
        metrics={"split": "val", "images": [scene.name for scene in split.val], **outcome.scores},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
