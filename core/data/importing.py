"""A dataset from what a person brings: read by a reader, checked, and written as a folder of its own under a name."""

import shutil
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.classes import Colour, colours_for
from core.data import named
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from core.data.mask_files import count_codes, write_mask
from core.data.opened import called
from core.data.readers import read_source
from core.data.readers.files import ConfinedDecoder, Decoder, Looked, Tree
from core.data.readers.inferred import Proposal, check_count, mapped, propose, written
from core.data.readers.misfits import Group, grouped, size_misfit
from core.data.readers.source import Asked, Labels, Misfit, Source, SourcePicture
from core.errors import ConfigError, DataError, DatasetNotFoundError
from core.files import speaking_plainly, sync_folder
from core.imagery import world
from core.imagery.archives import is_zip, unpack
from core.imagery.sniff import FIRST_BYTES, picture_kind

_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}
_STRIP = 1024
_SAME_GROUND = 0.02
_MOST_RESAMPLE = 10.0


@dataclass(frozen=True)
class Choices:
    """What a person says about an import.

    Attributes:
        wanted: names of classes, by value, colour, name or `outside`; `ignore` for pixels that nobody labelled.
        resample: masks whose sides differ from the picture's by at most this share are resampled (nearest).
        skip: what does not fit is left out.
        asked: how the source is read.
        title: what menus call the dataset; None: its name.
        licence: of pictures and labels.
        attribution: who made it.
    """

    wanted: Mapping[str, str] = field(default_factory=dict)
    resample: float = 0.0
    skip: bool = False
    asked: Asked = field(default_factory=Asked)
    title: str | None = None
    licence: str = ""
    attribution: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.resample <= _MOST_RESAMPLE:
            raise ConfigError(f"--resample is a share from 0 to {_MOST_RESAMPLE:g}, such as 0.02 or 2%.")


@dataclass(frozen=True)
class Usable:
    """A picture that can be taken; `labelled` tells whether it has labels that can."""

    picture: SourcePicture
    height: int
    width: int
    labelled: bool


@dataclass(frozen=True)
class Survey:
    """All that is known of a source after its labels were read once."""

    source: Source
    proposal: Proposal
    counts: Mapping[int, int]
    usable: tuple[Usable, ...]
    groups: tuple[Group, ...]
    resampled: int
    metres_per_pixel: float | None

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


def survey(tree: Tree, choices: Choices) -> Survey:
    """Read every picture and label of a source once, and say what comes of it. Nothing is written.

    Raises `DataError` where there is nothing that can be used, `ConfigError` for a map that does not fit.
    """
    source = read_source(tree, choices.asked)
    misfits = list(source.misfits)
    counts: Counter[int] = Counter()
    usable: list[Usable] = []
    ground: list[float | None] = []
    resampled = 0
    for picture in source.pictures:
        try:
            looked = _look(tree, picture)
        except DataError as error:
            misfits.append(Misfit("picture", picture.stem, str(error).rstrip(".")))
            continue
        labels, wrong = _fitting(picture, looked, choices.resample)
        if wrong is not None:
            misfits.append(wrong)
            continue
        if labels is not None:
            resampled += (labels.height, labels.width) != (looked.height, looked.width)
            for top in range(0, labels.height, _STRIP):
                counts.update(count_codes(labels.rows(top, min(labels.height, top + _STRIP))))
        usable.append(Usable(picture, looked.height, looked.width, labels is not None))
        ground.append(looked.metres_per_pixel)
    groups = tuple(grouped(misfits))
    if not usable:
        raise DataError(groups[0].sentence if groups else "There is no picture in it: choose another folder.")
    proposal = propose(source, counts) if counts or not groups else _nothing(groups)
    if choices.wanted:
        proposal = mapped(proposal, choices.wanted)
    return Survey(source, proposal, counts, tuple(usable), groups, resampled, _ground(ground))


def import_dataset(tree: Tree, name: str, choices: Choices) -> Survey:
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
    description = _description(name, found, choices)
    with speaking_plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=target.parent))
        try:
            partial.chmod(0o755)
            _write(found, partial)
            write_description(partial, description)
            if target.exists():
                raise ConfigError(f"There is a dataset {name} already: choose another name, or delete that one.")
            partial.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return found


def _nothing(groups: tuple[Group, ...]) -> Proposal:
    raise DataError(groups[0].sentence)


def _look(tree: Tree, picture: SourcePicture) -> Looked:
    if picture.path is not None:
        return tree.decoder.look(picture.path)
    assert picture.content is not None
    return tree.decoder.look_at(picture.content(), picture.stem)


def _fitting(picture: SourcePicture, looked: Looked, most: float) -> tuple[Labels | None, Misfit | None]:
    """The labels of a picture, or why they do not fit it."""
    if picture.labels is None:
        return None, None
    try:
        labels = picture.labels()
    except (DataError, MemoryError) as error:
        reason = "they need more memory than there is" if isinstance(error, MemoryError) else str(error).rstrip(".")
        return None, Misfit("labels", picture.stem, reason)
    if (labels.height, labels.width) != (looked.height, looked.width):
        misfit, share = size_misfit(picture.stem, (looked.height, looked.width), (labels.height, labels.width))
        if share > most + 1e-9:
            return None, misfit
    return labels, None


def _write(found: Survey, folder: Path) -> None:
    """Pictures as they are, and masks of class indices."""
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    table = found.proposal.indices()
    for each in found.usable:
        _copy_picture(each.picture, images)
        if each.labelled:
            assert each.picture.labels is not None
            write_mask(masks / each.picture.stem, each.picture.labels(), (each.height, each.width), table)


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


def _description(name: str, found: Survey, choices: Choices) -> Description:
    proposal = found.proposal
    classes = tuple(
        DescribedClass(each.name[:60], colour, tuple(_source(code, proposal, each.name) for code in each.codes))
        for each, colour in zip(proposal.classes, _colours(proposal), strict=True)
    )
    parts: dict[str, list[str]] = {"train": [], "validate": [], "test": []}
    for each in found.usable:
        if each.picture.part is not None:
            parts[each.picture.part].append(each.picture.stem)
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


def _colours(proposal: Proposal) -> list[Colour]:
    """A colour for each class: its own, or one that no other class has."""
    chosen = iter(colours_for(min(255, 2 * len(proposal.classes) + 5)))
    own = [each.colour for each in proposal.classes]
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
