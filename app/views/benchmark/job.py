"""A benchmark at work: how far it is, and stopping it. It moves by itself."""

import streamlit as st

from app.components import say
from app.components.guard import plainly
from app.components.sign_in import person
from app.services import benchmarks
from app.services.names import plain

_TICK_SECONDS = 1.5


def benchmark_job() -> bool:
    """Draw the benchmark that was started last, if its result is not there yet. True while it runs."""
    job = benchmarks.job(person().folder)
    if job is None:
        return False
    st.fragment(run_every=_TICK_SECONDS if job.running else None)(_draw)(job.running)
    return job.running


def _draw(running: bool) -> None:
    with plainly():
        job = benchmarks.job(person().folder)
        if job is None or job.running != running:
            # The form and the list of results outside this part depend on it.
            st.rerun()
        if not job.running:
            say.error(job.problem or "The benchmark ended without a word.")
            if st.button("Dismiss", key="dismiss"):
                benchmarks.dismiss(person())
                st.rerun()
            return
        now = job.progress
        with st.container(horizontal=True, vertical_alignment="center"):
            doing = f"{now.doing or 'Starting'} · step {min(now.done + 1, now.total)} of {now.total}"
            st.progress(now.share, text=plain(doing))
            if st.button("Stop", icon=":material/block:", key="stop"):
                benchmarks.cancel(job.id, person())
