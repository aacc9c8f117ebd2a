"""What was found in a dataset that a visitor brought, and what becomes of it with the classes and remedies they chose.

All of it is counted from the report of `core.data.import_process`, so a change on the page reads nothing anew.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.classes import UNLABELLED_COLOUR, Colour
from core.data.cut_blocks import LEAST_SIDE, Block, Box, blocks_of, labelled_box
from core.data.import_order import SEEN
from core.errors import ConfigError, DataError

Part = Literal["train", "validate", "test"]
PARTS: dict[Part, str] = {"train": "Training", "validate": "Validation", "test": "Test"}
_FOR_COMMANDS = re.compile(r" \(--[^)]*\)|: name them by --map[^.]*")
SPLITS = {"own": "As its folders say", "drawn": "Drawn at random", "blocks": "Blocks of each image"}
_LITTLE, _FEW, _LEAST_DRAWN = 0.05, 8, 3


@dataclass(frozen=True)
class FoundPicture:
    """A picture that was read: pixels and a box by code, and what resampling its mask mends."""

    stem: str
    height: int
    width: int
    labelled: bool
    part: Part | None
    counts: Mapping[int, int]
    misfit: str | None
    metres: float | None
    boxes: Mapping[int, Box] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportReport:
    """All that was found. `seen` are the sizes of the small pictures, `path` the file that says it."""

    path: Path
    title: str
    notes: tuple[str, ...]
    proposal: Any
    pictures: tuple[FoundPicture, ...]
    misfits: tuple[Any, ...]
    seen: tuple[tuple[str, int, int], ...]

    @property
    def has_parts(self) -> bool:
        """Whether the source says which pictures train, validate and test."""
        return any(picture.part for picture in self.pictures)

    @property
    def has_labels(self) -> bool:
        """Whether any picture is labelled."""
        return any(picture.labelled for picture in self.pictures)

    @property
    def can_be_cut(self) -> bool:
        """Whether blocks of its pictures may train, validate and test: few labelled ones, all large enough."""
        sides = [max(picture.height, picture.width) for picture in self.pictures if picture.labelled]
        return 0 < len(sides) <= _FEW and min(sides) >= LEAST_SIDE


@dataclass(frozen=True)
class Found:
    """A class as it was found: its first code, the codes as a person writes them, its share, and its colour."""

    code: int
    name: str
    written: str
    share: float
    colour: Colour
    ignored: bool


@dataclass(frozen=True)
class MisfitSwitch:
    """What does not fit in one way. `resample`: a switch that mends it; `usual` whether it is on at first."""

    key: str
    what: str
    names: tuple[str, ...]
    resample: bool
    usual: bool = False


@dataclass(frozen=True)
class Edits:
    """What the visitor chose. `names`, `ignored` and `colours` go by the first code of a class, as in `Found`.

    `mended` are the keys of groups whose masks are resampled; the others are left out. `split` is a key of `SPLITS`.
    """

    title: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    ignored: frozenset[int] = frozenset()
    colours: Mapping[int, Colour] = field(default_factory=dict)
    mended: frozenset[str] = frozenset()
    split: str = "own"
    seed: int = 0
    licence: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class EditedClass:
    """A class as it will be; `share` is of the labelled pixels."""

    name: str
    colour: Colour
    share: float


def read_report(path: Path) -> ImportReport:
    """The report in a file. Raises `DataError`."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("What was found cannot be read any more: bring the dataset again.") from error


@lru_cache(maxsize=8)
def _read(path: Path, _: int) -> ImportReport:
    from core.data.import_process import proposal_of
    from core.data.readers.source import Misfit

    told = json.loads(path.read_text(encoding="utf-8"))
    pictures = tuple(
        FoundPicture(
            **{**each, "counts": _coded(each["counts"]), "boxes": _coded(each["boxes"], lambda box: Box(*box))}
        )
        for each in told["pictures"]
    )
    return ImportReport(
        path,
        str(told["format"]),
        tuple(_FOR_COMMANDS.sub("", note) for note in told["notes"]),
        proposal_of(told["proposal"]),
        pictures,
        tuple(Misfit(**each) for each in told["misfits"]),
        tuple((each["stem"], each["height"], each["width"]) for each in told["seen"]),
    )


def _coded(values: Mapping[str, Any], of: Callable[[Any], Any] = int) -> dict[int, Any]:
    return {int(code): of(value) for code, value in values.items()}


def found(report: ImportReport) -> list[Found]:
    """The classes that were found, then those that are taken for pixels which nobody labelled."""
    from core.data.dataset_files import class_colours
    from core.data.readers.inferred import written

    proposal = report.proposal
    counts = _counts(report.pictures, proposal.near)
    whole = max(1, sum(count for code, count in counts.items() if code != -1))
    colours = [*class_colours(proposal), *(UNLABELLED_COLOUR for _ in proposal.ignored)]
    rows = []
    for at, (each, colour) in enumerate(zip((*proposal.classes, *proposal.ignored), colours, strict=True)):
        told = ", ".join(written(code, proposal.coding, each.name) for code in each.codes)
        share = sum(counts[code] for code in each.codes) / whole
        rows.append(Found(each.codes[0], each.name, told, share, colour, at >= len(proposal.classes)))
    return rows


def groups(report: ImportReport) -> list[MisfitSwitch]:
    """What does not fit, told together: what a switch mends first."""
    from core.data.readers.misfits import grouped
    from core.data.readers.source import Misfit

    odd = [Misfit("size", each.stem, each.misfit) for each in report.pictures if each.misfit]
    labelled = max(1, sum(each.labelled for each in report.pictures))
    told = []
    for group in grouped(odd):
        little = (group.resample or 1.0) <= _LITTLE
        most = len(group.names) > labelled / 2 and "another shape" not in group.what
        told.append(MisfitSwitch(group.what, group.what, group.names, True, little or most))
    return told + [MisfitSwitch(group.what, group.what, group.names, False) for group in grouped(report.misfits)]


def kept(report: ImportReport, edits: Edits) -> list[FoundPicture]:
    """The pictures that are taken."""
    left = _left_out(report, edits)
    return [each for each in report.pictures if each.stem not in left]


def _left_out(report: ImportReport, edits: Edits) -> set[str]:
    return {
        name for group in groups(report) if group.resample and group.key not in edits.mended for name in group.names
    }


def edited(report: ImportReport, edits: Edits) -> tuple[list[EditedClass], float]:
    """The classes as they will be, and the share of all pixels that count as not labelled."""
    from core.data.dataset_files import class_colours

    proposal = _renamed(report, edits)
    indices = proposal.indices()
    sums = [0] * (len(proposal.classes) + 1)
    for code, count in _counts(kept(report, edits), {}).items():
        sums[min(indices.get(code, 255), len(proposal.classes))] += count
    whole = max(1, sum(sums[:-1]))
    colours = class_colours(proposal, _colours(proposal, edits))
    classes = [
        EditedClass(each.name, colour, count / whole)
        for each, colour, count in zip(proposal.classes, colours, sums, strict=False)
    ]
    return classes, sums[-1] / max(1, sum(sums))


def parts(report: ImportReport, edits: Edits) -> dict[str, Part]:
    """What each labelled picture is for, by its stem; of pictures that are cut, what each tile is for."""
    from core.data.splits import draw_parts

    if is_cut(report, edits):
        return {f"{each.stem}-{block.name}": block.part for each, block in _blocks(report, edits) if block.part}
    labelled = [each for each in kept(report, edits) if each.labelled]
    if edits.split == "own" and report.has_parts:
        return {each.stem: each.part or "train" for each in labelled}
    return draw_parts([each.stem for each in labelled], edits.seed)  # type: ignore[return-value]


def splits(report: ImportReport) -> list[str]:
    """The splits that can be chosen, what is proposed first."""
    few = sum(each.labelled for each in report.pictures) < _LEAST_DRAWN
    drawn = ["drawn"] if not report.can_be_cut else ["blocks", "drawn"] if few else ["drawn", "blocks"]
    own = {picture.part for picture in report.pictures if picture.labelled}
    # Some keep the labels of their validation pictures back: their own split cannot be trained with.
    return ["own", *drawn] if {"train", "validate"} <= own else [*drawn, *(["own"] if report.has_parts else [])]


def is_cut(report: ImportReport, edits: Edits) -> bool:
    """Whether the pictures are cut into blocks."""
    return edits.split == "blocks" and report.can_be_cut


def _blocks(report: ImportReport, edits: Edits) -> list[tuple[FoundPicture, Block]]:
    labelled = [each for each in kept(report, edits) if each.labelled]
    indices = _renamed(report, edits).indices()
    return [(each, block) for each in labelled for block in _blocks_of(each, indices)]


def _blocks_of(picture: FoundPicture, indices: Mapping[int, int]) -> list[Block]:
    return blocks_of(labelled_box(picture.boxes, indices) or Box(0, 0, picture.height, picture.width))


def problems(report: ImportReport, edits: Edits) -> list[str]:
    """Why the dataset cannot be saved yet, each in a sentence."""
    classes, _ = edited(report, edits)
    told = []
    if not edits.title.strip():
        told.append("Give the dataset a name.")
    if any(not name.strip() for name in edits.names.values()):
        told.append("Every class needs a name: write one, or ignore it.")
    if len(classes) < 2 and report.has_labels:
        told.append("A dataset needs two classes at least: take one back that is ignored, or part what is merged.")
    if len(classes) > 255:
        told.append(f"A dataset has 255 classes at most, and here are {len(classes)}: give some the same name.")
    if not report.has_labels:
        return told[:1] if not edits.title.strip() else []
    wanted = parts(report, edits)
    missing = [PARTS[part].lower() for part in ("train", "validate") if part not in wanted.values()]
    return told + [f"No labelled picture is left for {part}: bring more, or choose another split." for part in missing]


def painted(report: ImportReport, at: int, edits: Edits) -> NDArray[np.uint8]:
    """One of the small pictures beside its labels in their colours.

    Returns:
        uint8 (h, 2 w + 4, 3); pixels that count as not labelled are grey.

    Raises:
        DataError: it is not there any more.
    """
    from core.data.dataset_files import class_colours

    _, height, width = report.seen[at]
    folder = report.path.with_name(SEEN)
    try:
        rgb = np.frombuffer((folder / f"{at}.rgb").read_bytes(), np.uint8).reshape(height, width, 3)
        codes = np.frombuffer((folder / f"{at}.codes").read_bytes(), "<i4").reshape(height, width)
    except (OSError, ValueError) as error:
        raise DataError("The preview is not there any more: bring the dataset again.") from error
    proposal = _renamed(report, edits)
    colours = [*class_colours(proposal, _colours(proposal, edits))]
    indices = proposal.indices()
    values, where = np.unique(codes, return_inverse=True)
    chosen = [indices.get(int(code), 255) for code in values]
    table = np.array([colours[index] if index < len(colours) else UNLABELLED_COLOUR for index in chosen], np.uint8)
    gap = np.full((height, 4, 3), 255, np.uint8)
    if is_cut(report, edits):
        rgb = _in_blocks(report, at, rgb, indices)
    return np.concatenate([rgb, gap, table[where.reshape(height, width)]], axis=1)


def _in_blocks(report: ImportReport, at: int, rgb: NDArray[np.uint8], indices: Mapping[int, int]) -> NDArray[np.uint8]:
    """A small picture that is black where no block lies."""
    stem, height, width = report.seen[at]
    picture = next(each for each in report.pictures if each.stem == stem)
    seen = np.zeros((height, width), np.bool_)
    for block in _blocks_of(picture, indices):
        rows, columns = (block.top, block.top + block.height), (block.left, block.left + block.width)
        top, low = (y * height // picture.height for y in rows)
        left, right = (x * width // picture.width for x in columns)
        seen[top:low, left:right] = True
    return np.where(seen[..., None], rgb, np.uint8(0))


def choices_of(report: ImportReport, edits: Edits) -> dict[str, Any]:
    """How the dataset is written, as JSON values. Raises `ConfigError` with all that is wrong."""
    from core.data.import_process import choices_json
    from core.data.importing import MOST_RESAMPLE, ImportChoices

    if wrong := problems(report, edits):
        raise ConfigError(wrong)
    proposal = _renamed(report, edits)
    return choices_json(
        ImportChoices(
            resample=MOST_RESAMPLE,
            skip=True,
            title=edits.title.strip(),
            licence=edits.licence.strip(),
            attribution=edits.attribution.strip(),
            names=_names(report, edits),
            colours=_colours(proposal, edits),
            leave_out=frozenset(_left_out(report, edits)),
            parts={} if is_cut(report, edits) else parts(report, edits),
            blocks=is_cut(report, edits),
        )
    )


def facts_of(report: ImportReport, edits: Edits) -> dict[str, Any]:
    """What pages tell of the dataset without opening its pictures."""
    wanted, pictures = parts(report, edits), kept(report, edits)
    alone = sum(not each.labelled for each in pictures)
    pieces = (
        [(block.part, block.height, block.width) for _, block in _blocks(report, edits)]
        if is_cut(report, edits)
        else [(wanted[each.stem], each.height, each.width) for each in pictures if each.stem in wanted]
    )
    sizes = Counter((height, width) for part, height, width in pieces if part == "train")
    return {
        "pictures": len(pieces) + alone,
        "labelled": len(wanted),
        "parts": dict(Counter(wanted.values())),
        "train_sizes": [[*size, count] for size, count in sizes.items()],
        "validation_pixels": sum(height * width for part, height, width in pieces if part == "validate"),
    }


def _renamed(report: ImportReport, edits: Edits) -> Any:
    from core.data.readers.inferred import renamed

    return renamed(report.proposal, _names(report, edits))


def _names(report: ImportReport, edits: Edits) -> dict[int, str]:
    """The wanted name of every code, `ignore` for those that count as not labelled."""
    names: dict[int, str] = {}
    for each in (*report.proposal.classes, *report.proposal.ignored):
        first = each.codes[0]
        was_ignored = each in report.proposal.ignored
        name = "ignore" if first in edits.ignored else edits.names.get(first, each.name).strip() or each.name
        if not (was_ignored and first in edits.ignored):
            names |= dict.fromkeys(each.codes, name)
    return names


def _colours(proposal: Any, edits: Edits) -> dict[str, Colour]:
    """The wanted colours by name of class: that of the first of its codes for which there is one."""
    wanted: dict[str, Colour] = {}
    for each in proposal.classes:
        colour = next((edits.colours[code] for code in each.codes if code in edits.colours), None)
        if colour is not None:
            wanted[each.name] = colour
    return wanted


def _counts(pictures: Any, near: Mapping[int, int]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for each in pictures:
        counts.update(each.counts)
    for code, main in near.items():
        counts[main] += counts.pop(code, 0)
    return counts
