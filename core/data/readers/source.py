"""What a reader gives: the pictures of a source, how each one's labels are read, and the classes that it names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.classes import Colour

UNLABELLED = -1
"""In labels: nobody labelled this pixel."""
OUTSIDE = -2
"""In labels: no outline covers this pixel of a picture that was labelled by outlines."""

Part = Literal["train", "validate", "test"]
Coding = Literal["values", "colours", "names"]
"""What the codes of labels are: numbers of a mask, colours as 0xRRGGBB, or numbers that a reader gave to names."""


@dataclass(frozen=True)
class SourceClass:
    """A class as a source names it: its code in labels, its name, and its colour where the source has one."""

    code: int
    name: str
    colour: Colour | None = None


@dataclass(frozen=True)
class Listed:
    """A line of a list of classes that lies among the files: a name, and the value or colour that it has there."""

    name: str
    value: int | None = None
    colour: Colour | None = None


@dataclass(frozen=True)
class Labels:
    """The labels of one picture. `rows(top, bottom)` gives the codes int32 (bottom - top, width) of these rows."""

    height: int
    width: int
    rows: Callable[[int, int], NDArray[np.int32]]

    @classmethod
    def of(cls, codes: NDArray[np.int32]) -> "Labels":
        """Those of an array in memory.

        Args:
            codes: (H, W).
        """
        return cls(codes.shape[0], codes.shape[1], lambda top, bottom: codes[top:bottom])


@dataclass(frozen=True)
class SourcePicture:
    """A picture of a source.

    Attributes:
        path: the file; None where `content` gives its bytes.
        stem: its name in the dataset, different from all others; it never holds a slash.
        part: what it is for, where the source says so.
        labels: reads its labels, and raises `DataError` where they cannot be used; None: nobody labelled it.
        content: gives the bytes of a picture that lies inside another file.
    """

    path: Path | None
    stem: str
    part: Part | None = None
    labels: Callable[[], Labels] | None = None
    content: Callable[[], bytes] | None = None


@dataclass(frozen=True)
class Misfit:
    """Something in a source that cannot be used as it is. Those of one `kind` are told together.

    `kind` is a key of `core.data.readers.misfits.KINDS`, `name` of whom it is told, and `reason` the end of a sentence.
    """

    kind: str
    name: str
    reason: str = ""


@dataclass(frozen=True)
class Source:
    """All that a reader found, before any label is read.

    Attributes:
        title: the format, for people.
        pictures: in natural order of their stems.
        coding: what the codes of labels are.
        classes: those that the source names, with their codes; empty where it names none.
        listed: a list of classes beside masks whose values or colours it may tell.
        listed_in: the file that it stands in, where it is not part of the format.
        single: how the one class of masks is called that tell one thing from the rest; empty: nobody says it.
        jpeg: whether some of the masks are JPEG, which changes colours.
        notes: sentences on what was decided.
        misfits: what cannot be used.
        labelled_by: which model made the masks, where a `dataset.toml` among the files says it; empty: nobody says it.
        licence: of pictures and labels, where one says it.
        attribution: who made it, the same.
        margin: pixels between the parts of a picture that was cut, where a dataset of ours comes back; None: nobody
            says it.
    """

    title: str
    pictures: tuple[SourcePicture, ...]
    coding: Coding
    classes: tuple[SourceClass, ...] = ()
    listed: tuple[Listed, ...] = ()
    listed_in: str = ""
    single: str = ""
    jpeg: bool = False
    notes: tuple[str, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    labelled_by: str = ""
    licence: str = ""
    attribution: str = ""
    margin: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a person can say about how a source is read.

    Attributes:
        attribute: of polygons, the one that tells the class.
        area: a file of polygons; outside of them nothing is labelled.
        bands: how many bands the pictures have that are wanted, where there are several of one; 0: those in colours.
    """

    attribute: str | None = None
    area: str | None = None
    bands: int = 0
