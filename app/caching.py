"""The only place with st.cache_*: what is kept, under which key, and how much of it.

Pictures are keyed on SHA-256 of their bytes, never on the array (Streamlit hashes large arrays by a sample), and models
on an identity that changes with their weights. What comes of an upload is kept for its session only.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.services import (
    access,
    artifacts,
    benchmarks,
    datasets,
    estimates,
    exports,
    galleries,
    inference,
    kept_estimates,
    launch,
    map_views,
    overlays,
    own_datasets,
    picture_collections,
    picture_use,
    scene_figures,
    search_charts,
    searches,
    softening,
    speeds,
    workers,
)
from app.services.access import Person
from app.services.artifacts import Model
from app.services.datasets import Picture
from app.services.searches import Standing
from app.streamlit_private import is_drawing
from app.visitor import hold_pixels, owner, person
from core.band_set import BandSet
from core.config import ModelConfig

Mask = NDArray[np.uint8]
_T = TypeVar("_T")

_KEYS: dict[str | type, Any] = {Model: lambda model: model.identity, Picture: lambda picture: picture.sha256}


@st.cache_data(max_entries=16, show_spinner=False)
def scene(name: str) -> Picture:
    """A shipped scene with its mask."""
    return datasets.load_scene(name)


def of_collection(collection: str, name: str, folder: str) -> Picture:
    """A picture of a dataset or a folder; read again after ten minutes, because a folder may have changed.

    One of a private dataset is kept for the session of its owner alone.
    """
    if own_datasets.is_private(collection):
        return _of_own(collection, name, owner() if is_drawing() else None)
    return _of_all(collection, name, folder)


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def _of_all(collection: str, name: str, folder: str) -> Picture:
    return picture_collections.open_picture(collection, name, folder)


@st.cache_data(max_entries=16, ttl=600, scope="session", show_spinner=False)
def _of_own(collection: str, name: str, owned_by: str | None) -> Picture:
    return picture_collections.open_picture(collection, name, "", owned_by)


def forget_datasets() -> None:
    """Drop what is kept of datasets: one was saved, or another took its name."""
    for kept in (_of_all, _of_own, split_summary):
        kept.clear()


@st.cache_data(max_entries=2, scope="session", show_spinner=False)
def upload(name: str, data: bytes, seen: tuple[BandSet, ...] = ()) -> Picture:
    """A visitor's picture in the bands that each of some models sees, decoded; gone with the session."""
    picture = datasets.read_upload(name, data, seen)
    hold_pixels(picture.held_pixels / 1e6)
    return picture


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def loaded(model: Model) -> Any:
    """A model ready to run; eight at most stay in memory."""
    return inference.load(model.name)


@st.cache_data(max_entries=64, ttl=60, show_spinner=False, hash_funcs=_KEYS)
def kept_speeds(models: tuple[Model, ...]) -> dict[str, dict[str, speeds.Speed]]:
    """The kept figures by model and runtime, as they are; looked up again after a minute."""
    return {model.name: speeds.kept(model) for model in models}


def kept_results(models: dict[str, Model]) -> list[benchmarks.Result]:
    """What pages show of all shipped models, as a result of a benchmark; none where nothing was measured."""
    shown = [model for model in models.values() if not model.from_run and not model.brought]
    shown.sort(key=lambda model: model.name != artifacts.USUAL_TEACHER)
    found = kept_speeds(tuple(shown))
    made = speeds.kept_result([(model, found[model.name]) for model in shown]) if shown else None
    return [] if made is None else [made]


def measured_speeds(models: tuple[Model, ...], runtimes: tuple[str, ...] = (speeds.USUAL,)) -> dict[str, speeds.Speed]:
    """The kept figure of each model in the first of `runtimes`; what is missing is measured now, which takes seconds.

    Raises `BenchmarkError` and `RunStateError`.
    """
    if speeds_due(models, runtimes):
        _count("comparisons", len(models))
        speeds.measure(models, runtimes, training=workers.training())
        kept_speeds.clear()
    found = kept_speeds(models)
    return {model.name: found[model.name][runtimes[0]] for model in models if runtimes[0] in found[model.name]}


def speeds_due(models: tuple[Model, ...], runtimes: tuple[str, ...] = (speeds.USUAL,)) -> bool:
    """Whether `measured_speeds` would measure now; until then all of them are kept."""
    return speeds.due(models, runtimes, found=kept_speeds(models), training=workers.training)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=_KEYS)
def drawn_split(model: Model) -> dict[str, str]:
    """Use by name of picture, for cards that do not list their pictures."""
    return picture_use.drawn_split(model)


def use_of(picture: Picture, model: Model) -> picture_use.Use:
    """What a picture was for a model: training, validation, test, or none of its data."""
    return picture_use.use_of(picture, model, drawn=drawn_split(model))


def test_scenes(*, teacher: Model, student: Model) -> list[Picture]:
    """The shipped scenes that the student never saw, and the teacher neither where there are such."""
    if teacher.classes != datasets.shipped_classes():
        return []
    unseen = [one for one in map(scene, datasets.scene_names()) if picture_use.is_test(use_of(one, student))]
    by_both = [one for one in unseen if use_of(one, teacher) != "train"]
    return by_both or unseen


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=_KEYS)
def pair_figures(*, teacher: Model, student: Model) -> scene_figures.PairFigures | None:
    """How the two do on the scenes that they never saw, and which of these is typical; None where there are none."""
    pictures = test_scenes(teacher=teacher, student=student)
    if not pictures:
        return None
    found = scene_figures.measured(
        pictures, teacher=teacher, student=student, masks=lambda one: (mask(one, teacher), mask(one, student))
    )
    return scene_figures.summary(found, student)


def _kept(work: Callable[..., _T], *, entries: int) -> Callable[..., _T]:
    """Keep what comes of a picture: for everybody when it is shipped, for the session when somebody uploaded it."""
    options: dict[str, Any] = {"show_spinner": False, "hash_funcs": _KEYS}
    for_all = st.cache_data(max_entries=entries, **options)(work)
    for_one = st.cache_data(max_entries=entries // 4, scope="session", **options)(work)

    def recall(picture: Picture, *rest: Any) -> _T:
        return (for_one if picture.private else for_all)(picture, *rest)

    return recall


@st.cache_data(max_entries=4, scope="session", show_spinner=False)
def map_overview(photo: Path, mask: Path) -> map_views.View:
    """A visitor's own picture and its mask, made small; gone with the session."""
    return map_views.overview(photo, mask)


@st.cache_data(max_entries=4, scope="session", show_spinner=False)
def map_detail(
    source: Path, mask: Path, part: map_views.Part, bands: tuple[int, ...] | None, model: str
) -> map_views.View:
    """A part of it in its own pixels; gone with the session."""
    return map_views.detail(source, mask, part, bands=bands, model=model)


def forget_maps() -> None:
    """Drop what the session keeps of the visitor's own pictures."""
    map_overview.clear()
    map_detail.clear()


def _count(what: str, count: int = 1) -> None:
    """Against the hour of the visitor; where a cache has the answer, nothing is counted. Raises `RunStateError`."""
    if is_drawing():
        access.RATES.take(person(), what, getattr(access.read_access(), f"{what}_an_hour"), count)


def _planes(picture: Picture, model: Model) -> overlays.Encoded:
    _count("comparisons")
    return overlays.encode(inference.predict_planes(loaded(model), picture.image, **picture.own_bands))


def mask(picture: Picture, model: Model) -> Mask:
    """What the model makes of the picture, class indices (H, W)."""
    return overlays.mask_of(planes(picture, model))


def _quality(picture: Picture, model: Model, teacher: Model) -> inference.Quality:
    reference = None if model.identity == teacher.identity else mask(picture, teacher)
    found = inference.quality(
        mask(picture, model),
        reference=reference,
        truth=picture.mask,
        classes=model.classes,
        ignore_index=model.ignore_index,
    )
    return replace(found, learned=use_of(picture, model) == "train")


def _payload(picture: Picture, models: tuple[Model, ...]) -> overlays.Packed:
    teacher = models[0]
    shown = [(model.title, planes(picture, model), quality(picture, model, teacher)) for model in models]
    panels = overlays.panels(truth=picture.mask, shown=shown)
    return overlays.pack(
        picture.image, panels, classes=teacher.classes, ignore_index=teacher.ignore_index, ground=picture.ground
    )


def _verdict(picture: Picture, pair: tuple[Model, Model]) -> galleries.PairScores:
    teacher, student = pair
    return galleries.judge(
        picture,
        teacher=planes(picture, teacher),
        student=planes(picture, student),
        classes=teacher.classes,
        ignore_index=teacher.ignore_index,
    )


def _logits(picture: Picture, model: Model, at: softening.PictureWindow) -> NDArray[np.float16]:
    _count("comparisons")
    return softening.logits(loaded(model), picture.image, at, **picture.own_bands)


verdict = _kept(_verdict, entries=512)
"""(picture, (teacher, student)) → how the two compare on it, with a thumbnail."""
logits = _kept(_logits, entries=32)
"""(picture, model, window) → what the model says of the window, float16 (C, h, w)."""
planes = _kept(_planes, entries=64)
"""(picture, model) → what the model makes of the picture, as PNG planes: a third of the arrays."""
quality = _kept(_quality, entries=128)
"""(picture, model, teacher) → agreement with the teacher's mask, and scores where the mask is known."""
payload = _kept(_payload, entries=24)
"""(picture, models) → the packed contents of the viewer; the first model is the teacher."""


def compute_first_comparison() -> None:
    """Make what the first page shows before somebody waits for it: the typical scene, by the usual models."""
    models, names = artifacts.models(None), datasets.scene_names()
    shown = [models[name] for name in (artifacts.USUAL_TEACHER, *artifacts.USUAL_STUDENTS) if name in models]
    if not shown or not names:
        return
    found = pair_figures(teacher=shown[0], student=shown[1]) if len(shown) > 1 else None
    payload(scene(found.typical if found else names[0]), tuple(shown))


@st.cache_data(max_entries=4, ttl=600, show_spinner=False, hash_funcs=_KEYS)
def for_browser(model: Model) -> dict[str, Any]:
    """An exported model with all that the browser needs to run it; the server's speed is taken anew after a while."""
    return exports.for_browser(model, person())


def benchmark_choices() -> benchmarks.Choices:
    """What this machine can measure, and the datasets that are here now."""
    return replace(_benchmark_choices(), labelled=benchmarks.labelled(owner()))


@st.cache_data(max_entries=1, show_spinner=False)
def _benchmark_choices() -> benchmarks.Choices:
    return benchmarks.choices()


def export_archive(model: Model, who: Person) -> bytes:
    """The zip to take away; kept on disk by the service."""
    return exports.archive(model, who)


def export_for_tool(model: Model, kind: str, who: Person, resolution: float | None) -> bytes:
    """A file for another tool; kept on disk by the service."""
    return exports.for_tool(model, kind, who, resolution=resolution)


@st.cache_data(max_entries=64, show_spinner=False)
def student_size(base: int, outputs: int) -> estimates.Size:
    """Parameters and MACs of a student that tells so many classes apart."""
    return estimates.student_size(base, outputs=outputs)


def check(request: launch.Request) -> launch.Check:
    """What is wrong with what is asked for; checked again after half a minute, because disks and models change."""
    return _check(request, owner())


@st.cache_data(max_entries=64, ttl=30, show_spinner=False)
def _check(request: launch.Request, asked_by: str | None) -> launch.Check:
    return launch.check(request, asked_by)


def _count_estimate() -> None:
    _count("estimates")


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=_KEYS)
def pace(teacher: Model, crop: int, device: str) -> estimates.Pace:
    """Timed steps on this machine."""
    return kept_estimates.pace(teacher, crop, device, before=_count_estimate)


@st.cache_data(max_entries=32, show_spinner=False)
def teacher_pace(model: ModelConfig, outputs: int, crop: int, device: str) -> estimates.TeacherPace:
    """Timed steps of a fresh teacher on this machine."""
    return kept_estimates.teacher_pace(model, outputs, crop, device, before=_count_estimate)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=_KEYS)
def loss_seconds(teacher: Model, crop: int, device: str) -> dict[str, float]:
    """What each loss on the teacher adds to a step, timed on this machine, in seconds a picture."""
    return kept_estimates.loss_seconds(teacher, crop, device, before=_count_estimate)


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def split_summary(data: dict[str, Any]) -> dict[str, Any]:
    """What a dataset holds; read again after ten minutes, because a folder may have changed."""
    return datasets.split_summary(data)


@st.cache_resource(max_entries=8, show_spinner=False)
def search(name: str, version: tuple[str, ...]) -> Standing:
    """A search as it stands; `version` is what `searches.version` gave."""
    del version
    return searches.standing(name)


@st.cache_data(max_entries=32, show_spinner=False)
def search_importance(name: str, version: tuple[str, ...]) -> dict[str, float]:
    """Which settings decided."""
    return searches.importances(search(name, version).trials)


@st.cache_resource(max_entries=48, show_spinner=False)
def search_chart(name: str, version: tuple[str, ...], kind: str) -> Any:
    """A chart of a search: `front COST`, `curves`, `importance` or `parallel`. Nobody may change it."""
    found = search(name, version)
    if kind == "curves":
        return search_charts.curve_chart(searches.some(found, search_charts.MOST_CURVES))
    if kind == "importance":
        return search_charts.importance_chart(search_importance(name, version))
    if kind == "parallel":
        return search_charts.parallel_chart(searches.some(found, search_charts.MOST_LINES))
    cost = kind.removeprefix("front ")
    title = searches.GOALS[cost].title
    return search_charts.front_chart(found.trials, cost, title, fits=searches.fitting(found))


def check_search(request: searches.SearchRequest) -> launch.Check:
    """What is wrong with a search that is asked for; checked again after half a minute."""
    return _check_search(request, owner())


@st.cache_data(max_entries=64, ttl=30, show_spinner=False)
def _check_search(request: searches.SearchRequest, asked_by: str | None) -> launch.Check:
    return searches.check(request, asked_by)
