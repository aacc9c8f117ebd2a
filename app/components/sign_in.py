"""Who is at the browser, and whether pages are shown to them where the operator wants people to sign in."""

import streamlit as st

from app.components import say
from app.services.access import may, read_access
from app.visitor import is_known, person

__all__ = ["person", "signed_in", "stop_if_signed_out"]

_ENDED = "You are no longer signed in, or may not see this server any more: reload this page."


def signed_in() -> bool:
    """Whether pages may be shown. Draws the request to sign in where they may not, and the way out where they may."""
    if not read_access().asks:
        return True
    if not is_known():
        _ask("This server asks who you are before it shows anything.")
        return False
    if not may(person(), "view"):
        _not_listed()
        return False
    with st.sidebar:
        say.caption(f"Signed in as {person().email or 'somebody without a verified address'}.")
        _sign_out()
    return True


def stop_if_signed_out() -> None:
    """Draw nothing more when this page may not be shown any longer: parts that move by themselves ask each time."""
    access = read_access()
    if access.asks and not (is_known() and may(person(), "view", access)):
        say.warning(_ENDED)
        st.stop()


def _ask(why: str) -> None:
    with st.container(border=True):
        st.title("Terrastill", anchor=False)
        say.text(why)
        if st.user.get("is_logged_in"):
            say.caption("You signed in too long ago, or your provider does not say when: sign in again.")
        st.button("Sign in", key="sign_in", type="primary", icon=":material/login:", on_click=st.login)


def _not_listed() -> None:
    """Somebody whose address is not on the list, or is not known to be theirs."""
    with st.container(border=True):
        st.title("Terrastill", anchor=False)
        if person().email is None:
            say.text("Your provider does not call your e-mail address verified: verify it there, or ask the operator.")
        else:
            say.text(f"This server shows nothing to {person().email}: ask its operator.")
        _sign_out()


def _sign_out() -> None:
    st.button("Sign out", key="sign_out", icon=":material/logout:", on_click=st.logout)
