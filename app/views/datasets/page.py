"""Datasets: bring pictures with labels, see what they hold, name the classes, save them, and train on them."""

import os
import secrets
import time

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page, plainly
from app.components.sections import sections
from app.services import access, imports, own_datasets
from app.services.imports import Draft
from app.services.names import plain
from app.views.datasets.report import draw_report
from app.views.datasets.saved import draw_saved
from app.views.datasets.teacher_masks import draw_pseudo_masks
from core.errors import DataError

_SESSION, _ROUND, _SAVED, _PROBLEMS = "import_session", "import_round", "import_saved", "import_problems"
_TICK_SECONDS = 1.0


def main() -> None:
    st.title("Datasets", anchor=False)
    st.caption("Your own pictures and labels, in any classes: bring them here, then train a small model on them.")
    draft = _draft()
    found = draft.state()
    # One for each step: what one held is not shown beside the next.
    brought, going, failed, reported, saved, masks, listed = sections(7)
    if found.step == "saved":
        _note_saved(found.saved)
    elif found.step == "empty":
        with brought, plainly():
            _bring(draft)
    elif found.step in ("waiting", "working"):
        with going:
            st.fragment(run_every=_TICK_SECONDS)(_progress)(draft)
    elif found.step == "failed":
        with failed:
            _failed(draft, found)
    else:
        with reported:
            _reported(draft)
    with saved:
        _just_saved()
    with masks, plainly():
        draw_pseudo_masks()
    with listed, plainly():
        datasets = own_datasets.listing(draft.owner)
        if datasets:
            draw_saved(datasets, draft.owner)
        elif found.step == "empty":
            empty_state(
                "No dataset yet",
                "Choose a zip above. Images beside masks are read in any folders, and so are COCO, Label Studio, "
                "LabelMe, YOLO, VOC, and orthophotos with polygons.",
            )


def _draft() -> Draft:
    session = st.session_state.setdefault(_SESSION, f"{os.getpid()}-{secrets.token_hex(16)}")
    return imports.open_draft(visitor.owner(), session, now=time.time())


def _bring(draft: Draft) -> None:
    """The upload, or a path on the server where the operator opens a folder."""
    with sections(1)[0]:
        for problem in st.session_state.pop(_PROBLEMS, []):
            say.error(problem)
    files = st.file_uploader(
        f"A zip of images and labels, or the files themselves: at most {imports.UPLOAD_MEGABYTES} MB each",
        type=list(imports.TYPES),
        accept_multiple_files=True,
        max_upload_size=imports.UPLOAD_MEGABYTES,
        key=f"dataset_files_{st.session_state.get(_ROUND, 0)}",
    )
    if access.read_access().images is not None:
        _bring_path(draft)
    if files:
        try:
            _count_import()
            with st.spinner("Taking in the files …"):
                draft.bring([(file.name, file) for file in files])
        except DataError as error:
            st.session_state[_PROBLEMS] = [str(error)]
        finally:
            for file in files:
                visitor.forget_upload(file.file_id)
            st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
        st.session_state.pop(_SAVED, None)
        st.rerun()


def _bring_path(draft: Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Or a folder or zip on the server",
            placeholder="north/fields",
            help="A path inside the folder that the operator opened.",
            key="dataset_path",
        )
        if st.button("Read it", key="dataset_read", icon=":material/folder_open:") and text:
            _count_import()
            draft.bring_path(text)
            st.session_state.pop(_SAVED, None)
            st.rerun()


def _count_import() -> None:
    access.RATES.take(visitor.person(), "imports", access.read_access().imports_an_hour)


def _progress(draft: Draft) -> None:
    """How far it is, and the button that stops it; drawn again until it has ended."""
    with plainly():
        found = draft.state()
        if found.step not in ("waiting", "working"):
            if found.step == "saved":
                _note_saved(found.saved)
            st.rerun()
        what = f"Saving {draft.label}" if found.saving else f"Reading {draft.label}"
        if found.step == "waiting":
            say.info(f"{what}: others are before you.", icon=":material/schedule:")
        else:
            st.progress(found.share, text=plain(f"{what}: {found.doing}" if found.doing else what))
        st.button("Cancel", key="dataset_cancel", icon=":material/block:", on_click=draft.cancel)


def _note_saved(name: str) -> None:
    st.session_state[_SAVED] = name
    caching.forget_datasets()


def _failed(draft: Draft, found: imports.ImportState) -> None:
    say.error(found.error)
    with st.container(horizontal=True):
        if found.saving and draft.report() is not None:
            st.button("Back to what was found", key="dataset_back", icon=":material/undo:", on_click=draft.reopen)
        st.button("Bring another", key="dataset_discard", icon=":material/close:", on_click=draft.discard)


def _reported(draft: Draft) -> None:
    with plainly():
        edits, shared = draw_report(draft)
        if edits is not None:
            _count_import()
            draft.save(edits, shared=shared)
            st.rerun()


def _just_saved() -> None:
    """After a save: where to go from here."""
    name = st.session_state.get(_SAVED)
    saved = next((one for one in own_datasets.listing(visitor.owner()) if one.name == name), None)
    if saved is None:
        return
    next_step = "Train a teacher on it, with a small student behind it."
    if not saved.classes:
        next_step = "Choose it on Distill as pictures without labels, beside a dataset with labels."
    with st.container(border=True, key="dataset_saved"):
        say.titled(
            f"{saved.title} is saved",
            next_step,
            mark=":material/check_circle:",
        )
        if not saved.classes:
            if st.button("Distill with them", type="primary", icon=":material/science:", key="dataset_distill"):
                st.switch_page("views/distill/page.py", query_params={state.HAVE: "none", "transfer": str(name)})
        elif st.button("Train a teacher", type="primary", icon=":material/science:", key="dataset_train"):
            st.switch_page("views/distill/page.py", query_params={state.GOAL: "teacher", state.DATASET: str(name)})


if __name__ == "__main__":
    page(main)
