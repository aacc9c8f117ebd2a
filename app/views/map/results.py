"""What came of a visitor's pictures: a table, one picture with its mask that can be zoomed into, downloads."""

from collections.abc import Callable, Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any

import streamlit as st

from app import caching, state
from app.components import say
from app.components.guard import plainly
from app.components.in_javascript import asked_part, close_look
from app.components.legend import legend
from app.components.palette_switch import palette_switch
from app.components.sections import sections
from app.services import map_views, mapping
from app.services.artifacts import Model
from app.services.figure_texts import FORMATS
from app.services.names import plain, shown
from app.services.palettes import file_as_shown, painted
from app.views.map.joined import joined_results

_LARGE_PIXELS = 1600
_MOST_TOLD, _MOST_TOLD_PX = 5, 420
"""Above so many sentences they scroll, in so many pixels."""


def results(
    job: mapping.SegmentationJob, found: Sequence[dict[str, Any]], model: Model, sources: Sequence[Path]
) -> None:
    """`found` are plain results in the order of `sources`, the pictures they came from."""
    st.subheader("Results", anchor=False)
    listed, together, below = sections(3)
    good = [at for at, result in enumerate(found) if result["error"] is None]
    with listed:
        if len(found) > 1:
            _table(found)
        _refused([result["error"] for result in found if result["error"] is not None], of=len(found))
    if not good:
        return
    at = good[0]
    if len(good) > 1:
        with together:
            at = _choose(job, found, good, model)
    with below:
        _one(job, found[at], model, sources[at])


def _choose(job: mapping.SegmentationJob, found: Sequence[dict[str, Any]], good: list[int], model: Model) -> int:
    """Which of several results is shown, and what all of them give together."""
    if st.session_state.get("map_shown") not in good:
        st.session_state["map_shown"] = good[0]
    at: int = st.selectbox("Image", good, format_func=lambda index: found[index]["name"], key="map_shown")
    st.download_button(
        "All results (zip)",
        data=lambda: job.archive(_as_shown(model)).open("rb"),
        file_name="terrastill.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        key="map_zip",
    )
    with plainly():
        joined_results(job, found, model)
    return at


def _one(job: mapping.SegmentationJob, result: dict[str, Any], model: Model, source: Path) -> None:
    for note in result["notes"]:
        say.caption(f"{result['name']}: {note}")
    if _is_large(result):
        with plainly():
            _picture(result, model, source, job)
        _areas(result)
        _downloads(result, model)
        return
    left, right = st.columns([1.4, 1], gap="medium")
    with left, plainly():
        _picture(result, model, source, job)
    with right:
        _areas(result)
        _downloads(result, model)


def _refused(sentences: Sequence[str], *, of: int) -> None:
    """Why images were not segmented, in full: a cell of a table would cut it off."""
    if not sentences:
        return
    if of > 1:
        say.titled(f"{len(sentences)} of {of} images could not be segmented")
    with st.container(height=_MOST_TOLD_PX if len(sentences) > _MOST_TOLD else "content", border=False):
        for sentence in sentences:
            say.error(sentence)


def _table(found: Sequence[dict[str, Any]]) -> None:
    rows = [map_views.table_row(result) for result in found]
    classes = {area["name"] for result in found for area in result["areas"]}
    config: dict[str, Any] = {name: st.column_config.NumberColumn(format=FORMATS["percent"]) for name in classes}
    config["Seconds"] = st.column_config.NumberColumn(format="%.1f")
    config["Image"] = st.column_config.TextColumn(pinned=True)
    say.table(rows, hide_index=True, column_config=config, placeholder="–", alt="All images with their shares")


def _picture(result: dict[str, Any], model: Model, source: Path, job: mapping.SegmentationJob) -> None:
    photo, mask = map_views.file_of(result, "_photo.webp"), map_views.mask_of(result)
    difference = map_views.file_of(result, "_difference.tif")
    if photo is None or mask is None:
        return
    st.session_state.setdefault("map_plane", "Classes")
    if (
        difference is not None
        and st.segmented_control("Show", ["Classes", "Difference"], required=True, key="map_plane") == "Difference"
    ):
        mask = difference
    classes = painted(model.classes, palette_switch(key="map_colours"))[: model.ignore_index]
    if mask == difference:
        classes.append(("Both the same", (235, 235, 235)))
    if _is_large(result):
        st.fragment(_closer)(result, photo, mask, source, classes, job)
    else:
        view, opacity = caching.map_overview(photo, mask), _opacity(job)
        st.image(map_views.blend(view, classes, opacity), width="stretch", alt="The picture under its mask")
        say.caption(f"{result['width']:,} × {result['height']:,} pixels")
    legend(classes)


def _closer(
    result: dict[str, Any],
    photo: Path,
    mask: Path,
    source: Path,
    classes: map_views.Classes,
    job: mapping.SegmentationJob,
) -> None:
    """All of a large picture, and the part that is shown in its own pixels."""
    opacity = _opacity(job)
    size = result["width"], result["height"]
    name = f"{result['name']} {mask}"
    part = map_views.part_within(asked_part(name), width=size[0], height=size[1])
    closer = None
    with plainly():
        if part is not None:
            closer = map_views.blend(
                caching.map_detail(source, mask, part, job.choice.bands, job.choice.model), classes, opacity
            )
        whole = map_views.blend(caching.map_overview(photo, mask), classes, opacity)
        ground = result["metres_per_pixel"]
        close_look(map_views.pack(whole, closer, part, name=name, size=size, ground=ground))


def _opacity(job: mapping.SegmentationJob) -> float:
    st.session_state.setdefault("map_opacity", 55)
    opacity = st.slider("Opacity of the mask", 0, 100, key="map_opacity")
    job.workspace.keep(map_opacity=opacity)
    return opacity / 100


def _is_large(result: dict[str, Any]) -> bool:
    width, height = int(result["width"]), int(result["height"])
    return max(width, height) > _LARGE_PIXELS


def _areas(result: dict[str, Any]) -> None:
    shares = {"Share": st.column_config.NumberColumn(format="%.2f %%")}
    shares |= {name: st.column_config.NumberColumn(format="localized") for name in ("Pixels", "m²", "ha")}
    tables = {"Area of each class": result["areas"], "Differences, other model → this one": result["differences"]}
    for title, areas in tables.items():
        if areas:
            say.caption(title)
            say.table(
                map_views.area_rows(areas),
                hide_index=True,
                column_config=shares,
                placeholder="–",
                height=min(38 + 35 * len(areas), 290),
                alt=title,
            )
    if all(area["square_metres"] is None for area in result["areas"]):
        st.caption(
            "This picture does not know where it lies, so there are no square metres. "
            "Metres a pixel can be given under More settings."
        )


def _as_shown(model: Model) -> Callable[[Path], Path]:
    """A file of a result → the file in the colours of the screen, when it is asked for."""
    shown = state.shown()
    return lambda file: file_as_shown(file, model.classes, shown.palette)


def _painted(file: Path, as_shown: Callable[[Path], Path]) -> BufferedReader:
    return map_views.as_bytes(as_shown(file))


def _downloads(result: dict[str, Any], model: Model) -> None:
    as_shown = _as_shown(model)
    with st.container(horizontal=True):
        for title, file, media in map_views.downloads(result):
            st.download_button(
                plain(title),
                data=partial(_painted, file, as_shown),
                file_name=shown(file.name.split("-", 1)[-1]),
                mime=media,
                icon=":material/download:",
                on_click="ignore",
                key=f"map_{file.name}",
            )
