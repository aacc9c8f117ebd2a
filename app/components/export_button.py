"""A model as ONNX to take away: for every page that shows one."""

import streamlit as st

from app import caching
from app.components.sign_in import person
from app.services.artifacts import Model
from app.services.names import stem

_HELP = "ONNX in float32 and INT8, compared with PyTorch first, with the model card and a script that uses them."


def export_button(model: Model) -> None:
    """Download the zip. It is made when it is asked for, which takes some seconds the first time."""
    # Made after the page has been drawn, when nobody's session can be asked.
    who = person()
    st.download_button(
        "Download ONNX",
        data=lambda: caching.export_archive(model, who),
        file_name=f"{stem(model.title)}.zip",
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        help=_HELP,
        key=f"export_{model.name}",
    )
