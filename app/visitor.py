"""Who is at the browser: one definition for rights and for limits, on every page."""

import time

import streamlit as st

from app.services.access import Access, Person, email_of, read_access, signed_in_too_long

HERE = "this machine"


def person() -> Person:
    """The verified e-mail address of who signed in, and the network address: `app/web_limits.py` has seen to it.

    Everybody at the server's own machine who has not signed in is one person, however many tabs there are.
    """
    address = str(st.context.ip_address or HERE)
    if not st.user.get("is_logged_in"):
        return Person(address)
    access = read_access()
    return Person(address, email_of(st.user, access) if is_known(access) else None)


def is_known(access: Access | None = None) -> bool:
    """Whether somebody signed in, and not too long ago."""
    signed_in = bool(st.user.get("is_logged_in"))
    return signed_in and not signed_in_too_long(st.user, access or read_access(), now=time.time())
