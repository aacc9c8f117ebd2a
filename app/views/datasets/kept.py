"""Widgets of the page Datasets that remember what they held when a draft was last open."""

from typing import Any

import streamlit as st

from app.services.imports import Draft


def kept_key(draft: Draft, name: str, default: Any) -> str:
    """The key of a widget, which starts with what it held when the draft was last open, else with `default`."""
    key = f"ds_{draft.record.get('id', '')}_{name}"
    if key not in st.session_state:
        st.session_state[key] = draft.settings.get(name, default)
    return key
