"""The upload of own images, for every page that takes them: they lie in the visitor's folder, not in the session."""

from typing import Any

import streamlit as st

from app.components import say
from app.services import workspaces
from app.services.names import plain
from app.services.workspaces import Workspace
from app.visitor import forget_upload
from core.errors import ImageError

_ROUND, _PROBLEMS = "own_upload_round", "own_upload_problems"


def own_upload(workspace: Workspace, *, key: str, label: str) -> bool:
    """Draw it, take in what was chosen, and say what was refused. True where images came in: run the page anew."""
    files = st.file_uploader(
        plain(label),
        type=list(workspaces.TYPES),
        accept_multiple_files=True,
        max_upload_size=workspaces.UPLOAD_MEGABYTES,
        # A new key empties the widget: what it held lies in the workspace, and not in memory twice.
        key=f"{key}_{st.session_state.get(_ROUND, 0)}",
    )
    if files:
        _take(workspace, files)
        st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
        return True
    for problem in st.session_state.pop(_PROBLEMS, []):
        say.error(problem)
    return False


def _take(workspace: Workspace, files: list[Any]) -> None:
    """Each upload into the workspace; what is refused is told after the widget is drawn anew."""
    problems = []
    with st.spinner("Taking in the images …"):
        for file in files:
            try:
                workspace.add(file.name, file.getvalue())
            except ImageError as error:
                problems.append(str(error))
            forget_upload(file.file_id)
    st.session_state[_PROBLEMS] = problems
