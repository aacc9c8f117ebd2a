"""Who is at the browser, and the door before everything else where the operator wants people to sign in."""

import secrets

import streamlit as st

from app.components import say
from app.services.access import Person, read_access

_KEY = "person"


def person() -> Person:
    """The e-mail address of who signed in; otherwise the network address, and on one's own machine the session."""
    session = st.session_state.setdefault(_KEY, secrets.token_hex(8))
    email = st.user.get("email") if st.user.get("is_logged_in") else None
    return Person(st.context.ip_address or session, str(email) if email else None)


def signed_in() -> bool:
    """Whether pages may be shown. Draws the request to sign in where they may not, and the way out where they may."""
    if not read_access().sign_in:
        return True
    if st.user.get("is_logged_in"):
        with st.sidebar:
            say.caption(f"Signed in as {person().email or 'somebody without an address'}.")
            st.button("Sign out", key="sign_out", icon=":material/logout:", on_click=st.logout)
        return True
    with st.container(border=True):
        st.title("Terrastill", anchor=False)
        st.write("This server asks who you are before it shows anything.")
        st.button("Sign in", key="sign_in", type="primary", icon=":material/login:", on_click=st.login)
    return False
