"""Who is at the browser: one definition for rights and for limits, on every page."""

import time

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.services.access import Access, Person, email_of, read_access, signed_in_too_long
from app.services.uploads import OPEN_PIXELS, UPLOADS, Keeper

HERE = "this machine"
_KEEPER = "open_pixels"


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


def is_there() -> bool:
    """Whether a page is being drawn for somebody: before the first visitor the server looks at pictures for itself."""
    return get_script_run_ctx() is not None


def let_in(shown: bool) -> None:
    """Say whether pages are shown to this session: from now on it may upload, or no longer.

    The session's name and its uploads are told by nothing that Streamlit documents; its own handler of uploads refuses
    sessions that never were, and no more.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    session, files = context.session_id, context.uploaded_file_mgr
    if shown:
        UPLOADS.let_in(session, person().key, lambda names: [file.file_id for file in files.get_files(session, names)])
    else:
        UPLOADS.shut_out(session)


def forget_upload(file_id: str) -> None:
    """Give back the memory of an upload that was taken in; Streamlit would keep it until the session ends."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def hold_pixels(megapixels: float) -> None:
    """Count a decoded upload to this session. Raises `ImageError` when all sessions together hold too many."""
    OPEN_PIXELS.hold(st.session_state.setdefault(_KEEPER, Keeper()), megapixels)
