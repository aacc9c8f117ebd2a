"""The teacher's part in a run: who it is, what it scores, and how its answers reach the student."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from core import checkpoint
from core.cards import mapping_of
from core.checkpoint import Loaded
from core.class_mapping import ClassMapping
from core.config import RunConfig
from core.data.datasets import dataset_of
from core.data.scene import Scene, digest
from core.evaluate import Report, evaluate
from core.events import Cancelled, CancelledError, Emit, Event, MessageEvent, TeacherEvent
from core.losses import catalogue
from core.losses.features import FeatureTerms
from core.models.committee import Committee
from core.models.external import running_note, seen_at_its_resolution
from core.models.mapped import MappedModel
from core.models.tap import Tap, channels, feature_shape
from core.normalise import Normaliser
from core.runs import trial_shares
from core.runs.store.run_files import atomic_write
from core.train import picture_cache, view_cache
from core.train.batches import Batch
from core.train.mapped_teacher import MappedOutputs
from core.train.picture_cache import PictureCache
from core.train.schedule import clock_of
from core.train.step import FrozenTeacher, TeacherOutput
from core.train.task import Task
from core.train.validate import asking
from core.train.view_cache import ViewCache

CACHE = "teacher_cache"


@dataclass(frozen=True)
class Teaching:
    """The teacher's part in a run: its score on the same validation pictures, and the seconds its cache took.

    `model` answers in the classes of the data, at its resolution.
    """

    loaded: Loaded
    model: nn.Module
    miou5: float
    cache_seconds: float = 0.0


def with_teacher(
    task: Task, folder: Path, emit: Emit, cancelled: Cancelled, runs: Path, resources: ExitStack
) -> tuple[Task, Teaching]:
    """The task with a source of teacher logits: its cache, or the teacher itself at every step."""
    distill = task.config.distill
    assert distill is not None
    loaded = load_teacher(distill.teacher, task.normaliser.device, runs)
    mapping = mapping_of(loaded.card, task.class_map.scored_names, distill.map_classes)
    if mapping.changes:
        emit(MessageEvent(mapping.told(taught_alone=distill.taught_alone)))
    metres = dataset_of(task.config.data).metres_per_pixel
    model, said = seen_at_its_resolution(checkpoint.own_answers(loaded), loaded.card, metres)
    for sentence in filter(None, (said, running_note(model))):
        emit(MessageEvent(sentence))
    tap = Tap(checkpoint.own_answers(loaded), distill.teacher_layer) if distill.uses_features else None
    teacher = _frozen(task, model, loaded, tap)
    answers = MappedModel(model, mapping) if mapping.changes else model
    kept = _kept_score(task, teacher, loaded, mapping, runs)
    teaching = Teaching(loaded, answers, _teacher_score(task, answers, loaded, kept, emit, cancelled))
    if tap is not None:
        task = _with_features(task, loaded)
    if not distill.cache_views and not distill.cache_pictures:
        resources.enter_context(tap or nullcontext())
        live = _mapped(lambda batch: teacher.output(batch.images), mapping)
        return replace(task, teacher_outputs=live), teaching
    if isinstance(model, Committee) and model.weigh:
        emit(MessageEvent("Stored outputs do not tell how much the committee agrees: every pixel counts alike."))
    with tap or nullcontext():
        cache = _cache(task, teacher, len(mapping.teacher), folder, runs, emit, cancelled)
    if cache is None:
        raise CancelledError
    view_epochs = cache.epochs if isinstance(cache, ViewCache) else None
    task = replace(
        task,
        config=_less(task.config, cache.seconds),
        teacher_outputs=_mapped(cache.output, mapping),
        view_epochs=view_epochs,
    )
    return task, replace(teaching, cache_seconds=cache.seconds)


def _frozen(task: Task, model: nn.Module, loaded: Loaded, tap: Tap | None) -> FrozenTeacher:
    distill, card = task.config.distill, loaded.card
    assert distill is not None
    return FrozenTeacher(
        model,
        Normaliser.of_card(card, task.normaliser.device, task.normaliser.bands),
        task.dtype,
        forward=torch.compile(model) if task.compile else model,
        tap=tap,
        average_flips=distill.average_flips,
    )


def _mapped(source: Callable[[Batch], TeacherOutput], mapping: ClassMapping) -> Callable[[Batch], TeacherOutput]:
    return MappedOutputs(source, mapping) if mapping.changes else source


def _less(config: RunConfig, seconds: float) -> RunConfig:
    """What is left of a budget of seconds after these; a second at least."""
    budget = config.train.match_seconds
    if budget is None:
        return config
    return replace(config, train=replace(config.train, match_seconds=max(1.0, budget - seconds)))


def _teacher_score(
    task: Task, model: nn.Module, loaded: Loaded, kept: Path | None, emit: Emit, cancelled: Cancelled
) -> float:
    """The teacher's mIoU-5 on the pictures that the student is validated on; the first device computes it for all.

    `kept` is the file that holds it for all trials of a search: the first that is without it writes it.
    """
    if not task.group.leads:
        return 0.0
    found = json.loads(kept.read_text(encoding="utf-8")) if kept is not None and kept.is_file() else None
    if found is None:
        scores = _evaluated(task, model, loaded, task.validation, cancelled).scores
        found = {"miou5": scores.miou5, "accuracy": scores.accuracy}
        if kept is not None:
            atomic_write(kept, json.dumps(found).encode())
    emit(TeacherEvent(loaded.card.name, found["miou5"], found["accuracy"]))
    return float(found["miou5"])


def _kept_score(task: Task, teacher: FrozenTeacher, loaded: Loaded, mapping: ClassMapping, runs: Path) -> Path | None:
    """Where a trial finds the teacher's score, or leaves it for the others; None for a run that is no trial."""
    search = trial_shares.search_folder(task.config, runs)
    if search is None or not task.group.leads:
        return None
    known = [(scene.image, scene.mask) for scene in task.validation if scene.mask is not None]
    metres = dataset_of(task.config.data).metres_per_pixel
    decides = [
        _fingerprint(teacher),
        loaded.card.to_json(),
        repr((mapping, task.class_map, task.normaliser.bands, metres)),
        f"{task.normaliser.device.type} {torch.__version__}",
        *(digest(part) for pair in known for part in pair),
    ]
    return trial_shares.score_file(search, decides)


def teacher_test_score(task: Task, teaching: Teaching, scenes: Sequence[Scene], cancelled: Cancelled) -> float:
    """The teacher's mIoU on the labelled test pictures of a run, as its student is scored on them."""
    return _evaluated(task, teaching.model, teaching.loaded, scenes, cancelled).scores.miou5


def _evaluated(task: Task, model: nn.Module, loaded: Loaded, scenes: Sequence[Scene], cancelled: Cancelled) -> Report:
    return evaluate(
        model,
        scenes,
        task.class_map,
        normaliser=Normaliser.of_card(loaded.card, task.normaliser.device, task.normaliser.bands),
        progress=asking(cancelled),
    )


def _with_features(task: Task, loaded: Loaded) -> Task:
    """The task with its losses on features, as wide as the two modules that they compare."""
    distill = task.config.distill
    assert distill is not None
    features = FeatureTerms(
        [name for name in distill.losses if name in catalogue.names("features")],
        student_channels=channels(task.model, distill.student_layer),
        teacher_channels=channels(checkpoint.own_answers(loaded), distill.teacher_layer),
    )
    return replace(task, features=features.to(task.normaliser.device), layer=distill.student_layer)


def load_teacher(name: str, device: torch.device, runs: Path) -> Loaded:
    """A teacher by name. Raises `CheckpointError`."""
    return checkpoint.load(checkpoint.resolve(name, runs=runs), device=device)


def _cache(
    task: Task, teacher: FrozenTeacher, outputs: int, folder: Path, runs: Path, emit: Emit, cancelled: Cancelled
) -> ViewCache | PictureCache | None:
    """The teacher's answers to whole pictures or to views, in files of the run; a trial shares them with others."""
    config = task.config
    assert config.distill is not None
    build = _picture_cache if config.distill.cache_pictures else _view_cache
    search = trial_shares.search_folder(config, runs)
    if search is None or task.group.size > 1 or not trial_shares.sharing_works():
        return build(task, teacher, outputs, folder, emit, cancelled)
    stored: tuple[object, ...] = ("pictures", outputs, config.distill.cache_form)
    if not config.distill.cache_pictures:
        layer = teacher.tap.layer if teacher.tap else None
        stored = ("views", *stored[1:], task.views, config.distill.cache_views, layer)
        stored += (config.train.seed, config.train.images_per_step)
    identity = json.dumps(_identity(teacher, config), sort_keys=True)
    pictures = (digest(scene.image) for scene in task.sampler.scenes)
    shared = trial_shares.SharedAnswers(search, [repr(stored), identity, *pictures])
    if shared.ready:
        emit(MessageEvent("The teacher's outputs are those that an earlier trial of this search stored."))
        return build(task, teacher, outputs, shared.folder(), _quietly, cancelled)
    cache = None
    try:
        cache = build(task, teacher, outputs, shared.folder(), emit, cancelled)
    finally:
        (shared.drop if cache is None else shared.put_into_place)()
    return cache


def _quietly(_event: Event) -> None:
    """What was told when it was made is not told again."""


def _picture_cache(
    task: Task, teacher: FrozenTeacher, outputs: int, folder: Path, emit: Emit, cancelled: Cancelled
) -> PictureCache | None:
    config = task.config
    assert config.distill is not None
    form = config.distill.cache_form
    size = picture_cache.bytes_needed(task.sampler.scenes, outputs=outputs, form=form)
    emit(MessageEvent(f"The teacher's outputs for whole pictures will take {_in_words(size)} of disk for this run."))
    return picture_cache.build(
        folder / f"{CACHE}.logits",
        teacher=teacher,
        sampler=task.sampler,
        batch_size=config.train.images_per_step,
        outputs=outputs,
        form=form,
        identity=_identity(teacher, config),
        emit=emit,
        cancelled=cancelled,
        group=task.group,
        clock=clock_of(config.train),
    )


def _view_cache(
    task: Task, teacher: FrozenTeacher, outputs: int, folder: Path, emit: Emit, cancelled: Cancelled
) -> ViewCache | None:
    config, tap = task.config, teacher.tap
    assert config.distill is not None
    shape = feature_shape(teacher.model, tap.layer, size=config.data.crop) if tap else None
    size = view_cache.bytes_needed(
        epochs=config.distill.cache_views,
        views=task.views,
        outputs=outputs,
        crop=config.data.crop,
        form=config.distill.cache_form,
        features=shape,
    )
    what = f"The teacher's outputs, with its features at {tap.layer}," if tap else "The teacher's outputs"
    emit(MessageEvent(f"{what} will take {_in_words(size)} of disk while the run lasts."))
    return view_cache.build(
        folder / f"{CACHE}.logits",
        teacher=teacher,
        sampler=task.sampler,
        epochs=config.distill.cache_views,
        views=task.views,
        batch_size=config.train.images_per_step,
        outputs=outputs,
        form=config.distill.cache_form,
        identity=_identity(teacher, config)
        | {
            "layer": tap.layer if tap else None,
            "seed": config.train.seed,
            "batch_size": config.train.images_per_step,
        },
        emit=emit,
        cancelled=cancelled,
        features=shape,
        group=task.group,
        clock=clock_of(config.train),
    )


def _identity(teacher: FrozenTeacher, config: RunConfig) -> dict[str, object]:
    """What the teacher's stored outputs depend on, whatever they are to."""
    averaged = teacher.average_flips
    return {"teacher": _fingerprint(teacher), "data": asdict(config.data), "average_flips": averaged}


def _in_words(size: int) -> str:
    """`2.1 GB`; below 0.1 GB `48 MB`, and 1 MB at least."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{max(1, round(size / 1e6))} MB"


def _fingerprint(teacher: FrozenTeacher) -> str:
    """Of its weights and its normalisation: trained again under the same name it is another teacher."""
    tensors = [*teacher.model.state_dict().values(), teacher.normaliser.mean, teacher.normaliser.std]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
