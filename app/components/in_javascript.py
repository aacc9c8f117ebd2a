"""Parts of pages that the browser draws: each mounts a module of `app/web/` and says what comes back from it."""

from typing import Any

import streamlit as st

from app.web_modules import script, styles

_PART_KEY = "map_close_look"
_SOFTENER_KEY = "temperature_view"

_history = st.components.v2.component(
    "terrastill.history", html="<span hidden></span>", js=script("history/history.mjs")
)
_close_look = st.components.v2.component(
    "terrastill.close_look",
    html='<div class="close-look"></div>',
    css=styles("close_look/close_look.css"),
    js=script("close_look/close_look.mjs"),
)
_temperature = st.components.v2.component(
    "terrastill.temperature",
    html='<div class="temperature"></div>',
    css=styles("temperature/temperature.css"),
    js=script("temperature/temperature.mjs"),
)
_in_browser = st.components.v2.component(
    "terrastill.in_browser",
    html='<div class="in-browser"></div>',
    css=styles("in_browser/in_browser.css"),
    js=script("in_browser/in_browser.mjs"),
)


def history() -> None:
    """Back and Forward of the browser go by what a person did, not by every part of a link that a page sets itself.

    Takes effect for the whole visit; shows nothing.
    """
    _history(key="history")


def asked_part(name: str) -> Any:
    """What the browser last asked for of the picture of this name: a rectangle in its pixels, or None."""
    part = (st.session_state.get(_PART_KEY) or {}).get("part")
    return part if isinstance(part, dict) and part.get("of") == name else None


def close_look(payload: bytes) -> Any:
    """A large picture under its mask: all of it at first, and the file's own pixels where somebody zooms in.

    Args:
        payload: what `services.map_views.pack` gave.
    """
    return _close_look(key=_PART_KEY, data=payload, on_part_change=lambda: None)


def softener(payload: bytes) -> Any:
    """What temperature does to a teacher's answers, pixel by pixel, worked out in the browser.

    Args:
        payload: what `services.softening.pack` gave.

    Returns:
        `.place` is the window to show next, `.temperature` what was set.
    """
    return _temperature(
        key=_SOFTENER_KEY, data=payload, on_place_change=lambda: None, on_temperature_change=lambda: None
    )


def in_browser(payload: dict[str, Any]) -> None:
    """An exported model at work in the visitor's own browser: nothing that is dropped here leaves their machine.

    Args:
        payload: what `services.exports.for_browser` gave.
    """
    _in_browser(key="in_browser", data=payload)
