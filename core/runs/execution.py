"""From settings to a finished run: the one place that puts data, models, losses and the loop together."""

import copy
import datetime
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from core import checkpoint
from core.band_set import BandSet
from core.benchmark.runtimes import can_compile
from core.checkpoint import ModelCard
from core.config import RunConfig
from core.data import open_split, transfer_scenes
from core.data.band_statistics import band_statistics
from core.data.dataset import Dataset
from core.data.scene import Scene, digest
from core.data.splits import Split
from core.data.transforms import ViewSampler
from core.device import autocast_dtype, choose, describe, share_of
from core.errors import ConfigError
from core.evaluate import evaluate
from core.events import Cancelled, CancelledError, Emit, MessageEvent
from core.files import discard
from core.models import count_macs, count_parameters, without_pretraining
from core.models.pretrained import LITE_MEAN, LITE_STD
from core.normalise import Normaliser
from core.runs.checks import bands_read, bands_seen, check, initial_model, require_labels
from core.runs.devices.launcher import gathered
from core.runs.teaching import CACHE, Teaching, load_teacher, teacher_test_score, with_teacher
from core.runs.trial import training_problem
from core.train.compiling import keep_in_float32
from core.train.distributed import Group
from core.train.loop import fit
from core.train.task import Outcome, Task
from core.train.validate import asking

__all__ = ["MEAN", "STD", "check", "execute", "load_teacher"]

MEAN, STD = LITE_MEAN, LITE_STD
"""Every model of ours normalises colours in this one way; other bands as their training pictures are."""
_MOST_PICTURES = 20_000


def execute(
    config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
) -> dict[str, Any]:
    """Train what `config` says; leave student.safetensors and its card in `folder`; give the summary as JSON values.

    A trial of a search reads no test picture: its summary has no test score.

    Raises `CancelledError`, and the errors of whatever cannot be built, or of a device's process that ends.
    """
    config = _with_budget(config.validate(), runs)

    def stop() -> None:
        if cancelled():
            raise CancelledError

    with gathered(config.train.devices, folder / "log.txt", stop=stop) as group:
        if group.size > 1:
            order = {"config": config.to_json(), "folder": str(folder), "runs": str(runs), "resume": resume}
            group.broadcast_text(json.dumps(order))
            emit(MessageEvent(f"{group.size} devices share the run, {config.train.batch_size} images a step on each."))
        return carry_out(config, folder, emit=emit, cancelled=cancelled, runs=runs, resume=resume, group=group)


def carry_out(
    config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool, group: Group
) -> dict[str, Any]:
    """What `execute` does, in each process of `group`. Only the first writes files, and gives a summary."""
    torch.manual_seed(config.train.seed)
    data, split = open_split(config.data)
    require_labels(split, data.dataset.classes)
    for warning in data.warnings:
        emit(MessageEvent(warning, "warning"))
    split = _with_bands(split, bands_read(config, data.dataset, runs))
    task = _task(config, split, data.dataset, emit, runs, group)
    teaching = None
    with ExitStack() as resources:
        if config.distill is not None:
            task, teaching = with_teacher(task, folder, emit, cancelled, runs, resources)
        outcome = fit(task, emit=emit, cancelled=cancelled, folder=folder, resume=resume)
    if not group.leads:
        return {}
    task.model.load_state_dict(outcome.weights)
    if config.trial_of is not None:
        split = replace(split, test=[])
    summary = _summary(config, outcome, teaching, split) | _test_score(task, split, teaching, emit, cancelled)
    described = _card(replace(task, config=config), outcome, summary, split, runs)
    card = checkpoint.save(folder / "student", task.model, described)
    # Last: a run that is stopped before its model is saved would have to fill the cache again.
    for leftover in folder.glob(f"{CACHE}.*"):
        discard(leftover)
    return summary | {"parameters": card.parameters, "macs_256": card.macs_256, "bytes": card.bytes}


def _with_budget(config: RunConfig, runs: Path) -> RunConfig:
    """A control gets the seconds of training that the run it controls for took, its teacher's included.

    Raises `ConfigError` where that run left no student.
    """
    if config.control_of is None or config.train.match_seconds is not None:
        return config
    stem = runs / config.control_of / "student"
    if not stem.with_suffix(".json").is_file():
        raise ConfigError("The run it controls for left no student: retry that run first.")
    card = checkpoint.load_card(stem)
    return replace(config, train=replace(config.train, match_seconds=float(card.training["seconds"])))


def _task(config: RunConfig, split: Split, dataset: Dataset, emit: Emit, runs: Path, group: Group) -> Task:
    class_map = dataset.classes
    device = share_of(choose(config.train.device), rank=group.rank, devices=group.size)
    if device.type == "cuda" and group.size > 1:
        torch.cuda.set_device(device)
    dtype = autocast_dtype(device, config.train.precision)
    emit(MessageEvent(f"{split.note} {len(split.train)} training pictures, on {describe(device)}."))
    fresh = initial_model(config, dataset, runs)
    if wrong := training_problem(copy.deepcopy(fresh), config, outputs=class_map.outputs):
        # Not only when it was queued: a batch that was cut since then may leave one picture at a time.
        raise ConfigError(wrong)
    model = fresh.to(device).to(memory_format=torch.channels_last)
    if device.type == "cpu" and dtype == torch.bfloat16:
        keep_in_float32(model)
    training = _training(config, split.train, emit)
    sampler = ViewSampler(
        scenes=[*training, *_transfer(config, split, emit)],
        crop=config.data.crop,
        scale=config.data.scale,
        colour=config.data.colour,
        ignore_index=class_map.ignore_index,
        seed=config.train.seed,
        mix=config.data.mix,
        paste=config.data.paste,
    )
    return Task(
        config=config,
        model=model,
        sampler=sampler,
        validation=split.val,
        class_map=class_map,
        normaliser=_normaliser(config, bands_seen(config, dataset), training, device, runs),
        dtype=dtype,
        views=max(config.train.images_per_step, config.data.views_per_epoch or sampler.default_views),
        compile=_compiles(config, device, emit),
        group=group,
    )


def _with_bands(split: Split, bands: BandSet) -> Split:
    """The same pictures without the bands that nobody takes."""
    train, val, test = (
        [scene.only(bands.names) for scene in scenes] for scenes in (split.train, split.val, split.test)
    )
    return replace(split, train=train, val=val, test=test)


def _normaliser(
    config: RunConfig, seen: BandSet, training: Sequence[Scene], device: torch.device, runs: Path
) -> Normaliser:
    """What the model's input is made with: as that of the model it starts from, or measured where it is no colours."""
    bands = training[0].bands
    places = bands.places_of(seen)
    if config.train.start_from is not None:
        card = checkpoint.load_card(checkpoint.resolve(config.train.start_from, runs=runs))
        return Normaliser.of_card(card, device, bands)
    mean, std = (MEAN, STD) if seen.is_colours else band_statistics([scene.only(seen.names) for scene in training])
    return Normaliser.of(mean, std, device, bands=bands, places=places)


def _compiles(config: RunConfig, device: torch.device, emit: Emit) -> bool:
    """Whether the models are compiled; where that was asked for and is not done, the log says why."""
    if not config.train.compile:
        return False
    if config.distill is not None and config.distill.uses_features:
        emit(MessageEvent("Losses on features read values inside the models, so these are not compiled."))
        return False
    if config.train.devices > 1:
        emit(MessageEvent("Several devices exchange values inside the model, so it is not compiled."))
        return False
    if not can_compile(device.type):
        emit(MessageEvent("There is no C++ compiler here, so the model is not compiled: it runs as it is."))
        return False
    return True


def _training(config: RunConfig, scenes: Sequence[Scene], emit: Emit) -> list[Scene]:
    """Where only some keep their labels, these are spread evenly among all.

    A run on labels alone leaves pictures without labels out; a teacher and consistency training learn from them.
    """
    alone = config.distill is None and not config.train.consistency
    labelled = [scene for scene in scenes if scene.mask is not None]
    without = [] if alone else [scene for scene in scenes if scene.mask is None]
    few = config.data.labelled
    if few is None or few >= len(labelled):
        return [*labelled, *without]
    kept = {at * len(labelled) // few for at in range(few)}
    emit(MessageEvent(f"{few} of {len(labelled)} training pictures keep their labels."))
    if alone:
        return [labelled[at] for at in sorted(kept)]
    return [*(scene if at in kept else replace(scene, mask=None) for at, scene in enumerate(labelled)), *without]


def _named(folder: str | None) -> str | None:
    """A folder by its name alone: a card is shared, and must not show the paths of this machine."""
    return None if folder is None else Path(folder).name


def _transfer(config: RunConfig, split: Split, emit: Emit) -> list[Scene]:
    """More pictures for the student to learn from its teacher on; a mask beside one is not used."""
    found = transfer_scenes(config.data, split, split.train[0].bands)
    if found.scenes:
        emit(MessageEvent(f"From {_named(config.data.transfer)}: {found}"))
    return found.scenes


def _summary(config: RunConfig, outcome: Outcome, teaching: Teaching | None, split: Split) -> dict[str, Any]:
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
        "val_images": sum(scene.mask is not None for scene in split.val),
    }


def _test_score(
    task: Task, split: Split, teaching: Teaching | None, emit: Emit, cancelled: Cancelled
) -> dict[str, Any]:
    """The mean over the classes on the test pictures, which neither trained the model nor chose its weights.

    With that of the teacher on the same pictures.
    """
    ignored = task.class_map.ignore_index
    scenes = [scene for scene in split.test if (truth := scene.truth) is not None and (truth != ignored).any()]
    if not scenes:
        return {}
    found = evaluate(
        task.model, scenes, task.class_map, normaliser=task.normaliser, progress=asking(cancelled)
    ).scores.miou5
    pictures = "test picture" if len(scenes) == 1 else f"{len(scenes)} test pictures"
    emit(MessageEvent(f"On the {pictures} its mIoU is {100 * found:.1f} %."))
    told = {"test_miou5": found, "test_images": len(scenes)}
    return (
        told
        if teaching is None
        else {**told, "teacher_test_miou5": teacher_test_score(task, teaching, scenes, cancelled)}
    )


def _pictures(task: Task, split: Split, runs: Path) -> dict[str, list[str]]:
    """Digests of the pictures that were used to `train`, to validate (`val`), and kept to `test`, sorted.

    Those that the model it started from learned from, and those without labels, are among the first. Empty where there
    are too many for a card, and where patches of one picture were drawn apart.
    """
    everything = [*task.sampler.scenes, *split.val, *split.test]
    if len(everything) > _MOST_PICTURES or split.rule == "leaky-patches":
        return {}
    used = {"train": task.sampler.scenes, "val": split.val, "test": split.test}
    found = {use: {digest(scene.rgb) for scene in scenes} for use, scenes in used.items()}
    if start := task.config.train.start_from:
        earlier = checkpoint.load_card(checkpoint.resolve(start, runs=runs)).data.get("pictures") or {}
        found["train"] |= set(earlier.get("train", []))
    return {use: sorted(digests) for use, digests in found.items()}


def _labels_used(task: Task) -> int:
    """How many pictures gave the model their labels: none where it learned from a teacher's answers alone."""
    if task.config.distill is not None and task.config.distill.taught_alone:
        return 0
    return sum(scene.mask is not None for scene in task.sampler.scenes)


def _bands_of(task: Task) -> BandSet:
    """The bands that the model takes."""
    given, places = task.normaliser.bands, task.normaliser.places
    return given.only([given.names[at] for at in places]) if places else given


def _card(task: Task, outcome: Outcome, summary: dict[str, Any], split: Split, runs: Path) -> ModelCard:
    config = task.config
    return ModelCard(
        name=config.name or "student",
        model=without_pretraining(config.model),
        classes=task.class_map,
        mean=tuple(task.normaliser.mean.tolist()),
        std=tuple(task.normaliser.std.tolist()),
        bands=_bands_of(task),
        parameters=count_parameters(task.model),
        macs_256=count_macs(task.model),
        data=asdict(config.data)
        | {
            "root": None,
            "opened": None,
            "transfer": _named(config.data.transfer),
            "note": split.note,
            "training_images": len(split.train),
            "labelled_images": _labels_used(task),
            "pictures": _pictures(task, split, runs),
        },
        training=asdict(config.train)
        | {"seconds": summary["train_seconds"], "epochs": outcome.epochs, "best_epoch": outcome.best_epoch},
        distillation=asdict(config.distill) if config.distill else None,
        teacher=config.distill.teacher if config.distill else None,
        seed=config.train.seed,
        metrics={"split": "val", "images": [scene.name for scene in split.val], **outcome.scores},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
