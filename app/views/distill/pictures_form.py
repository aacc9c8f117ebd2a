"""Pictures without labels, which the student learns from the teacher on: a dataset's, a folder's, or a person's own."""

from collections.abc import Sequence

import streamlit as st

from app import state, visitor
from app.components import say
from app.components.guard import plainly
from app.components.linked import linked_select
from app.components.own_upload import own_upload
from app.services import own_pictures, workspaces
from app.services.datasets import DatasetChoice
from app.services.names import plain
from app.services.run_settings import FOLDER, TRANSFER_FOLDER, setting_of

_OWN = "own"


def transfer_field(choices: Sequence[DatasetChoice], *, dataset: str, needed: bool) -> dict[str, str | None]:
    """The menu of pictures without labels, and what belongs to its answer; nothing where there are none yet.

    Args:
        choices: The datasets that this visitor may use.
        dataset: The one that the run learns from with its labels.
        needed: Whether the run makes no sense without others than those of the dataset.
    """
    own = visitor.workspace().pictures
    mine = {_OWN: f"Your images ({len(own)})"}
    titles = mine if needed else {state.NOTHING: "None but those of the dataset"} | mine
    here = [choice for choice in choices if not choice.missing and not choice.needs_root]
    titles |= {choice.name: choice.title for choice in here if not (needed and choice.name == dataset)}
    if any(choice.needs_root for choice in choices):
        titles[FOLDER] = "A folder on this server"
    setting = setting_of("transfer")
    chosen = linked_select(
        setting.title, list(titles), name="transfer", title=titles.__getitem__, help=plain(setting.help)
    )
    if chosen == _OWN:
        return {"transfer": _own(dataset)}
    if chosen == FOLDER:
        return {"transfer": st.text_input("Folder with images/", key=TRANSFER_FOLDER, bind="query-params").strip()}
    return {"transfer": None if chosen == state.NOTHING else chosen}


def _own(dataset: str) -> str | None:
    """The upload, and the visitor's images as a dataset of theirs; None while there are none."""
    workspace = visitor.workspace()
    most = f"PNG, JPEG, TIFF or a zip of them: {workspaces.MOST_FILES} images at most"
    if own_upload(workspace, key="distill_own", label=most):
        st.rerun()
    if not workspace.pictures:
        return None
    say.caption("They are copied for the run; the page Datasets lists the copies and deletes them.")
    with plainly():
        return own_pictures.as_dataset(workspace.pictures, dataset, visitor.person())
    return None
