"""The one file that uses what Streamlit does not document, because nothing that it documents gives the same.

Tested with the version that `constraints.txt` pins; docs/DEPENDENCIES.md says what each function needs and why.
"""

from collections.abc import Sequence

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx


def is_drawing() -> bool:
    """Whether this thread draws a page for a browser. The server also computes before its first visitor."""
    return get_script_run_ctx() is not None


def is_back_or_forward() -> bool:
    """Whether the browser's Back or Forward button asked for this page."""
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", False))


class SessionUploads:
    """The uploaded files that Streamlit keeps in memory for the session whose page this thread draws."""

    def __init__(self) -> None:
        context = get_script_run_ctx()
        if context is None:
            raise RuntimeError("No page is being drawn: ask `is_drawing` first.")
        self.session: str = context.session_id
        """The name that the session has in the address of its uploads, `/_stcore/upload_file/SESSION/FILE`."""
        self._files = context.uploaded_file_mgr

    def held(self, file_ids: Sequence[str]) -> list[str]:
        """Those of these files that the server still keeps. May be called from any thread."""
        return [file.file_id for file in self._files.get_files(self.session, file_ids)]

    def remove(self, file_id: str) -> None:
        """Give back the memory of a file; Streamlit would keep it until the session ends."""
        if isinstance(self._files, MemoryUploadedFileManager):
            self._files.remove_file(self.session, file_id)
