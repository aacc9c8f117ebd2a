"""Search: given a budget, which student? Ask for a search, follow it, and take what it found."""

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.empty import empty_state
from app.components.guard import page, plainly
from app.components.linked import linked_select
from app.components.report_button import report_button
from app.components.sections import sections
from app.components.sign_in import person
from app.services import artifacts, search_access, search_report, searches, workers
from app.services.names import plain
from app.services.searches import Standing
from app.views.search.form import continue_form, search_form
from app.views.search.maps import maps
from app.views.search.results import results


def main() -> None:
    st.title("Search", anchor=False)
    st.caption("Given a budget, which student? Settings are tried as runs, and what is found is confirmed at the end.")
    models = artifacts.models(visitor.owner())
    if not models:
        empty_state("No teacher yet", "A search needs a trained model. Put the shipped ones back into `checkpoints/`.")
        return
    names = searches.names(visitor.owner())
    with st.expander("New search", icon=":material/search:", expanded=not names):
        search_form(models)
    found = None
    shown, below = sections(2)
    if names:
        with shown:
            found = _shown(names)
    with below:
        maps(found)


def _shown(names: list[str]) -> Standing | None:
    """The search that is chosen of these; None where it cannot be read, which is told."""
    found = None
    name = linked_select(
        "Search",
        names,
        name=state.SEARCH,
        always=True,
        gone="That search is gone. The newest one is shown instead.",
        width=420,
    )
    with plainly():
        version = searches.version(name)
        found = caching.search(name, version)
        _one(found, version)
    return found


def _one(found: Standing, version: tuple[str, ...]) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            say.header(found.search.name, width="content")
            _actions(found)
        going, told, below = sections(3)
        if searches.active(found):
            with going:
                st.fragment(run_every=_TICK_SECONDS)(_live)(found.search.name, version)
        with told:
            _tell(found)
        with below:
            results(found, version)


def _tell(found: Standing) -> None:
    """What went wrong, and what to think of its figures."""
    if found.search.error:
        say.error(found.search.error)
    if any(one.disturbed for one in found.figures.values()):
        say.caption("Others kept this machine busy while latency was measured: it is the processor's time for a pass.")
    if found.never_trained:
        texts = [f"{size}: {why}" for size, why in found.never_trained.items()]
        say.info("Never trained, because measured to be over a limit:", *texts)


_TICK_SECONDS = 2.0


def _live(name: str, version: tuple[object, ...]) -> None:
    """How far the search is. When something else than that has changed, the page is drawn again."""
    with plainly():
        if searches.version(name) != version:
            st.rerun()
        now, told, stopping = searches.live(name)
        if now.final:
            return
        words = "Stopping" if stopping else told.doing or "Waits for a worker"
        st.progress(told.share, text=plain(f"{words} · {told.done} of {told.total}" if told.total else words))


def _actions(found: Standing) -> None:
    name = found.search.name
    with st.container(horizontal=True, width="content"), plainly():
        if searches.active(found):
            if st.button("Stop", icon=":material/block:", key="search_stop", disabled=found.search.cancel_requested):
                searches.stop(name, person())
                st.rerun()
        else:
            with st.popover("Continue", icon=":material/play_arrow:"):
                wanted = continue_form(found)
                if st.button("Continue the search", type="primary", key="search_continue"):
                    searches.go_on(name, person(), **wanted)
                    workers.start_worker(person())
                    st.rerun()
            with st.popover("Delete", icon=":material/delete:"):
                st.write("This removes the search, its runs and their students for good.")
                if st.button("Delete for good", type="primary", key="search_delete"):
                    searches.delete(name, person())
                    st.query_params.pop(state.SEARCH, None)
                    st.session_state.pop(state.SEARCH, None)
                    st.rerun()
        if (shared := search_access.sharing(found, person().folder)) is not None:
            label, icon = ("Make private", ":material/lock:") if shared else ("Share", ":material/group:")
            if st.button(plain(label), icon=icon, key="search_share", help="It learns from a model of yours."):
                search_access.share(name, not shared, person())
                st.rerun()
        report_button(lambda: search_report.of_search(found), name=f"search-{name}", key="search_report")


if __name__ == "__main__":
    page(main)
