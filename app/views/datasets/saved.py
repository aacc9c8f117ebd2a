"""The datasets that were saved: what each holds, who may use it, and what can be done with it."""

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.guard import plainly
from app.components.legend import legend
from app.services import mask_jobs, own_datasets
from app.services.import_report import PARTS
from app.services.names import plain, shown
from app.services.own_datasets import OwnDataset

_MOST_SHOWN = 12


def draw_saved(datasets: list[OwnDataset], owner: str | None) -> None:
    st.subheader("Saved datasets", anchor=False)
    for dataset in datasets:
        with st.container(border=True, gap="small", key=f"saved_{dataset.name}"):
            _one(dataset, owner)


def _one(dataset: OwnDataset, owner: str | None) -> None:
    whose = "Yours alone" if dataset.mine and not dataset.shared else "Shared" if dataset.brought else "On this server"
    parts = ", ".join(
        f"{dataset.parts[part]:,} {title.lower()}" for part, title in PARTS.items() if dataset.parts.get(part)
    )
    what = "masks" if dataset.labelled_by else "labels"
    labels = f"{dataset.labelled:,} with {what}" if dataset.classes else "without labels"
    told = f"{dataset.pictures:,} images, {labels}" + (f" ({parts})" if parts else "")
    counted = [f"{len(dataset.classes)} classes"] if dataset.classes else []
    more = [f"Licence: {dataset.licence}"] if dataset.licence else []
    by = [dataset.labelled_by] if dataset.labelled_by else []
    say.titled(dataset.title, " · ".join([whose, told, *counted, *more]), *by)
    legend(dataset.classes[:_MOST_SHOWN])
    if len(dataset.classes) > _MOST_SHOWN:
        say.caption(f"and {len(dataset.classes) - _MOST_SHOWN} more")
    with st.container(horizontal=True, vertical_alignment="center"):
        _actions(dataset, owner)


def _actions(dataset: OwnDataset, owner: str | None) -> None:
    name = dataset.name
    if not dataset.classes:
        if st.button(
            "Distill with them", key=f"train_{name}", icon=":material/science:", help="As pictures without labels."
        ):
            st.switch_page("views/distill/page.py", query_params={state.HAVE: "none", "transfer": name})
    elif dataset.labelled:
        if st.button("Train a teacher", key=f"train_{name}", icon=":material/science:"):
            st.switch_page("views/distill/page.py", query_params={state.GOAL: "teacher", state.DATASET: name})
        if st.button("Distill", key=f"distill_{name}", icon=":material/science:", help="From a teacher that is here."):
            st.switch_page("views/distill/page.py", query_params={state.DATASET: name})
    if st.button("Images", key=f"look_{name}", icon=":material/grid_view:", help="In the gallery, beside two models."):
        st.switch_page("views/gallery/page.py", query_params={state.COLLECTION: name})
    if dataset.labelled_by:
        st.download_button(
            "Take it away (zip)",
            data=lambda: mask_jobs.zip_of(name, owner),
            file_name=shown(f"{name}.zip"),
            mime="application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key=f"zip_{name}",
        )
    if dataset.mine:
        label, icon = ("Make private", ":material/lock:") if dataset.shared else ("Share", ":material/group:")
        if st.button(plain(label), key=f"share_{name}", icon=icon):
            with plainly():
                own_datasets.share(name, not dataset.shared, owner)
                st.rerun()
    if own_datasets.may_delete(name, owner, visitor.person()):
        with st.popover("Delete", icon=":material/delete:"):
            _delete(dataset, owner)


def _delete(dataset: OwnDataset, owner: str | None) -> None:
    """What is lost, and the button."""
    with plainly():
        active, trained = own_datasets.needed_by(dataset.name)
        say.text(f"Delete {dataset.title}? Its {dataset.pictures:,} images and labels are removed for good.")
        if active:
            named = ", ".join(active[:3]) + (f" and {len(active) - 3} more" if len(active) > 3 else "")
            say.warning(f"Still needed by runs that wait or train: {named}. They fail without it.")
        if trained:
            say.caption(f"{trained} finished runs trained on it: their models stay, but cannot be scored on it again.")
        if st.button("Delete for good", key=f"delete_{dataset.name}", type="primary", icon=":material/delete_forever:"):
            own_datasets.delete(dataset.name, owner, visitor.person())
            caching.forget_datasets()
            st.rerun()
