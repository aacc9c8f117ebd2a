"""Masks over a picture, compared and measured in the browser: nothing that is done in it needs a rerun."""

import streamlit as st

from app import state
from app.services.deferred import DEFERRED
from app.services.overlays import Packed, frame
from app.services.visitors import visitor_of
from app.web_modules import script, styles
from app.web_routes import address

_mount = st.components.v2.component(
    "terrastill.viewer",
    html='<div class="viewer"></div>',
    css=styles("viewer/viewer.css", "numbers/numbers.css"),
    js=script("viewer/viewer.mjs"),
)

_KEY = "viewer"
_INITIAL = "viewer_initial"
_OFFER = "viewer_offer"


@st.fragment
def viewer(packed: Packed) -> None:
    """Show what `services.overlays.pack` gave. The link follows what people set in it, without a run of the page."""
    # Read from the link when the viewer appears or a link is followed, then kept: a payload that changed with every
    # touch would travel again. The browser starts anew with another `link`.
    if _KEY not in st.session_state or _INITIAL not in st.session_state or state.went_back():
        palette = state.shown().palette
        state.choose_palette(palette)
        link = st.session_state.get(_INITIAL, {}).get("link", 0) + 1
        st.session_state[_INITIAL] = {**state.viewer_state(), "colours": palette, "link": link}
    session = frame({**st.session_state[_INITIAL], "shares": _address(packed)})
    _mount(key=_KEY, data=session + packed.first, on_view_change=_remember)


def _address(packed: Packed) -> str:
    """Where this visitor's browser fetches the shares; as long as this session shows nothing else here."""
    offer = DEFERRED.offer(
        packed.shares,
        identity=packed.identity,
        visitor=visitor_of(st.context.cookies),
        held=st.session_state.get(_OFFER),
    )
    st.session_state[_OFFER] = offer
    return address(offer)


def _remember() -> None:
    state.remember_viewer(st.session_state[_KEY].get("view"))
