"""What a brought model makes of a picture, so that a wrong normalisation or order of classes is seen."""

from typing import Any

import streamlit as st

from app import caching, visitor
from app.components import say
from app.components.legend import legend
from app.components.linked import linked_select
from app.components.picture_choice import scene_title
from app.services import artifacts, brought_models, datasets, picture_collections
from app.services.brought_models import DraftMask, ModelAnswers, ModelEntry, UploadedModel
from app.services.datasets import Picture
from app.services.names import plain
from core.band_set import BandSet
from core.errors import TerrastillError

_NOTHING, _OWN = "", "own picture"
_HINT = "A mask of one class alone often means another normalisation, or another order of classes."
_DRAFTS = "brought_drafts"
_MOST_KEPT, _MOST_CLASSES = 8, 12


def draw_preview(entry: ModelEntry) -> None:
    """A picture beside the model's mask, once one is chosen."""
    model = artifacts.models(visitor.owner()).get(entry.name)
    if model is None:
        return
    bands = entry.card.bands
    pictures = _pictures(bands)
    chosen = linked_select(
        "Preview on",
        [_NOTHING, *pictures, _OWN],
        name=f"preview_{entry.name}",
        title=lambda name: _title(name) or "choose a picture",
        help=_HINT,
    )
    picture = _opened(chosen, pictures, bands, key=f"picture_{entry.name}")
    if picture is None:
        return
    with st.spinner("Segmenting the picture …"):
        mask = caching.mask(picture, model)
    _side_by_side(picture.image, mask, model.classes)


def draw_draft(upload: UploadedModel, said: ModelAnswers) -> None:
    """The same of a model before it is imported, anew with every answer."""
    bands = brought_models.seen_bands(upload, said)
    if bands is None:
        st.caption("Name its bands, as those of your pictures: then it is shown at work on one of these.")
        return
    pictures = _pictures(bands)
    uncertain = bool(upload.missing) or upload.found.output is None
    options = [*pictures, _OWN, _NOTHING]
    chosen = st.selectbox(
        "What it makes of a picture",
        options,
        index=0 if uncertain and pictures else len(options) - 1,
        format_func=lambda name: _title(name) or "No picture",
        key="brought_preview",
        help=_HINT,
    )
    picture = _opened(chosen, pictures, bands, key="brought_picture")
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


def _pictures(bands: BandSet) -> dict[str, tuple[str, str] | None]:
    """What a model of these bands can be shown on: shipped scenes (None), or pictures of datasets that have them."""
    if bands.is_colours:
        return dict.fromkeys(datasets.scene_names())
    return {**picture_collections.seen_by(bands, visitor.owner())}


def _title(chosen: str) -> str:
    return "A picture of my own" if chosen == _OWN else scene_title(chosen)


def _opened(chosen: str, pictures: dict[str, tuple[str, str] | None], bands: BandSet, *, key: str) -> Picture | None:
    if chosen == _OWN:
        return _own_picture(bands, key)
    if chosen not in pictures:
        return None
    place = pictures[chosen]
    return caching.scene(chosen) if place is None else caching.of_collection(*place, "")


def _draft(upload: UploadedModel, said: ModelAnswers, picture: Picture) -> DraftMask | list[str]:
    """The mask, or sentences on why there is none; each is worked out once for the same answers."""
    kept = st.session_state.setdefault(_DRAFTS, {})
    key = (str(upload.folder), repr(said), picture.sha256)
    if key not in kept:
        try:
            kept[key] = brought_models.preview(upload, said, picture, visitor.person())
        except TerrastillError as error:
            kept[key] = list(getattr(error, "problems", (str(error),)))
        while len(kept) > _MOST_KEPT:
            kept.pop(next(iter(kept)))
    found: DraftMask | list[str] = kept[key]
    return found


def _own_picture(bands: BandSet, key: str) -> Picture | None:
    what = "PNG, JPEG or TIFF" if bands.is_colours else f"A GeoTIFF with the bands {bands}"
    file = st.file_uploader(
        plain(f"{what}, at most {datasets.UPLOAD_MEGABYTES} MB. Kept for this session only."),
        type=list(datasets.UPLOAD_TYPES),
        max_upload_size=datasets.UPLOAD_MEGABYTES,
        key=key,
    )
    if file is None:
        return None
    return caching.upload(file.name, file.getvalue(), (bands,))


def _side_by_side(image: Any, mask: Any, classes: brought_models.Classes) -> None:
    left, right = st.columns(2)
    left.image(image, width="stretch")
    right.image(brought_models.coloured(mask, classes), width="stretch")
    shares = brought_models.class_shares(mask, classes)
    say.caption(", ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005))
