"""Who is at the browser: one definition for rights and for limits, on every page."""

import time

import streamlit as st

from app import streamlit_private
from app.services.access import Access, Person, email_of, read_access, signed_in_too_long
from app.services.uploads import OPEN_PIXELS, UPLOADS, SessionPixels
from app.services.visitors import folder_name
from app.services.workspaces import Workspace, open_workspace

HERE = "this machine"
_KEEPER = "open_pixels"
_WORKSPACE = "session_workspace"


def owner() -> str | None:
    """By what the datasets of who is at the browser are theirs; None: they cannot be known again."""
    return person().folder


def person() -> Person:
    """The verified e-mail address of who signed in, and the network address: `app/web_limits.py` has seen to it.

    Everybody at the server's own machine who has not signed in is one person, however many tabs there are.
    """
    address = str(st.context.ip_address or HERE)
    email = None
    if st.user.get("is_logged_in"):
        access = read_access()
        email = email_of(st.user, access) if is_known(access) else None
    return Person(address, email, folder_name(st.context.cookies, email))


def workspace() -> Workspace:
    """The folder for own images of who is at the browser; without a cookie, that of the session."""
    name = folder_name(st.context.cookies, person().email)
    if name is not None:
        return open_workspace(name, now=time.time())
    if _WORKSPACE not in st.session_state:
        st.session_state[_WORKSPACE] = open_workspace()
    found: Workspace = st.session_state[_WORKSPACE]
    return found


def is_known(access: Access | None = None) -> bool:
    """Whether somebody signed in, and not too long ago."""
    signed_in = bool(st.user.get("is_logged_in"))
    return signed_in and not signed_in_too_long(st.user, access or read_access(), now=time.time())


def let_in(shown: bool) -> None:
    """Note whether pages are shown to this session: from now on it may upload, or no longer.

    Streamlit's own handler of uploads refuses sessions that do not exist, and no more.

    Args:
        shown: Whether its person may see pages.
    """
    if not streamlit_private.is_drawing():
        return
    uploads = streamlit_private.SessionUploads()
    if shown:
        UPLOADS.let_in(uploads.session, person().key, uploads.held)
    else:
        UPLOADS.shut_out(uploads.session)


def forget_upload(file_id: str) -> None:
    """Give back the memory of an upload that was taken in; Streamlit would keep it until the session ends."""
    if streamlit_private.is_drawing():
        streamlit_private.SessionUploads().remove(file_id)


def hold_pixels(megapixels: float) -> None:
    """Count a decoded upload to this session, which keeps the last two.

    Args:
        megapixels: Of the picture, above 0.

    Raises:
        ImageError: All sessions together hold too many.
    """
    OPEN_PIXELS.hold(st.session_state.setdefault(_KEEPER, SessionPixels()), megapixels)
