"""Menus whose choice is kept in the link by name, while they show titles."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import state


def linked_select(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    key: str | None = None,
    default: str | None = None,
    title: Callable[[str], str] = str,
    **more: Any,
) -> str:
    """A menu of one. `options` must not be empty; `default` is the first one where it is not given or not there."""
    key = key or name
    start = default if default in options else options[0]
    state.from_link(key, name, options, start)
    chosen = str(st.selectbox(label, options, format_func=title, key=key, **more))
    state.to_link(name, chosen, default=start)
    return chosen


def linked_segments(
    label: str,
    titles: dict[str, str],
    *,
    name: str,
    on_change: Callable[[], None] | None = None,
    help: str | None = None,  # noqa: A002
) -> str:
    """A row of buttons of which one is chosen, from titles by name; the first is the default."""
    start = next(iter(titles))
    state.from_link(name, name, titles, start)
    chosen = st.segmented_control(
        label, list(titles), required=True, format_func=titles.get, key=name, on_change=on_change or "rerun", help=help
    )
    state.to_link(name, str(chosen), default=start)
    return str(chosen)


def linked_multiselect(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    default: Sequence[str],
    title: Callable[[str], str] = str,
    **more: Any,
) -> list[str]:
    """A menu of several."""
    state.many_from_link(name, name, options, default)
    chosen = st.multiselect(label, options, format_func=title, key=name, **more)
    state.to_link(name, chosen, default=list(default))
    return list(chosen)
