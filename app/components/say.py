"""Sentences on a page that may hold text from outside: a run's name, a file's, the message of an error, a log's line.

Streamlit reads what it is given as Markdown, so a name could draw a picture from elsewhere or a link in our own red
box. Here every text is shown as it is written (`services.names`). Streamlit's own functions are for sentences that we
wrote ourselves; tests/test_architecture.py sees to that. Several texts become several lines.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from app.services.names import cell, plain

BadgeColour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "grey", "primary"]


def error(*texts: str) -> None:
    st.error(plain(*texts), icon=":material/error:")


def warning(*texts: str, icon: str = ":material/warning:") -> None:
    st.warning(plain(*texts), icon=icon)


def info(*texts: str, icon: str = ":material/info:") -> None:
    st.info(plain(*texts), icon=icon)


def success(*texts: str, icon: str = ":material/check_circle:") -> None:
    st.success(plain(*texts), icon=icon)


def caption(*texts: str, **more: Any) -> None:
    st.caption(plain(*texts), **more)


def text(*texts: str) -> None:
    st.markdown(plain(*texts))


def titled(title: str, *texts: str, mark: str = "") -> None:
    """A title in bold, after one of Streamlit's icons if wanted, and lines below it."""
    bold = f"**{plain(title)}**"
    st.markdown("  \n".join([f"{mark} {bold}".strip(), *map(plain, texts)]))


def own_markup(markdown: str) -> None:
    """Markdown that we wrote ourselves, and that holds nothing from outside."""
    st.markdown(markdown)


def header(title: str, **more: Any) -> None:
    st.header(plain(title), anchor=False, **more)


def table(rows: Sequence[Mapping[str, Any]], **more: Any) -> Any:
    """`st.dataframe` of plain values, a dash for what is not known.

    It can be saved as CSV, so no text in it may begin like a formula.
    """
    return st.dataframe(table_rows(rows), **{"placeholder": "–"} | more)


def table_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with each text in them, and each column's name, made harmless; numbers stay as they are."""
    titles = {name: cell(name) for row in rows for name in row}
    return [
        {titles[name]: cell(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows
    ]
