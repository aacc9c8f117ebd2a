"""Results of several pictures together: one layer of all of them, and what changed between two."""

from collections.abc import Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

import streamlit as st

from app import state
from app.services import combining, mapping
from app.services.artifacts import Model
from app.services.names import plain, shown


def joined_results(job: mapping.SegmentationJob, found: Sequence[dict[str, Any]], model: Model) -> None:
    """Two downloads, where at least two of the results know their place. They are made when they are asked for."""
    there = combining.placed(found)
    if len(there) < 2:
        return
    palette = state.shown().palette
    with st.popover("All together", icon=":material/join:"):
        _download(
            "Mosaic and one layer (zip)",
            partial(combining.mosaic_zip, job, [found[at] for at in there], model.classes, palette),
            "mosaic",
            "One GeoTIFF, one layer of polygons and one table. Where pictures overlap the first one counts.",
        )
        before = _picture("Earlier picture", there, found, 0)
        after = _picture("Later picture", there, found, 1)
        _download(
            "Change (zip)",
            partial(combining.change_zip, job, found[before], found[after], model.classes, palette),
            "change",
            "What became of what, as areas and polygons, where both pictures lie.",
            disabled=before == after,
        )


def _picture(label: str, there: list[int], found: Sequence[dict[str, Any]], usual: int) -> int:
    key = f"map_{label.split()[0].lower()}"
    if st.session_state.get(key) not in there:
        st.session_state[key] = there[usual]
    chosen: int = st.selectbox(plain(label), there, format_func=lambda at: found[at]["name"], key=key)
    return chosen


def _download(label: str, make: partial[Path], name: str, text: str, *, disabled: bool = False) -> None:
    st.download_button(
        plain(label),
        data=partial(_opened, make),
        file_name=shown(f"{name}.zip"),
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        help=plain(text),
        disabled=disabled,
        width="stretch",
        key=f"map_{name}",
    )


def _opened(make: partial[Path]) -> BufferedReader:
    return make().open("rb")
