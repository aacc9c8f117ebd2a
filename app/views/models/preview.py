"""What a brought model makes of a picture, so that a wrong normalisation or order of classes is seen."""

import streamlit as st

from app import caching, visitor
from app.components import say
from app.components.linked import linked_select
from app.services import artifacts, brought_models, datasets
from app.services.brought_models import ModelEntry

_NOTHING = ""


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
        help="A mask of one class alone often means another normalisation, or another order of classes.",
    )
    if not chosen:
        return
    picture = caching.scene(chosen)
    with st.spinner("Segmenting the picture …"):
        mask = caching.mask(picture, model)
    left, right = st.columns(2)
    left.image(picture.image, width="stretch")
    right.image(brought_models.coloured(mask, model.classes), width="stretch")
    shares = brought_models.class_shares(mask, model.classes)
    say.caption(", ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005))
