"""The server: `python -m streamlit run app/main.py` from the project's root. The pages begin in shell.py."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from app.services import inference, workers
from app.state import report_script_error


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Warm up beside the first visitor's page load, and pick up runs that a stopped machine left in the queue."""
    threading.Thread(target=inference.warm_up, name="warm-up", daemon=True).start()
    workers.resume_queue()
    yield


app = st.App("shell.py", lifespan=lifespan, on_script_error=report_script_error)
