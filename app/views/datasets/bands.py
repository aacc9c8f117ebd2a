"""Which bands of brought pictures a dataset takes, what they are called, and which of them a person sees."""

from dataclasses import replace

import streamlit as st

from app.components import say
from app.services import found_bands, import_report
from app.services.found_bands import FoundBand
from app.services.import_report import Edits, ImportReport
from app.services.imports import Draft
from app.services.names import plain, shown
from app.views.datasets.kept import kept_key

_INPUTS = {"colours": "Red, green and blue", "bands": "Each band as it is"}
_SEEN = ("Seen as red", "Seen as green", "Seen as blue")
_NAMED = 4


def draw_bands(draft: Draft, report: ImportReport, edits: Edits) -> Edits:
    """Draw the choice where pictures have bands to name. Gives the edits with what was chosen."""
    found = found_bands.found_bands(report)
    if not found:
        return edits
    usual = len(found) == len(_SEEN) and {each.depth for each in report.pictures} == {"uint8"}
    with st.expander("Bands", expanded=not usual, icon=":material/layers:"):
        depths = ", ".join(sorted({each.depth for each in report.pictures if each.bands}))
        say.caption(f"The files have {len(found)} bands of {depths}.")
        kind = st.segmented_control(
            "What a model sees",
            list(_INPUTS),
            format_func=lambda key: _INPUTS[key],
            required=True,
            key=kept_key(draft, "band_kind", "colours"),
            help="Colours have 8 bits, a deeper file is stretched to them. Each band as it is: the numbers of the "
            "file, in its own depth, under names that you give.",
        )
        draft.keep(band_kind=kind)
        return _named(draft, report, edits, found) if kind == "bands" else edits


def _named(draft: Draft, report: ImportReport, edits: Edits, found: tuple[FoundBand, ...]) -> Edits:
    """A line for each band: its name, and whether it is taken; then those that are seen."""
    names, taken = [], []
    for band in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            say.caption(f"{band.number}", width=24)
            name = st.text_input(
                plain(f"Name of band {band.number}"),
                key=kept_key(draft, f"band_{band.number}", band.name),
                max_chars=60,
                label_visibility="collapsed",
                width=190,
            )
            used = st.checkbox("Take", key=kept_key(draft, f"take_{band.number}", band.taken), width="content")
        draft.keep(**{f"band_{band.number}": name, f"take_{band.number}": used})
        names.append(name.strip())
        taken.append(used)
    edits = replace(edits, bands=found_bands.named_bands(names, taken))
    if others := import_report.of_other_bands(report, edits):
        what = "1 image has another number of bands and is" if len(others) == 1 else ""
        what = what or f"{len(others):,} images have another number of bands and are"
        more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
        named = ", ".join(shown(stem) for stem in others[:_NAMED])
        say.caption(f"{what} left out: {named}{more}.")
    numbers = [band.number for band, used in zip(found, taken, strict=True) if used]
    return replace(edits, shown=_seen(draft, numbers, names)) if numbers else edits


def _seen(draft: Draft, numbers: list[int], names: list[str]) -> tuple[str, ...]:
    """The names of the three bands that are seen as colours, or of the one that is seen in grey."""
    labels = _SEEN if len(numbers) >= len(_SEEN) else ("Seen in grey",)
    usual = _usual(numbers, names)
    chosen = []
    with st.container(horizontal=True, gap="small"):
        for at, label in enumerate(labels):
            key = kept_key(draft, f"seen_{at}", usual[at])
            if st.session_state[key] not in numbers:
                st.session_state[key] = usual[at]
            chosen.append(
                st.selectbox(
                    plain(label),
                    numbers,
                    format_func=lambda number: plain(f"{number} {names[number - 1]}"),
                    key=key,
                    width=132,
                )
            )
    draft.keep(**{f"seen_{at}": number for at, number in enumerate(chosen)})
    return tuple(names[number - 1] for number in chosen)


def _usual(numbers: list[int], names: list[str]) -> list[int]:
    """Red, green and blue where bands are called so, else the first ones."""
    by_name = {names[number - 1].lower(): number for number in numbers}
    if {"red", "green", "blue"} <= set(by_name):
        return [by_name[name] for name in ("red", "green", "blue")]
    return numbers[: len(_SEEN)]
