"""Widgets that Streamlit cannot keep in the link itself: menus, which show titles, and numbers that may be empty."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import state
from app.services.names import plain, shown


def linked_select(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    key: str | None = None,
    default: str | None = None,
    title: Callable[[str], str] = str,
    always: bool = False,
    gone: str | None = None,
    **more: Any,
) -> str:
    """A menu of one. `options` must not be empty; `default` is the first one where it is not given or not there.

    `always`: the link holds the default too, for menus whose first option changes. `gone` is said where the link names
    something that is no option.
    """
    key = key or name
    start = default if default in options else options[0]
    lost = state.gone(key, name, options)
    asked = state.linked(name)
    state.from_link(key, name, options, start)
    if lost:
        instead = f"{title(st.session_state[key])} is shown instead"
        state.miss(name, gone or f"The link asks for {label.lower()} {shown(asked)}, which is not here; {instead}.")
    chosen = str(st.selectbox(plain(label), options, format_func=title, key=key, **more))
    state.to_link(name, chosen, default=None if always else start)
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
    if state.gone(name, name, titles):
        asked = shown(state.linked(name))
        what = f"{asked} ({name})" if label.endswith("?") else f"{label.lower()} {asked}"
        state.miss(name, f"The link asks for {what}, which is not here; {titles[start]} is shown instead.")
    state.from_link(name, name, titles, start)
    chosen = st.segmented_control(
        plain(label),
        list(titles),
        required=True,
        format_func=lambda option: plain(titles[option]),
        key=name,
        on_change=on_change or "rerun",
        help=plain(help) if help else None,
    )
    state.to_link(name, str(chosen), default=start)
    return str(chosen)


def linked_multiselect(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    default: Sequence[str],
    most: int,
    title: Callable[[str], str] = str,
    **more: Any,
) -> list[str]:
    """A menu of several, `most` at a time."""
    state.many_from_link(name, name, options, default, most=most)
    chosen = st.multiselect(plain(label), options, format_func=title, key=name, max_selections=most, wrap=True, **more)
    state.to_link(name, chosen, default=list(default))
    return list(chosen)


def linked_number(label: str, *, name: str, default: int | None, step: int) -> int | None:
    """A whole number that may be left empty, which is None here and `none` in the link."""
    state.number_from_link(name, name, default)
    number = st.number_input(plain(label), value=None, step=step, key=name)
    state.to_link(name, _as_text(number), default=_as_text(default))
    return number


def _as_text(number: int | None) -> str:
    return state.NOTHING if number is None else str(number)
