"""Which picture a page is about: a shipped scene, an upload, or one of a collection that the gallery showed."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import caching, state
from app.components import say
from app.components.linked import linked_segments, linked_select
from app.services import datasets, picture_collections
from app.services.datasets import Picture

OpenPicture = Callable[[], Picture | None]

_UPLOAD = "upload"
_LIMIT = f"PNG, JPEG or TIFF, at most {datasets.UPLOAD_MEGABYTES} MB and {datasets.UPLOAD_MEGAPIXELS} megapixels."
_SCENE, _SET = "scene", "set"


def choose_picture(
    first: DeltaGenerator, second: DeltaGenerator, wide: DeltaGenerator, *, usual: str | None = None
) -> OpenPicture:
    """The source in `first`, the picture in `second`, an uploader in `wide`. Opening it may take time.

    `usual` is the shipped scene that is shown where nobody chose; the first one where it is None.
    """
    with first:
        source = _choose_source()
    with wide if source == _UPLOAD else second:
        if source == _UPLOAD:
            return _uploaded()
        return _of_collection() if source == _SET else _shipped(usual)


def scene_title(name: str) -> str:
    """`scene_01` → `Scene 1`; other names stay as they are."""
    head, _, number = name.partition("_")
    return f"Scene {int(number)}" if head == "scene" and number.isdigit() else name


def _choose_source() -> str:
    titles = {_SCENE: "Shipped"} if datasets.scene_names() else {}
    if state.linked(state.COLLECTION) in picture_collections.titles():
        titles[_SET] = "Gallery"
    return linked_segments("Image", {**titles, _UPLOAD: "Upload"}, name=state.SOURCE)


def _shipped(usual: str | None) -> OpenPicture:
    name = linked_select("Scene", datasets.scene_names(), name=state.SCENE, default=usual, title=scene_title)
    return lambda: caching.scene(name)


def _of_collection() -> OpenPicture:
    collection, folder = state.linked(state.COLLECTION), state.linked(state.FOLDER)
    names = [entry.name for entry in picture_collections.entries(collection, folder)]
    gone = "The picture in this link is not there any more; this is the first one."
    name = linked_select("Picture", names, name=state.PICTURE, title=scene_title, always=True, gone=gone)
    return lambda: caching.of_collection(collection, name, folder)


def _uploaded() -> OpenPicture:
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
    return lambda: None if kept is None else caching.upload(*kept)


def _keep_upload() -> None:
    """Streamlit drops a file when its widget is out of sight; its bytes stay until it is removed or replaced."""
    file = st.session_state[_UPLOAD]
    state.remember(_UPLOAD, None if file is None else (file.name, file.getvalue()))
