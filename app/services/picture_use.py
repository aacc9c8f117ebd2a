"""Which of a model's pictures a picture was: one that it learned from, one that chose it, or one that it never saw."""

from typing import Literal

from app.services.artifacts import Model
from app.services.datasets import Picture
from core.data.datasets import known as known_datasets
from core.data.scene import digest

Use = Literal["train", "val", "test", "new", ""]
"""`new`: the card names the model's data, and the picture is not among them. Empty: nobody can tell."""

TITLES: dict[Use, str] = {
    "train": "training picture",
    "val": "validation picture",
    "test": "test picture",
    "new": "test picture",
    "": "",
}
_REASONS: dict[Use, str] = {
    "train": "{title} learned from it, so its scores here are higher than on pictures that it never saw",
    "val": "{title} did not learn from it, but its best epoch was chosen on such pictures",
    "test": "kept from {title} while it was trained",
    "new": "not among the data of {title}",
    "": "",
}


def use_of(picture: Picture, model: Model, *, drawn: dict[str, str] | None = None) -> Use:
    """What the picture was for the model.

    Args:
        picture: Any. It is known by its pixels where the card lists the pictures of the model, whatever it is called.
        model: With what its card says.
        drawn: Use by name of picture, where the split of the model's dataset was drawn (`drawn_split`). It serves cards
            that list nothing.

    Returns:
        See `Use`.
    """
    known = model.trained_on
    found = digest(picture.image) if known.pictures else ""
    for use, digests in known.pictures:
        if found in digests and use in ("train", "val", "test"):
            return use  # type: ignore[return-value]
    if known.pictures:
        return "new"
    if not known.dataset or picture.private or not picture.dataset:
        return ""
    if picture.dataset != known.dataset:
        return "new" if _is_fixed(picture.dataset) and _is_fixed(known.dataset) else ""
    if known.split != "by-image":
        return "train"
    named = picture.use or (drawn or {}).get(picture.name, "")
    return named if named in ("train", "val", "test") else ""  # type: ignore[return-value]


def drawn_split(model: Model) -> dict[str, str]:
    """Use by name of the pictures of the model's dataset, for a card that lists none and a split that is drawn.

    Reads the dataset; empty where nothing is drawn. Raises `DataError`.
    """
    from core.config import DataConfig
    from core.data import open_split

    known = model.trained_on
    dataset = known_datasets().get(known.dataset)
    if known.pictures or dataset is None or dataset.needs_root or dataset.split is not None or not dataset.is_here():
        return {}
    split = open_split(DataConfig(dataset.name))[1]
    parts = (("train", split.train), ("val", split.val), ("test", split.test))
    return {scene.name: use for use, scenes in parts for scene in scenes}


def is_test(use: Use) -> bool:
    """Whether a score on such a picture tells how a model does on pictures that it never saw."""
    return use in ("test", "new")


def sentence(use: Use, model: Model) -> str:
    """`Test picture of student: kept from student while it was trained.`; empty where nobody can tell."""
    if not use:
        return ""
    title = TITLES[use]
    return f"{title[:1].upper()}{title[1:]} of {model.title}: {_REASONS[use].format(title=model.title)}."


def _is_fixed(dataset: str) -> bool:
    """Whether the name always means the same pictures: a folder's does not."""
    found = known_datasets().get(dataset)
    return found is not None and not found.needs_root
