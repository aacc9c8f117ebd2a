"""Who is at the browser, and the door before everything else where the operator wants people to sign in."""

import streamlit as st

from app.components import say
from app.services.access import read_access
from app.visitor import person

__all__ = ["person", "signed_in"]


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
