"""One button for every page: a report that opens offline."""

from collections.abc import Callable

import streamlit as st

from app.services.names import plain, stem


def report_button(build: Callable[[], str], *, name: str, key: str, label: str = "Report") -> None:
    """Download what `build` gives (one HTML file, see `services.report`) as NAME.html; built when it is asked for."""
    st.download_button(
        plain(label),
        data=lambda: build().encode(),
        file_name=f"{stem(name)}.html",
        mime="text/html",
        icon=":material/description:",
        on_click="ignore",
        help="One HTML file with pictures, plots, tables and settings. It opens without a network.",
        key=key,
    )
