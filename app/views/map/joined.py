"""Results of several pictures together: one layer of all of them, and what changed between two."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import state
from app.components import say
from app.components.forecast import duration
from app.components.guard import plainly
from app.components.sign_in import person
from app.services import access, combining, mapping
from app.services.artifacts import Model
from app.services.map_views import as_bytes
from app.services.names import plain, shown

_TICK_SECONDS = 1.0
_TITLES: dict[combining.What, str] = {"mosaic": "Mosaic and one layer", "change": "Change"}
_HELP: dict[combining.What, str] = {
    "mosaic": "One GeoTIFF, one layer of polygons and one table. Where pictures overlap the first one counts.",
    "change": "What became of what, as areas and polygons, where both pictures lie.",
}


def joined_results(job: mapping.SegmentationJob, found: Sequence[dict[str, Any]], model: Model) -> None:
    """A mosaic and a change, where at least two of the results know their place: made on request, then downloads."""
    there = combining.placed(found)
    if len(there) < 2:
        return
    palette = state.shown().palette
    with st.expander("All together", icon=":material/join:"):
        left, right = st.columns(2, gap="medium")
        with left:
            say.caption(_HELP["mosaic"])
            _one(job, combining.request(job, "mosaic", [found[at] for at in there], model.classes, palette))
        with right:
            say.caption(_HELP["change"])
            before = _picture("Earlier picture", there, found, 0)
            after = _picture("Later picture", there, found, 1)
            if before == after:
                st.caption("Choose two different pictures.")
                return
            _one(job, combining.request(job, "change", [found[before], found[after]], model.classes, palette))


def _picture(label: str, there: list[int], found: Sequence[dict[str, Any]], usual: int) -> int:
    key = f"map_{label.split()[0].lower()}"
    if st.session_state.get(key) not in there:
        st.session_state[key] = there[usual]
    chosen: int = st.selectbox(plain(label), there, format_func=lambda at: found[at]["name"], key=key)
    return chosen


def _one(job: mapping.SegmentationJob, wanted: dict[str, Any]) -> None:
    """What was asked for: a button, then how far it is, then the download. It moves by itself while it works."""
    now = combining.read_state(job, wanted)
    active = now is not None and now.state in ("waiting", "running")
    st.fragment(run_every=_TICK_SECONDS if active else None)(_draw)(job, wanted, active)


def _draw(job: mapping.SegmentationJob, wanted: dict[str, Any], active: bool) -> None:
    what: combining.What = wanted["what"]
    with plainly():
        now = combining.read_state(job, wanted)
        if active != (now is not None and now.state in ("waiting", "running")):
            st.rerun()
        if now is not None and active:
            _progress(now)
            st.button(
                "Cancel", key=f"cancel_{what}", icon=":material/block:", on_click=combining.cancel, args=(job, wanted)
            )
            return
        if now is not None and now.file is not None:
            _download(what, now)
            return
        if now is not None and now.state == "failed":
            say.error(now.error or "It failed.")
        if st.button(f"Make: {_TITLES[what]}", key=f"make_{what}", icon=":material/join:", width="stretch"):
            access.RATES.take(person(), "predictions", access.read_access().predictions_an_hour)
            combining.start(job, wanted)
            st.rerun()


def _progress(now: combining.Combination) -> None:
    parts = ["Waiting for others" if now.state == "waiting" else now.progress.doing or "Starting"]
    if now.seconds_left is not None:
        parts.append(f"{duration(now.seconds_left)} left")
    st.progress(now.progress.share, text=plain(" · ".join(parts)))


def _download(what: combining.What, now: combining.Combination) -> None:
    file = now.file
    assert file is not None
    st.download_button(
        plain(f"{_TITLES[what]} (zip)"),
        data=lambda: as_bytes(file),
        file_name=shown(f"{what}.zip"),
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        key=f"map_{what}",
    )
    for note in now.notes:
        say.caption(note)
