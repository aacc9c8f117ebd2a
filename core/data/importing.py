"""A dataset from what a person brings: read by a reader, checked, and written as a folder of its own under a name."""

import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.classes import MOST_CLASSES, Colour, colours_for
from core.data import named
from core.data.cut_blocks import LEAST_SIDE, write_blocks
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from core.data.mask_files import count_codes, write_mask
from core.data.opened import called
from core.data.readers import read_source
from core.data.readers.inferred import Proposal, check_count, mapped, propose, renamed, written
from core.data.readers.misfits import MisfitGroup, grouped, size_misfit
from core.data.readers.source import Asked, Misfit, Part, Source, SourcePicture
from core.data.readers.tree import ConfinedDecoder, Decoder, PictureInfo, Tree
from core.errors import ConfigError, DataError, DatasetNotFoundError
from core.files import speaking_plainly, sync_folder
from core.imagery import world
from core.imagery.archives import is_zip, unpack
from core.imagery.sniff import FIRST_BYTES, picture_kind

_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}
_STRIP = 1024
_SAME_GROUND = 0.02
_ALONE = 512
MOST_RESAMPLE = 10.0
OnPicture = Callable[[int, int, str], None]
"""Told before each picture: how many were read, of how many, and its name."""


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
        blocks: labelled pictures are cut into blocks that train, validate and test; None: where there is but one.
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

    def __post_init__(self) -> None:
        if not 0 <= self.resample <= MOST_RESAMPLE:
            raise ConfigError(f"--resample is a share from 0 to {MOST_RESAMPLE:g}, such as 0.02 or 2%.")


@dataclass(frozen=True)
class Usable:
    """A picture that can be taken; `labelled` tells whether it has labels that can.

    `counts` are the pixels of each code, `misfit` what resampling its labels mends, and `metres` the ground resolution
    where the file knows it.
    """

    picture: SourcePicture
    height: int
    width: int
    labelled: bool
    counts: Mapping[int, int] = field(default_factory=dict)
    misfit: Misfit | None = None
    metres: float | None = None


@dataclass(frozen=True)
class Survey:
    """All that is known of a source after its labels were read once."""

    source: Source
    proposal: Proposal
    counts: Mapping[int, int]
    usable: tuple[Usable, ...]
    misfits: tuple[Misfit, ...]
    metres_per_pixel: float | None

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
            "notes": [*self.source.notes, *self.proposal.notes],
            "problems": [group.to_json() for group in self.groups],
        }

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
    source = read_source(tree, choices.asked)
    misfits = list(source.misfits)
    usable: list[Usable] = []
    wanted = [picture for picture in source.pictures if picture.stem not in choices.leave_out]
    for number, picture in enumerate(wanted):
        if progress is not None:
            progress(number, len(wanted), picture.stem)
        try:
            usable.append(_usable(picture, _info(tree, picture), choices.resample))
        except _MisfitError as error:
            misfits.append(error.misfit)
        except DataError as error:
            misfits.append(Misfit("picture", picture.stem, str(error).rstrip(".")))
    groups = grouped(misfits)
    if not usable:
        raise DataError(groups[0].sentence if groups else "There is no picture in it: choose another folder.")
    counts: Counter[int] = Counter()
    for each in usable:
        counts.update(each.counts)
    if groups and not counts:
        raise DataError(groups[0].sentence)
    proposal = propose(source, counts)
    if choices.wanted:
        proposal = mapped(proposal, choices.wanted)
    proposal = renamed(proposal, choices.names)
    return Survey(source, proposal, counts, tuple(usable), tuple(misfits), _ground([each.metres for each in usable]))


def import_dataset(tree: Tree, name: str, choices: ImportChoices) -> Survey:
    """Write a source as the dataset `name`. Nothing of the source is changed, and nothing half written is left.

    Raises:
        ConfigError: the name is taken or cannot be one, or the map does not fit.
        DataError: there is nothing to use, there are less than two classes, or something does not fit and is not left
            out; one sentence a group.
        DiskFullError: there is no space for it.
    """
    target = named.folder_of(name)
    if target.exists():
        raise ConfigError(f"There is a dataset {name} already: choose another name, or delete that one.")
    found = survey(tree, choices)
    check_count(found.proposal)
    if found.groups and not choices.skip:
        raise DataError(" ".join(group.sentence for group in found.groups))
    with speaking_plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=target.parent))
        try:
            partial.chmod(0o755)
            write_dataset(found, partial, name, choices)
            if target.exists():
                raise ConfigError(f"There is a dataset {name} already: choose another name, or delete that one.")
            partial.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return found


def write_dataset(
    found: Survey, folder: Path, name: str, choices: ImportChoices, *, progress: OnPicture | None = None
) -> None:
    """Write a surveyed source into an empty folder: pictures as they are, masks of class indices, `dataset.toml`.

    Raises:
        ConfigError: a title, a colour or a split that cannot be.
        DataError: there are less than two classes or more than 255.
    """
    check_count(found.proposal)
    description, blocks = _description(name, found, choices), _is_cut(found, choices)
    cut: list[tuple[str, Part]] = []
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    table = found.proposal.indices()
    for number, each in enumerate(found.usable):
        if progress is not None:
            progress(number, len(found.usable), each.picture.stem)
        if each.labelled and blocks and max(each.height, each.width) >= LEAST_SIDE:
            assert each.picture.labels is not None
            cut += write_blocks(each.picture, (each.height, each.width), each.picture.labels(), folder, table)
            continue
        _copy_picture(each.picture, images)
        if each.labelled:
            assert each.picture.labels is not None
            write_mask(masks / each.picture.stem, each.picture.labels(), (each.height, each.width), table)
    if cut:
        lists = {use: tuple(stem for stem, part in cut if part == use) for use in ("train", "validate", "test")}
        description = replace(description, split=DescribedSplit("names", **lists))
    write_description(folder, description)


def _is_cut(found: Survey, choices: ImportChoices) -> bool:
    """Whether pictures are cut into blocks: as a person says, else where a single large one has labels."""
    if choices.blocks is not None:
        return choices.blocks
    labelled = [each for each in found.usable if each.labelled]
    return len(labelled) == 1 and max(labelled[0].height, labelled[0].width) >= _ALONE


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


def _usable(picture: SourcePicture, info: PictureInfo, most: float) -> Usable:
    """A picture with what its labels hold, which are resampled by at most a share. Raises `_MisfitError`."""
    height, width, metres = info.height, info.width, info.metres_per_pixel
    if picture.labels is None:
        return Usable(picture, height, width, False, metres=metres)
    try:
        labels = picture.labels()
    except (DataError, MemoryError) as error:
        reason = "they need more memory than there is" if isinstance(error, MemoryError) else str(error).rstrip(".")
        raise _MisfitError(Misfit("labels", picture.stem, reason)) from error
    misfit = None
    if (labels.height, labels.width) != (height, width):
        misfit, share = size_misfit(picture.stem, (height, width), (labels.height, labels.width))
        if share > most + 1e-9:
            raise _MisfitError(misfit)
    counts: Counter[int] = Counter()
    for top in range(0, labels.height, _STRIP):
        counts.update(count_codes(labels.rows(top, min(labels.height, top + _STRIP))))
    return Usable(picture, height, width, True, counts, misfit, metres)


def _copy_picture(picture: SourcePicture, images: Path) -> None:
    if picture.path is None:
        assert picture.content is not None
        data = picture.content()
        kind = picture_kind(data[:FIRST_BYTES])
        (images / f"{picture.stem}{_ENDINGS[kind or 'PNG']}").write_bytes(data)
        return
    with picture.path.open("rb") as file:
        kind = picture_kind(file.read(FIRST_BYTES))
    shutil.copyfile(picture.path, images / f"{picture.stem}{_ENDINGS[kind or 'PNG']}")
    for ending in world.ALL_ENDINGS:
        beside = picture.path.with_suffix(f".{ending}")
        if beside.is_file() and not beside.is_symlink() and beside.stat().st_size <= world.MOST_BYTES:
            shutil.copyfile(beside, images / f"{picture.stem}.{ending}")


def _description(name: str, found: Survey, choices: ImportChoices) -> Description:
    proposal = found.proposal
    colours = class_colours(proposal, choices.colours)
    classes = tuple(
        DescribedClass(each.name[:60], colour, tuple(_source(code, proposal, each.name) for code in each.codes))
        for each, colour in zip(proposal.classes, colours, strict=True)
    )
    parts: dict[str, list[str]] = {"train": [], "validate": [], "test": []}
    for each in found.usable:
        part = choices.parts.get(each.picture.stem) if choices.parts else each.picture.part
        if part is not None:
            parts[part].append(each.picture.stem)
    split = DescribedSplit()
    if any(parts.values()):
        split = DescribedSplit("names", *(tuple(parts[use]) for use in ("train", "validate", "test")))
    return Description(
        name=name,
        title=choices.title or name,
        classes=classes,
        licence=choices.licence,
        attribution=choices.attribution,
        metres_per_pixel=found.metres_per_pixel,
        split=split,
    )


def _source(code: int, proposal: Proposal, name: str) -> int | str:
    return code if proposal.coding == "values" and code >= 0 else written(code, proposal.coding, name)


def class_colours(proposal: Proposal, wanted: Mapping[str, Colour] | None = None) -> list[Colour]:
    """A colour for each class: the wanted one, its own, or one that no other class has."""
    count = len(proposal.classes)
    chosen = iter(dict.fromkeys((*colours_for(count), *colours_for(min(MOST_CLASSES, 2 * count + 5)))))
    own = [(wanted or {}).get(each.name, each.colour) for each in proposal.classes]
    taken: set[Colour] = {colour for colour in own if colour is not None}
    given: set[Colour] = set()
    found: list[Colour] = []
    for colour in own:
        if colour is None or colour in given:
            colour = next((other for other in chosen if other not in taken | given), (128, 128, 128))
        given.add(colour)
        found.append(colour)
    return found


def _ground(metres: list[float | None]) -> float | None:
    """The ground resolution, where all pictures know it and share one."""
    known = [each for each in metres if each is not None]
    if not known or len(known) < len(metres):
        return None
    middle = statistics.median(known)
    return round(middle, 6) if all(abs(each / middle - 1) <= _SAME_GROUND for each in known) else None
