"""A teacher's answers as a dataset: which model, which images, how sure; how far the job is, and what came of it."""

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.guard import plainly
from app.components.linked import linked_select
from app.services import access, artifacts, mask_jobs, picture_collections
from app.services.artifacts import Model
from app.services.mask_jobs import MaskJob, MaskRequest, PictureSource
from app.services.names import plain

_OWN = "own"
_TICK_SECONDS = 1.0


def draw_pseudo_masks() -> None:
    """The job that is at work or ended, else the form."""
    who = visitor.person()
    job = mask_jobs.job(who)
    if job is not None and job.running:
        st.fragment(run_every=_TICK_SECONDS)(_progress)()
        return
    if job is not None:
        _ended(job)
    models = artifacts.models(visitor.owner())
    if not models:
        return
    asked = state.linked(state.MASKS_OF)
    with st.expander("Masks by a teacher", icon=":material/brush:", expanded=bool(asked), key="pseudo_masks"):
        st.caption(
            "A model answers on images without labels, and its answers are saved as masks: to train on here, or to "
            "take away as a zip of images, masks of class numbers and their names."
        )
        _form(models)


def _form(models: dict[str, Model]) -> None:
    own = visitor.workspace().pictures
    titles = picture_collections.titles(visitor.owner())
    if own:
        titles[_OWN] = f"Your images ({len(own)})"
    left, middle, right = st.columns([1.2, 1.2, 0.8], gap="medium")
    with left:
        model = linked_select(
            "Teacher", list(models), name=state.MASKS_OF, default="teacher", title=lambda name: models[name].label
        )
    with middle:
        chosen = st.selectbox("Images", list(titles), format_func=lambda name: titles[name], key="masks_images")
        folder = ""
        if chosen == picture_collections.FOLDER:
            folder = st.text_input("Folder on this server", key="masks_folder", placeholder="north/fields")
    with right:
        setting = mask_jobs.SETTINGS["confidence"]
        confidence = st.number_input(
            plain(setting.label),
            value=mask_jobs.USUAL_CONFIDENCE,
            step=setting.step,
            format="%g",
            help=plain(setting.help),
            key="masks_confidence",
        )
    title = st.text_input(
        "Name of the dataset", value=f"{titles[chosen].split(' (')[0]}, {models[model].title}"[:60], max_chars=60
    )
    flips = mask_jobs.SETTINGS["flips"]
    averaged = st.toggle(plain(flips.title), help=plain(flips.help), key="masks_flips")
    shared = st.toggle("Let everybody use it", key="masks_shared")
    if st.button("Make the masks", type="primary", icon=":material/brush:", key="masks_start"):
        with plainly():
            source = _source(chosen, folder)
            mask_jobs.start(MaskRequest(model, source, title, confidence, averaged, shared), visitor.person())
            st.rerun()


def _source(chosen: str, folder: str) -> PictureSource:
    if chosen == _OWN:
        return PictureSource(files=tuple((own.name, str(own.path)) for own in visitor.workspace().pictures))
    if chosen == picture_collections.FOLDER:
        access.opened_path(folder)
        return PictureSource(folder=folder.strip() or ".")
    return PictureSource(dataset=chosen)


def _progress() -> None:
    """How far it is, and the button that stops it; drawn again until it has ended."""
    with plainly():
        job = mask_jobs.job(visitor.person())
        if job is None or not job.running:
            caching.forget_datasets()
            st.rerun()
        now = job.progress
        st.progress(now.share, text=plain(f"Masks: {now.doing}" if now.doing else "Masks: starting"))
        st.button(
            "Cancel",
            key="masks_cancel",
            icon=":material/block:",
            on_click=mask_jobs.cancel,
            args=(visitor.person(),),
        )


def _ended(job: MaskJob) -> None:
    """What came of it, until the visitor closes it or starts another."""
    with st.container(border=True, key="masks_ended"):
        if job.error is not None:
            say.error(job.error)
        else:
            first, *others = job.told
            say.titled("The masks are made: they are below, with a zip to take away", first, *others)
        st.button(
            "Close", key="masks_close", icon=":material/close:", on_click=mask_jobs.dismiss, args=(visitor.person(),)
        )
