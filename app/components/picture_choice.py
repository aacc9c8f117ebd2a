"""Which picture a page is about: a shipped scene, one of a dataset or an opened folder, or an upload."""

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import caching, state
from app.components import say
from app.components.linked import linked_segments, linked_select
from app.services import datasets, picture_collections
from app.services.artifacts import Model
from app.services.datasets import Picture
from app.visitor import owner

OpenPicture = Callable[[], Picture | None]

_UPLOAD = "upload"
_LIMIT = f"PNG, JPEG or TIFF, at most {datasets.UPLOAD_MEGABYTES} MB and {datasets.UPLOAD_MEGAPIXELS} megapixels."
_SCENE, _SET = "scene", "set"


def choose_picture(
    first: DeltaGenerator,
    second: DeltaGenerator,
    wide: DeltaGenerator,
    *,
    usual: str | None = None,
    student: Model | None = None,
    models: Sequence[Model] = (),
) -> OpenPicture:
    """The source in `first`, the picture in `second`, an uploader in `wide`. Opening it may take time.

    `usual` is the shipped scene that is shown where nobody chose; the first one where it is None. Of a `student` the
    dataset is proposed that it learned from, and that before shipped scenes where these have other classes.
    An upload is read in the bands that the `models` see, which is said before it is chosen.
    """
    collections = _collections()
    own = student.trained_on.dataset if student is not None and student.trained_on.dataset in collections else ""
    foreign = bool(own) and student is not None and student.classes != datasets.shipped_classes()
    with first:
        source = _choose_source(collections, dataset_first=foreign)
    with wide if source == _UPLOAD else second:
        if source == _UPLOAD:
            return _uploaded(models)
        return _of_collection(collections, own) if source == _SET else _shipped(usual)


def _say_bands(models: Sequence[Model]) -> None:
    """Before anybody uploads: which bands of a picture the models see."""
    others = [model for model in models if not model.bands.is_colours]
    reader = next((model for model in others if all(model.bands.serves(other.bands) for other in models)), None)
    if reader is not None:
        bands = reader.bands
        seen = ", ".join(bands.names[place] for place in bands.colours)
        say.caption(
            f"{reader.title} sees the bands {bands} ({bands.depth}): upload a GeoTIFF that holds them, named, or alone "
            f"and in this order. You see {seen}."
        )
    elif others:
        titles = " and ".join(dict.fromkeys(model.title for model in models))
        say.warning(f"No upload is read for {titles}, {datasets.OTHER_BANDS}")


def scene_title(name: str) -> str:
    """`scene_01` → `Scene 1`; other names stay as they are."""
    head, _, number = name.partition("_")
    return f"Scene {int(number)}" if head == "scene" and number.isdigit() else name


def _collections() -> dict[str, str]:
    """Datasets to choose a picture of; the shipped scenes and the operator's folder where the link names them."""
    asked = state.linked(state.COLLECTION)
    titles = picture_collections.titles(owner())
    return {name: title for name, title in titles.items() if name == asked or name not in picture_collections.APART}


def _choose_source(collections: Mapping[str, str], *, dataset_first: bool) -> str:
    shipped = {_SCENE: "Shipped"} if datasets.scene_names() else {}
    own = {_SET: "Dataset"} if collections else {}
    titles = {**own, **shipped} if dataset_first else {**shipped, **own}
    return linked_segments("Image", {**titles, _UPLOAD: "Upload"}, name=state.SOURCE)


def _shipped(usual: str | None) -> OpenPicture:
    name = linked_select("Scene", datasets.scene_names(), name=state.SCENE, default=usual, title=scene_title)
    return lambda: caching.scene(name)


def _of_collection(collections: Mapping[str, str], own: str) -> OpenPicture:
    """One of the student's own dataset at first, and of that one that was kept to test with."""
    collection = linked_select(
        "Dataset", list(collections), name=state.COLLECTION, default=own, title=collections.__getitem__, always=True
    )
    folder = state.linked(state.FOLDER)
    uses = {entry.name: entry.use for entry in picture_collections.entries(collection, folder, owner())}
    held = next((name for use in ("test", "validate") for name, own_use in uses.items() if own_use == use), None)
    gone = "The picture in this link is not there any more; this is another one."
    name = linked_select(
        "Picture",
        list(uses),
        name=state.PICTURE,
        default=held,
        title=lambda name: f"{scene_title(name)}, {uses[name]}" if uses[name] else scene_title(name),
        always=True,
        gone=gone,
    )
    return lambda: caching.of_collection(collection, name, folder)


def _uploaded(models: Sequence[Model]) -> OpenPicture:
    _say_bands(models)
    file = st.file_uploader(
        f"{_LIMIT} Kept for this session only. Larger ones go under [Your images](images).",
        type=list(datasets.UPLOAD_TYPES),
        max_upload_size=datasets.UPLOAD_MEGABYTES,
        key=_UPLOAD,
        on_change=_keep_upload,
    )
    kept = state.last(_UPLOAD, None)
    if file is None and kept is not None:
        say.caption(f"{kept[0]} is still here; another file takes its place.")
    seen = tuple(model.bands for model in models)
    return lambda: None if kept is None else caching.upload(kept[0], kept[1], seen)


def _keep_upload() -> None:
    """Streamlit drops a file when its widget is out of sight; its bytes stay until it is removed or replaced."""
    file = st.session_state[_UPLOAD]
    state.remember(_UPLOAD, None if file is None else (file.name, file.getvalue()))


def choose_pair(models: dict[str, Model], left: DeltaGenerator, right: DeltaGenerator) -> tuple[Model, Model] | None:
    """The teacher is chosen in `left`, the student in `right`; None where no other model knows the same classes."""

    def title(name: str) -> str:
        return models[name].label

    with left:
        teacher = models[linked_select("Teacher", list(models), name=state.TEACHER, default="teacher", title=title)]
    fitting = [name for name, model in models.items() if name != teacher.name and model.classes == teacher.classes]
    if not fitting:
        return None
    with right:
        student = linked_select("Student", fitting, name=state.STUDENT, default="student", title=title)
    return teacher, models[student]
