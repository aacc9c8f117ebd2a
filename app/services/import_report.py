"""What was found in a dataset that a visitor brought, and what becomes of it with the classes and remedies they chose.

All of it is counted from the report of `core.data.import_process`, so a change on the page reads nothing anew.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.band_set import COLOURS, BandSet
from core.classes import UNLABELLED_COLOUR, Colour
from core.data.cut_blocks import LEAST_SIDE, Block, Box, blocks_of, labelled_box, margin_of, most_margin
from core.errors import ConfigError, DataError

Part = Literal["train", "validate", "test"]
PARTS: dict[Part, str] = {"train": "Training", "validate": "Validation", "test": "Test"}
_FOR_COMMANDS = re.compile(r" \(--[^)]*\)|: name them by --map[^.]*")
SPLITS = {"own": "As its folders say", "drawn": "Drawn at random", "blocks": "Blocks of each image"}
_BORDER = "border"
_LITTLE, _FEW, _LEAST_DRAWN = 0.05, 8, 3


@dataclass(frozen=True)
class FoundBorder:
    """A border of one value in every band: `black` or `white`, and its share of the pixels."""

    colour: str
    share: float


@dataclass(frozen=True)
class FoundPicture:
    """A picture that was read: pixels and a box by code, and what resampling its mask mends.

    `bands` and `depth` are those of its file, as in `core.imagery.limits.Info`. `border` is a border of one value
    that it has, and `inside_counts` and `inside_boxes` are those of its labels without that.
    """

    stem: str
    height: int
    width: int
    labelled: bool
    part: Part | None
    counts: Mapping[int, int]
    misfit: str | None
    metres: float | None
    boxes: Mapping[int, Box] = field(default_factory=dict)
    bands: tuple[str, ...] = ()
    depth: str = "uint8"
    border: FoundBorder | None = None
    inside_counts: Mapping[int, int] = field(default_factory=dict)
    inside_boxes: Mapping[int, Box] = field(default_factory=dict)

    def without_border(self) -> "FoundPicture":
        """The same where its border counts as not labelled."""
        if self.border is None:
            return self
        return replace(self, counts=self.inside_counts, boxes=self.inside_boxes)


@dataclass(frozen=True)
class SeenPicture:
    """A small picture for the preview: of which picture, its sides in pixels, and how many bands it has; 0: colours."""

    stem: str
    height: int
    width: int
    bands: int = 0


@dataclass(frozen=True)
class ImportReport:
    """All that was found. `seen` are the small pictures, `path` the file that says it."""

    path: Path
    title: str
    notes: tuple[str, ...]
    proposal: Any
    pictures: tuple[FoundPicture, ...]
    misfits: tuple[Any, ...]
    seen: tuple[SeenPicture, ...]

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
    """What does not fit in one way. `resample`: a switch mends it; `border`: a switch leaves a border out.

    `usual` tells whether the switch is on at first.
    """

    key: str
    what: str
    names: tuple[str, ...]
    resample: bool
    usual: bool = False
    border: bool = False


@dataclass(frozen=True)
class Edits:
    """What the visitor chose. `names`, `ignored` and `colours` go by the first code of a class, as in `Found`.

    `mended` are the keys of groups whose masks are resampled; the others are left out. `split` is a key of `SPLITS`.
    `bands` are names of the bands in their order, `-` for one that is left out; empty: colours. `shown` are those that
    are seen as red, green and blue. `margin` lies between blocks of different parts, in pixels; None: the usual one.
    """

    title: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    ignored: frozenset[int] = frozenset()
    colours: Mapping[int, Colour] = field(default_factory=dict)
    mended: frozenset[str] = frozenset()
    split: str = "own"
    seed: int = 0
    margin: int | None = None
    bands: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
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
            **{
                **each,
                "counts": _coded(each["counts"]),
                "boxes": _coded(each["boxes"], lambda box: Box(*box)),
                "inside_counts": _coded(each["inside_counts"]),
                "inside_boxes": _coded(each["inside_boxes"], lambda box: Box(*box)),
                "border": FoundBorder(**each["border"]) if each["border"] else None,
                "bands": tuple(each["bands"]),
            }
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
        tuple(SeenPicture(**each) for each in told["seen"]),
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
    told += [MisfitSwitch(group.what, group.what, group.names, False) for group in grouped(report.misfits)]
    return told + _borders(report)


def _borders(report: ImportReport) -> list[MisfitSwitch]:
    """Borders of one value, which are left out at first where any is black."""
    from core.imagery.border import border_text

    found = {each.stem: (each.border.colour, each.border.share) for each in report.pictures if each.border is not None}
    if not found:
        return []
    black = any(colour == "black" for colour, _ in found.values())
    return [MisfitSwitch(_BORDER, border_text([*found.values()]), tuple(found), False, black, border=True)]


def kept(report: ImportReport, edits: Edits) -> list[FoundPicture]:
    """The pictures that are taken."""
    left = left_out(report, edits)
    found = [each for each in report.pictures if each.stem not in left]
    return [each.without_border() for each in found] if leaves_border(edits) else found


def leaves_border(edits: Edits) -> bool:
    """Whether borders of one value count as not labelled."""
    return _BORDER in edits.mended


def left_out(report: ImportReport, edits: Edits) -> set[str]:
    """Stems of pictures that are not taken."""
    left = {
        name for group in groups(report) if group.resample and group.key not in edits.mended for name in group.names
    }
    return left | set(of_other_bands(report, edits))


def of_other_bands(report: ImportReport, edits: Edits) -> list[str]:
    """Stems of pictures that have not as many bands as are named."""
    from core.data.import_bands import other_bands

    return [each.stem for each in report.pictures if other_bands(edits.bands, each.bands)]


def edited(report: ImportReport, edits: Edits) -> tuple[list[EditedClass], float]:
    """The classes as they will be, and the share of all pixels that count as not labelled."""
    from core.data.dataset_files import class_colours

    proposal = renamed_proposal(report, edits)
    indices = proposal.indices()
    sums = [0] * (len(proposal.classes) + 1)
    for code, count in _counts(kept(report, edits), {}).items():
        sums[min(indices.get(code, 255), len(proposal.classes))] += count
    whole = max(1, sum(sums[:-1]))
    colours = class_colours(proposal, wanted_colours(proposal, edits))
    classes = [
        EditedClass(each.name, colour, count / whole)
        for each, colour, count in zip(proposal.classes, colours, sums, strict=False)
    ]
    return classes, sums[-1] / max(1, sum(sums))


def parts(report: ImportReport, edits: Edits) -> dict[str, Part]:
    """What each labelled picture is for, by its stem; of pictures that are cut, what each tile is for."""
    from core.data.splits import draw_parts

    if is_cut(report, edits):
        return {f"{each.stem}-{block.name}": block.part for each, block in cut_pictures(report, edits) if block.part}
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


def cut_pictures(report: ImportReport, edits: Edits) -> list[tuple[FoundPicture, Block]]:
    """Every block of every picture that is cut."""
    labelled = [each for each in kept(report, edits) if each.labelled]
    return [(each, block) for each in labelled for block in blocks_in(report, each, edits)]


def blocks_in(report: ImportReport, picture: FoundPicture, edits: Edits) -> list[Block]:
    """The blocks of a picture. Too wide a margin is cut down: `problems` tells of it."""
    box = cut_box(picture, renamed_proposal(report, edits).indices())
    margin = None if edits.margin is None else min(edits.margin, most_margin(box))
    bands = band_set(report, edits) or COLOURS
    return blocks_of(box, margin=margin, pixel_bytes=bands.pixel_bytes)


def cut_box(picture: FoundPicture, indices: Mapping[int, int]) -> Box:
    """What of a picture is cut into blocks, by the class index of each code."""
    return labelled_box(picture.boxes, indices) or Box(0, 0, picture.height, picture.width)


def usual_margin(report: ImportReport, edits: Edits) -> int:
    """Pixels between blocks of different parts where a person names none."""
    indices = renamed_proposal(report, edits).indices()
    boxes = [cut_box(each, indices) for each in kept(report, edits) if each.labelled]
    return min(map(margin_of, boxes), default=0)


def band_set(report: ImportReport, edits: Edits) -> BandSet | None:
    """The bands that are taken; None where they cannot be: `problems` says why."""
    from core.data.import_bands import band_set_of

    try:
        return band_set_of(edits.bands, edits.shown, [each.depth for each in kept(report, edits)])
    except ConfigError:
        return None


def renamed_proposal(report: ImportReport, edits: Edits) -> Any:
    """The proposal with the classes as they were changed."""
    from core.data.readers.inferred import renamed

    return renamed(report.proposal, wanted_names(report, edits))


def wanted_names(report: ImportReport, edits: Edits) -> dict[int, str]:
    """The wanted name of every code, `ignore` for those that count as not labelled."""
    from core.data.importing import nowhere_else

    names: dict[int, str] = {}
    for each in (*report.proposal.classes, *report.proposal.ignored):
        first = each.codes[0]
        was_ignored = each in report.proposal.ignored
        name = "ignore" if first in edits.ignored else edits.names.get(first, each.name).strip() or each.name
        if not (was_ignored and first in edits.ignored):
            names |= dict.fromkeys(each.codes, name)
    if leaves_border(edits):
        everywhere = _counts(report.pictures, {})
        gone = nowhere_else(report.proposal, everywhere, _counts(kept(report, edits), {}))
        names |= dict.fromkeys(gone, "ignore")
    return names


def wanted_colours(proposal: Any, edits: Edits) -> dict[str, Colour]:
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
