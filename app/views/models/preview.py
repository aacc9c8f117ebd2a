"""What a brought model makes of a picture, so that a wrong normalisation or order of classes is seen."""

from typing import Any

import streamlit as st

from app import caching, visitor
from app.components import say
from app.components.legend import legend
from app.components.linked import linked_select
from app.components.picture_choice import scene_title
from app.services import artifacts, brought_models, datasets
from app.services.brought_models import DraftMask, ModelAnswers, ModelEntry, UploadedModel
from app.services.datasets import Picture
from core.errors import TerrastillError

_NOTHING, _OWN = "", "own picture"
_HINT = "A mask of one class alone often means another normalisation, or another order of classes."
_DRAFTS = "brought_drafts"
_MOST_KEPT, _MOST_CLASSES = 8, 12


def draw_preview(entry: ModelEntry) -> None:
    """A shipped scene beside the model's mask, once one is chosen."""
    names = datasets.scene_names()
    model = artifacts.models(visitor.owner()).get(entry.name)
    if not names or model is None:
        return
    chosen = linked_select(
        "Preview on",
        [_NOTHING, *names],
        name=f"preview_{entry.name}",
        title=lambda name: name or "choose a picture",
        help=_HINT,
    )
    if not chosen:
        return
    picture = caching.scene(chosen)
    with st.spinner("Segmenting the picture …"):
        mask = caching.mask(picture, model)
    _side_by_side(picture.image, mask, model.classes)


def draw_draft(upload: UploadedModel, said: ModelAnswers) -> None:
    """The same of a model before it is imported, anew with every answer: a scene, or a picture of one's own."""
    names = datasets.scene_names()
    uncertain = bool(upload.missing) or upload.found.output is None
    options = [*names, _OWN, _NOTHING]
    chosen = st.selectbox(
        "What it makes of a picture",
        options,
        index=0 if uncertain and names else len(options) - 1,
        format_func=lambda name: {_OWN: "A picture of my own", _NOTHING: "No picture"}.get(name, scene_title(name)),
        key="brought_preview",
        help=_HINT,
    )
    picture = _own_picture() if chosen == _OWN else caching.scene(chosen) if chosen else None
    if picture is None:
        return
    with st.spinner("The model segments the picture, in a process of its own …"):
        found = _draft(upload, said, picture)
    if isinstance(found, list):
        say.warning(*found)
        return
    _side_by_side(found.image, found.mask, found.classes)
    legend(list(found.classes[:-1])[:_MOST_CLASSES])
    say.caption(*found.notes)


def _draft(upload: UploadedModel, said: ModelAnswers, picture: Picture) -> DraftMask | list[str]:
    """The mask, or sentences on why there is none; each is worked out once for the same answers."""
    kept = st.session_state.setdefault(_DRAFTS, {})
    key = (str(upload.folder), repr(said), picture.sha256)
    if key not in kept:
        try:
            kept[key] = brought_models.preview(upload, said, picture.image, visitor.person())
        except TerrastillError as error:
            kept[key] = list(getattr(error, "problems", (str(error),)))
        while len(kept) > _MOST_KEPT:
            kept.pop(next(iter(kept)))
    found: DraftMask | list[str] = kept[key]
    return found


def _own_picture() -> Picture | None:
    file = st.file_uploader(
        f"PNG, JPEG or TIFF, at most {datasets.UPLOAD_MEGABYTES} MB. Kept for this session only.",
        type=list(datasets.UPLOAD_TYPES),
        max_upload_size=datasets.UPLOAD_MEGABYTES,
        key="brought_picture",
    )
    return None if file is None else caching.upload(file.name, file.getvalue())


def _side_by_side(image: Any, mask: Any, classes: brought_models.Classes) -> None:
    left, right = st.columns(2)
    left.image(image, width="stretch")
    right.image(brought_models.coloured(mask, classes), width="stretch")
    shares = brought_models.class_shares(mask, classes)
    say.caption(", ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005))
