"""Bytes that a component fetches by itself once it has painted, so that they hold up nothing on their way."""

from streamlit import runtime


def address_of(data: bytes, *, key: str) -> str:
    """Where this session can fetch `data`, as it fetches the pictures of `st.image`; gone with the session.

    The address follows from both ends and the middle of large `data`: let it begin with what tells contents apart.
    `key` names the place on the page, which holds one such address at a time.
    """
    # Streamlit has no public call for this; the version is pinned in constraints.txt.
    address = runtime.get_instance().media_file_mgr.add(data, "application/octet-stream", key)
    # Every page is one step below the root, wherever that is.
    return address.lstrip("/")
