"""A folder of a person's own: with the classes of the Dubai dataset, and its split where its parts are numbered."""

from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI

OWN_FOLDER = Dataset(
    name="folder",
    title="A folder of this server",
    short_title="Folder",
    classes=DUBAI.classes,
    split=DUBAI.split,
    needs_root=True,
)
