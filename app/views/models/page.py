"""Models: what there is to learn from and to compare, and bringing one from elsewhere."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import caching, visitor
from app.components import say
from app.components.guard import page, plainly
from app.components.legend import legend
from app.components.sections import sections
from app.services import artifacts, brought_models
from app.services.brought_models import ModelEntry
from app.services.datasets import short_title
from app.services.figure_texts import FORMATS, size_of_model
from app.services.names import plain, stem
from app.services.situations import STARTING_POINTS
from app.services.speeds import USUAL, Speed
from app.views.models.bringing import draw_bringing
from app.views.models.preview import draw_preview

_SOURCES = {"shipped": "Shipped", "brought": "Brought", "run": "From a run"}
_MOST_CLASSES = 12


def main() -> None:
    st.title("Models", anchor=False)
    st.caption("What can be compared and learnt from: the shipped models, your students, and models from elsewhere.")
    bringing, listed, starting = sections(3)
    with bringing, plainly():
        draw_bringing()
    every = brought_models.listing(visitor.owner())
    found = [entry for entry in every if not entry.card.starting_point]
    with listed, plainly():
        _table(found)
    with starting, plainly():
        _starting_points([entry for entry in every if entry.card.starting_point])
    for entry in found:
        if entry.source == "brought":
            with st.container(border=True, key=f"model_{entry.name}"), plainly():
                _brought(entry)


def _table(found: Sequence[ModelEntry]) -> None:
    """One row a model; a speed where it was measured on this machine."""
    models = artifacts.models(visitor.owner())
    shown = tuple(models[entry.name] for entry in found if entry.name in models)
    speeds = caching.kept_speeds(shown)
    scores = brought_models.measured_scores(visitor.owner())
    rows = [_row(entry, speeds.get(entry.name, {}), scores.get(entry.name)) for entry in found]
    say.table(rows, hide_index=True, width="stretch", column_config=_columns())
    st.caption("Benchmark scores any of them on a dataset's labels: its newest result stands here.")


def _starting_points(found: Sequence[ModelEntry]) -> None:
    """What a run can begin with: they are compared with nothing, for they answer nothing."""
    if not found:
        return
    st.subheader("Starting points", anchor=False)
    say.caption(STARTING_POINTS)
    rows = [
        {
            "Starting point": entry.name,
            "Network": artifacts.architecture(entry.card.model),
            "Parameters": artifacts.short_count(entry.card.parameters),
            "Size (MB)": entry.card.bytes / 1e6,
            "Licence": entry.card.licence,
            "Prepared by": entry.origin,
        }
        for entry in found
    ]
    config = {"Size (MB)": st.column_config.NumberColumn(format=FORMATS["megabytes"])}
    say.table(rows, hide_index=True, width="stretch", column_config=config)


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Model": st.column_config.TextColumn(pinned=True),
        "Size (MB)": number(format=FORMATS["megabytes"]),
        "Milliseconds, 512²": number(
            format=FORMATS["milliseconds"], help="In PyTorch on one thread; empty until it was measured here."
        ),
        "mIoU": number(format=FORMATS["percent"]),
    }


def _row(entry: ModelEntry, kept: dict[str, Speed], measured: tuple[float, str] | None) -> dict[str, object]:
    card = entry.card
    score, where = measured or (card.metrics.get("miou5"), short_title(str(card.data.get("dataset", ""))))
    speed = kept.get(USUAL)
    return {
        "Model": card.name if entry.source == "run" else entry.name,
        "From": _SOURCES[entry.source],
        "Network": artifacts.architecture(card.model),
        "Parameters": artifacts.short_count(card.parameters),
        "Size (MB)": card.bytes / 1e6,
        "Milliseconds, 512²": None if speed is None else speed.latency_ms,
        "mIoU": 100 * score if isinstance(score, float) else None,
        "Scored on": where if isinstance(score, float) else "",
        "Classes": ", ".join(card.classes.scored_names[:_MOST_CLASSES]),
        "Licence": card.licence,
        "Origin": entry.origin,
    }


def _brought(entry: ModelEntry) -> None:
    card = entry.card
    ground = f"{card.metres_per_pixel:g} m a pixel" if card.metres_per_pixel else "ground resolution not known"
    say.titled(
        entry.name, f"{artifacts.architecture(card.model)} · {size_of_model(card.bytes)} · {ground} · {card.licence}"
    )
    whose = "Yours alone" if entry.mine and not entry.shared else "Seen by everybody on this server"
    say.caption(f"{whose} · from {entry.origin}" if entry.origin else whose)
    legend(list(zip(card.classes.scored_names, card.classes.colours, strict=False))[:_MOST_CLASSES])
    changed = [f"{theirs} → {own or 'nothing'}" for theirs, own in entry.mapping if theirs != own]
    if changed:
        say.caption(f"Its classes: {', '.join(changed)}")
    for note in entry.notes:
        say.caption(note)
    if entry.logits_only:
        st.caption("It offers its logits alone: losses on features need a model of transformers or smp from the owner.")
    if not card.bands.is_colours:
        say.caption(f"It sees the bands {card.bands}.")
    draw_preview(entry)
    with st.container(horizontal=True, vertical_alignment="center"):
        _actions(entry)


def _actions(entry: ModelEntry) -> None:
    name, who = entry.name, visitor.person()
    if entry.has_files:
        st.download_button(
            "Download",
            data=lambda: brought_models.archive(name, who.folder),
            file_name=f"{stem(name)}.zip",
            mime="application/zip",
            icon=":material/download:",
            on_click="ignore",
            key=f"archive_{name}",
            help="A zip of the model with its card: another server takes it and asks for nothing.",
        )
    if entry.mine:
        label, icon = ("Make private", ":material/lock:") if entry.shared else ("Share", ":material/group:")
        if st.button(
            plain(label),
            key=f"share_{name}",
            icon=icon,
            help="Shared, everybody who may use this server sees it, and the students that learnt from it.",
        ):
            brought_models.share(entry, not entry.shared, who)
            st.rerun()
    if not brought_models.may_change(entry, who):
        return
    with st.popover("Rename", icon=":material/edit:"), plainly():
        new = st.text_input("New name", value=name, key=f"rename_{name}", help="Lower-case letters, digits, - and _.")
        if st.button("Rename", key=f"rename_now_{name}") and new != name:
            brought_models.rename(entry, new, who)
            st.rerun()
    with st.popover("Delete", icon=":material/delete:"), plainly():
        say.text(f"Delete {name}? Students that learnt from it stay, whose they are.")
        if st.button("Delete for good", type="primary", key=f"delete_{name}"):
            brought_models.delete(entry, who)
            st.rerun()


if __name__ == "__main__":
    page(main)
