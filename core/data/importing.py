"""What a person brings, read by a reader and checked: what an import would come to. Nothing is written here."""

import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.band_set import COLOURS, BandSet
from core.classes import Colour
from core.data.cut_blocks import Box
from core.data.import_bands import AS_NAMED, band_set_of, bands_named, note_on_bands, other_bands
from core.data.labelled import LabelCount, count_labels, known_labels, labels_of
from core.data.opened import called
from core.data.readers import read_source
from core.data.readers.inferred import Proposal, mapped, propose, renamed, written
from core.data.readers.misfits import MisfitGroup, grouped, size_misfit
from core.data.readers.source import Asked, Labels, Misfit, Part, Source, SourcePicture
from core.data.readers.tree import ConfinedDecoder, Decoder, PictureInfo, Tree
from core.errors import ConfigError, DataError, DatasetNotFoundError
from core.imagery.archives import is_zip, unpack
from core.imagery.border import Border, border_text
from core.out_of_memory import lacking, out_of_memory_as

_SAME_GROUND = 0.02
MOST_RESAMPLE = 10.0
OnPicture = Callable[[float, int, str], None]
"""Told before each picture, and while a large one is read: how many were read, of how many, and its name."""


@dataclass(frozen=True)
class ImportChoices:
    """What a person says about an import.

    Attributes:
        wanted: names of classes, by value, colour, name or `outside`; `ignore` for pixels that nobody labelled.
        resample: masks whose sides differ from the picture's by at most this share are resampled (nearest).
        skip: what does not fit is left out.
        asked: how the source is read.
        title: what menus call the dataset; None: its name.
        licence: of pictures and labels.
        attribution: who made it.
        names: names of classes by code, as a page has them that shows the codes; the same as `wanted`.
        colours: of classes, by name; the others keep theirs.
        leave_out: stems of pictures that are not taken.
        parts: by stem of a picture what it is for; empty: as the source says.
        bands: a name for each band of the pictures in their order, `-` for one that is left out; empty: colours.
        shown: names of the bands that are seen as red, green and blue, as in `core.band_set.BandSet`.
        blocks: labelled pictures are cut into blocks that train, validate and test; None: where there is but one.
        leave_border: what is a border of one value in every band (`core.imagery.border`) counts as not labelled.
        margin: pixels between blocks of different parts; None: `core.data.cut_blocks.BETWEEN`, less in a small picture.
    """

    wanted: Mapping[str, str] = field(default_factory=dict)
    resample: float = 0.0
    skip: bool = False
    asked: Asked = field(default_factory=Asked)
    title: str | None = None
    licence: str = ""
    attribution: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[str, Colour] = field(default_factory=dict)
    leave_out: frozenset[str] = frozenset()
    parts: Mapping[str, Part] = field(default_factory=dict)
    blocks: bool | None = None
    margin: int | None = None
    leave_border: bool = False
    bands: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.resample <= MOST_RESAMPLE:
            raise ConfigError(f"--resample is a share from 0 to {MOST_RESAMPLE:g}, such as 0.02 or 2%.")


@dataclass(frozen=True)
class Usable:
    """A picture that can be taken; `labelled` tells whether it has labels that can.

    `found` are its labels, counted; `misfit` is what resampling them mends, and `metres` the ground resolution where
    the file knows it. `border` is one that the picture has, and `inside` its labels counted without that; of `info` it
    is part where it is left out.
    """

    picture: SourcePicture
    info: PictureInfo
    labelled: bool
    found: LabelCount = field(default_factory=LabelCount)
    misfit: Misfit | None = None
    border: Border | None = None
    inside: LabelCount | None = None

    @property
    def height(self) -> int:
        return self.info.height

    @property
    def width(self) -> int:
        return self.info.width

    @property
    def metres(self) -> float | None:
        return self.info.metres_per_pixel

    @property
    def counts(self) -> Mapping[int, int]:
        """Pixels of each code."""
        return self.found.counts

    @property
    def boxes(self) -> Mapping[int, Box]:
        """The smallest box of the picture that holds each code."""
        return self.found.boxes

    def without_border(self) -> "Usable":
        """The same where its border counts as not labelled."""
        if self.border is None or self.inside is None:
            return self
        return replace(self, info=replace(self.info, border=self.border), found=self.inside)

    def labels(self) -> Labels:
        """Its labels, none where the picture holds no data. Raises `DataError`."""
        return known_labels(self.picture, self.info)

    def own_labels(self) -> Labels:
        """The same for whoever reads the picture beside them, and sees where it says that it holds no data."""
        return labels_of(self.picture, self.info)


@dataclass(frozen=True)
class Survey:
    """All that is known of a source after its labels were read once. `bands_named` names all bands of its files."""

    source: Source
    proposal: Proposal
    counts: Mapping[int, int]
    usable: tuple[Usable, ...]
    misfits: tuple[Misfit, ...]
    metres_per_pixel: float | None
    bands_named: tuple[str, ...] = ()
    bands: BandSet = COLOURS

    @property
    def groups(self) -> tuple[MisfitGroup, ...]:
        """What does not fit, told together."""
        return tuple(grouped(self.misfits))

    @property
    def resampled(self) -> int:
        """How many masks are resampled."""
        return sum(each.misfit is not None for each in self.usable)

    @property
    def labelled(self) -> int:
        return sum(each.labelled for each in self.usable)

    def to_json(self) -> dict[str, Any]:
        """The survey as plain values for JSON: format, counts, classes with their shares, and what does not fit."""
        shares = self._shares()
        parts = Counter(each.picture.part or "none" for each in self.usable)
        sizes = Counter(f"{each.width}x{each.height}" for each in self.usable)
        return {
            "format": self.source.title,
            "pictures": len(self.usable),
            "labelled": self.labelled,
            "unlabelled": len(self.usable) - self.labelled,
            "resampled": self.resampled,
            "classes": [
                {
                    "name": each.name,
                    "colour": None if each.colour is None else list(each.colour),
                    "from": [written(code, self.proposal.coding, each.name) for code in each.codes],
                    "share": shares[at],
                }
                for at, each in enumerate(self.proposal.classes)
            ],
            "ignored": [
                written(code, self.proposal.coding, each.name) for each in self.proposal.ignored for code in each.codes
            ],
            "unlabelled_share": shares[-1],
            "parts": dict(parts),
            "sizes": dict(sizes.most_common(20)),
            "metres_per_pixel": self.metres_per_pixel,
            "bands": list(self.bands.names),
            "depth": self.bands.depth,
            "borders": {each.picture.stem: round(each.border.share, 4) for each in self.usable if each.border},
            "notes": [
                *self.source.notes,
                *self.proposal.notes,
                *note_on_bands(self.bands_named, self._files()),
                *self._note_on_borders(),
            ],
            "problems": [group.to_json() for group in self.groups],
        }

    def _note_on_borders(self) -> list[str]:
        found = [each for each in self.usable if each.border is not None]
        if not found:
            return []
        what = border_text([(each.border.colour, each.border.share) for each in self.usable if each.border is not None])
        if any(each.info.border is not None for each in found):
            return [f"{what}: it counts as not labelled."]
        return [f"{what}: it counts as ground. --leave-out-border leaves it out."]

    def _files(self) -> list[tuple[str, ...]]:
        """Of each picture the names of its bands."""
        return [each.info.bands for each in self.usable]

    def _shares(self) -> list[float]:
        """Of the labelled pixels by class, and last of all pixels those that nobody labelled."""
        indices = self.proposal.indices()
        sums = [0] * (len(self.proposal.classes) + 1)
        for code, count in self.counts.items():
            sums[min(indices[code], len(self.proposal.classes))] += count
        labelled = max(1, sum(sums[:-1]))
        return [*(each / labelled for each in sums[:-1]), sums[-1] / max(1, sum(sums))]


@contextmanager
def opened_source(path: Path, *, opened: Path | None = None) -> Iterator[Tree]:
    """The files of a folder, or of a zip, which is unpacked for as long as the block lasts.

    With `opened`, the folder that a visitor's path must lie below, its pictures are decoded in a confined process.
    Raises `DatasetNotFoundError`, and `DataError` for a zip that cannot be used.
    """
    from core.data.confined import confined

    if not path.exists():
        raise DatasetNotFoundError(f"There is no folder or zip {called(path, opened)}: check the path.")
    with tempfile.TemporaryDirectory(prefix="terrastill-") as folder:
        root, allowed = path, opened
        if path.is_file():
            if not is_zip(path):
                raise DataError(
                    f"{path.name} is neither a folder nor a zip: choose the folder that holds the pictures."
                )
            unpack(path, Path(folder))
            root, allowed = Path(folder), None if opened is None else Path(folder)
        if allowed is None:
            yield Tree(root, decoder=Decoder())
            return
        with confined(allowed) as read:
            yield Tree(root, opened=allowed, decoder=ConfinedDecoder(read))


def survey(tree: Tree, choices: ImportChoices, *, progress: OnPicture | None = None) -> Survey:
    """Read every picture and label of a source once, and say what comes of it. Nothing is written.

    Raises `DataError` where there is nothing that can be used, `ConfigError` for a map that does not fit.
    """
    source = read_source(tree, replace(choices.asked, bands=len(choices.bands) if choices.bands != AS_NAMED else 0))
    misfits = list(source.misfits)
    usable: list[Usable] = []
    wanted = [picture for picture in source.pictures if picture.stem not in choices.leave_out]
    for number, picture in enumerate(wanted):
        on_share = telling(progress, number, len(wanted), picture.stem)
        on_share(0.0)
        try:
            info = _info(tree, picture)
            if choices.bands != AS_NAMED and (why := other_bands(choices.bands, info.bands)):
                raise _MisfitError(Misfit("picture", picture.stem, why))
            usable.append(_usable(picture, info, choices.resample, on_share))
        except _MisfitError as error:
            misfits.append(error.misfit)
        except DataError as error:
            misfits.append(Misfit("picture", picture.stem, str(error).rstrip(".")))
    groups = grouped(misfits)
    if not usable:
        raise DataError(groups[0].sentence if groups else "There is no picture in it: choose another folder.")
    counts = _sums(usable)
    if groups and not counts:
        raise DataError(groups[0].sentence)
    proposal = propose(source, counts)
    if choices.leave_border:
        usable = [each.without_border() for each in usable]
        everywhere, counts = counts, _sums(usable)
        proposal = renamed(proposal, dict.fromkeys(nowhere_else(proposal, everywhere, counts), "ignore"))
    if choices.wanted:
        proposal = mapped(proposal, choices.wanted)
    proposal = renamed(proposal, choices.names)
    named = bands_named(choices.bands, [each.info.bands for each in usable])
    bands = band_set_of(named, choices.shown, [each.info.depth for each in usable])
    ground = shared_ground([each.metres for each in usable])
    return Survey(source, proposal, counts, tuple(usable), tuple(misfits), ground, named, bands)


def _sums(usable: Sequence[Usable]) -> Counter[int]:
    """Pixels of each code over all pictures."""
    counts: Counter[int] = Counter()
    for each in usable:
        counts.update(each.counts)
    return counts


def nowhere_else(proposal: Proposal, everywhere: Mapping[int, int], inside: Mapping[int, int]) -> list[int]:
    """Codes of classes that have pixels `everywhere`, and none `inside` the borders of the pictures: they are none."""
    main = proposal.near
    left = {main.get(code, code) for code, count in inside.items() if count}
    there = {main.get(code, code) for code, count in everywhere.items() if count}
    return [code for each in proposal.classes for code in each.codes if code in there - left]


def telling(progress: OnPicture | None, number: int, count: int, stem: str) -> Callable[[float], None]:
    """What tells of a picture, the `number`th of `count`, how much of it is done, from 0 to 1."""

    def tell(share: float) -> None:
        if progress is not None:
            progress(number + share, count, stem)

    return tell


def _info(tree: Tree, picture: SourcePicture) -> PictureInfo:
    if picture.path is not None:
        return tree.decoder.info_of(picture.path)
    assert picture.content is not None
    return tree.decoder.info_of_bytes(picture.content(), picture.stem)


class _MisfitError(DataError):
    """Labels that do not fit their picture."""

    def __init__(self, misfit: Misfit) -> None:
        super().__init__(misfit.reason)
        self.misfit = misfit


def _usable(
    picture: SourcePicture, info: PictureInfo, most: float, on_share: Callable[[float], None] | None = None
) -> Usable:
    """A picture with what its labels hold, which are resampled by at most a share. Raises `_MisfitError`."""
    height, width = info.height, info.width
    border, info = info.border, replace(info, border=None)
    if picture.labels is None:
        return Usable(picture, info, labelled=False)
    try:
        with out_of_memory_as(DataError(lacking("labels"))):
            labels = known_labels(picture, info)
    except DataError as error:
        raise _MisfitError(Misfit("labels", picture.stem, str(error).rstrip("."))) from error
    misfit = None
    if (labels.height, labels.width) != (height, width):
        misfit, share = size_misfit(picture.stem, (height, width), (labels.height, labels.width))
        if share > most + 1e-9:
            raise _MisfitError(misfit)
    found = count_labels(labels, (height, width), on_share)
    if border is None:
        return Usable(picture, info, True, found, misfit)
    inside = count_labels(known_labels(picture, replace(info, border=border)), (height, width))
    return Usable(picture, info, True, found, misfit, border, inside)


def shared_ground(metres: list[float | None]) -> float | None:
    """The ground resolution, where all pictures know it and share one."""
    known = [each for each in metres if each is not None]
    if not known or len(known) < len(metres):
        return None
    middle = statistics.median(known)
    return round(middle, 6) if all(abs(each / middle - 1) <= _SAME_GROUND for each in known) else None
