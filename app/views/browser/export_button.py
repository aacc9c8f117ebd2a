"""A model to take away, as ONNX or for another tool: for every page that shows one."""

from functools import partial

import streamlit as st

from app import caching
from app.components.sign_in import person
from app.services import exports
from app.services.artifacts import Model
from app.services.exports import download_name
from app.services.names import plain, stem

_HELP = "ONNX in float32 and INT8, compared with PyTorch first, with the model card and a script that uses them."


def export_button(model: Model) -> None:
    """Download the zip, or a file for another tool. It is made when it is asked for, which takes some seconds."""
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
    with st.popover("For other tools", icon=":material/extension:"):
        resolution = _resolution(model)
        for kind, tool in exports.TOOLS.items():
            st.download_button(
                plain(tool.title),
                data=partial(caching.export_for_tool, model, kind, who, resolution),
                file_name=download_name(model, kind),
                mime="application/octet-stream",
                icon=":material/download:",
                on_click="ignore",
                disabled=tool.needs_resolution and resolution is None,
                help=plain(f"{tool.help[0].upper()}{tool.help[1:]}."),
                width="stretch",
                key=f"export_{kind}_{model.name}",
            )


def _resolution(model: Model) -> float | None:
    """Centimetres a pixel that the model was trained at; asked for where that is not known."""
    if (known := exports.resolution_of(model)) is not None:
        return known
    least, most = exports.RESOLUTION_RANGE
    given: float | None = st.number_input(
        "Centimetres a pixel of the training pictures",
        least,
        most,
        value=None,
        placeholder="not known: please give it",
        help="QGIS Deepness and GeoDeep resample pictures to it before they use the model.",
        key=f"export_resolution_{model.name}",
    )
    return given
