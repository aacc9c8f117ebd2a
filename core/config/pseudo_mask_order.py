"""What is asked for where a model's answers are to be a dataset."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.config.fields import problems_of, setting
from core.errors import ConfigError


@dataclass(frozen=True)
class PictureSource:
    """Where pictures without labels come from: one of the three.

    Attributes:
        dataset: the name of a dataset; its own masks are not used.
        folder: one that holds pictures, or images/ with pictures.
        opened: the folder that the operator opened, where a visitor named `folder`.
        files: of a visitor's own pictures the name that is shown, and the path.
    """

    dataset: str = ""
    folder: str = ""
    opened: str | None = None
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PseudoMaskOrder:
    """A dataset of pseudo-masks: the classes that `model` gives to the pictures, where it is sure enough.

    Attributes:
        model: by a name that `core.cards.resolve` knows.
        source: the pictures.
        name: of the new dataset.
        title: what menus call it; empty: made of the source and the model.
        licence: of the pictures; empty: that of their dataset.
        attribution: who made the pictures; empty: as their dataset says.
        confidence: the least probability of the likeliest class, 0 to 1; other pixels are unlabelled.
        flips: whether answers to mirror images are averaged.
        device: where the model runs.
    """

    model: str
    source: PictureSource
    name: str
    title: str = ""
    licence: str = ""
    attribution: str = ""
    confidence: float = setting(
        0.9,
        "Least confidence",
        "Pixels whose likeliest class has a smaller probability than this are left unlabelled: nothing learns from "
        "them. 0 keeps every pixel.",
        low=0,
        high=1,
        step=0.05,
    )
    flips: bool = setting(
        False, "Average over mirror images", "The model answers to four mirror images of each: four times the time."
    )
    device: str = "auto"

    def validate(self) -> "PseudoMaskOrder":
        """Give itself back. Raises `ConfigError` for a confidence out of range, or not one source of pictures."""
        found = problems_of(self)
        if sum(map(bool, (self.source.dataset, self.source.folder, self.source.files))) != 1:
            found.append("Say which pictures: a dataset by its name, or a folder.")
        if found:
            raise ConfigError(found)
        return self

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PseudoMaskOrder":
        """From JSON values."""
        source = dict(data["source"])
        files = tuple((str(name), str(path)) for name, path in source.pop("files"))
        return cls(**{**data, "source": PictureSource(**source, files=files)})
