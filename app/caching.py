"""The only place with st.cache_*: what is kept, under which key, and how much of it.

Pictures are keyed on SHA-256 of their bytes, never on the array (Streamlit hashes large arrays by a sample), and models
on an identity that changes with their weights.
"""

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.services import datasets, estimates, inference, launch, overlays
from app.services.artifacts import Model
from app.services.datasets import Picture

Mask = NDArray[np.uint8]

_KEYS: dict[str | type, Any] = {Model: lambda model: model.identity, Picture: lambda picture: picture.sha256}


@st.cache_data(max_entries=16, show_spinner=False)
def scene(name: str) -> Picture:
    """A shipped scene with its mask."""
    return datasets.load_scene(name)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def loaded(model: Model) -> Any:
    """A model ready to run; eight at most stay in memory."""
    return inference.load(model.name)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=_KEYS)
def mask(picture: Picture, model: Model) -> Mask:
    """What a model makes of a picture, class indices (H, W)."""
    return inference.predict_mask(loaded(model), picture.image)


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=_KEYS)
def quality(picture: Picture, model: Model, teacher: Model) -> inference.Quality:
    """Agreement of a model's mask with the teacher's, and its scores where the mask is known."""
    reference = None if model.identity == teacher.identity else mask(picture, teacher)
    return inference.quality(
        mask(picture, model),
        reference=reference,
        truth=picture.mask,
        classes=model.classes,
        ignore_index=model.ignore_index,
    )


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=_KEYS)
def speeds(models: tuple[Model, ...]) -> dict[str, inference.Speed]:
    """Latency by model name, measured in turns for this set of models."""
    return inference.measure_speed({model.name: loaded(model) for model in models})


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=_KEYS)
def payload(picture: Picture, models: tuple[Model, ...]) -> dict[str, Any]:
    """The packed contents of the viewer; the first model is the teacher."""
    teacher = models[0]
    shown = [(model.title, mask(picture, model), quality(picture, model, teacher)) for model in models]
    panels = overlays.panels(truth=picture.mask, shown=shown)
    return overlays.pack(picture.image, panels, classes=teacher.classes, ignore_index=teacher.ignore_index)


@st.cache_data(max_entries=64, show_spinner=False)
def student_size(base: int) -> estimates.Size:
    """Parameters and MACs of a student."""
    return estimates.student_size(base)


@st.cache_data(max_entries=64, ttl=30, show_spinner=False)
def check(settings: launch.Settings) -> launch.Check:
    """What is wrong with these settings; looked at again after half a minute, because disks and models change."""
    return launch.check(settings)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=_KEYS)
def pace(teacher: Model, crop: int, device: str) -> estimates.Pace:
    """Timed steps on this machine."""
    return estimates.measure_pace(teacher=teacher.name, crop=crop, device=device)


@st.cache_data(max_entries=16, ttl=600, show_spinner=False)
def split_summary(data: dict[str, Any]) -> dict[str, Any]:
    """What a dataset holds; read again after ten minutes, because a folder may have changed."""
    return datasets.split_summary(data)
