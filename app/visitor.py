"""Who is at the browser: one definition for rights and for limits, on every page."""

import streamlit as st

from app.services.access import Person

HERE = "this machine"


def person() -> Person:
    """The e-mail address of who signed in, and the network address: `app/web_limits.py` has seen to it.

    Everybody at the server's own machine who has not signed in is one person, however many tabs there are.
    """
    email = st.user.get("email") if st.user.get("is_logged_in") else None
    return Person(str(st.context.ip_address or HERE), str(email) if email else None)
