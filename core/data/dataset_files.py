"""A dataset written as a folder of its own: pictures as they were brought, or cut where they are large, and masks."""

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.band_set import LEFT_OUT, BandSet
from core.classes import MOST_CLASSES, Colour, colours_for
from core.data import named
from core.data.block_files import write_blocks
from core.data.cut_blocks import LEAST_SIDE, Block, Box, blocks_of, labelled_box, margin_of, tiles_of, united
from core.data.description import DescribedClass, DescribedSplit, Description, write_description
from core.data.import_bands import write_taken
from core.data.importing import ImportChoices, OnPicture, Survey, Usable, survey, telling
from core.data.mask_files import PACKED, WHOLE_PIXELS, write_mask
from core.data.readers.inferred import Proposal, check_count, written
from core.data.readers.source import Part, SourcePicture
from core.data.readers.tree import Tree
from core.errors import DataError
from core.files import require_room
from core.imagery import world
from core.imagery.sniff import FIRST_BYTES, picture_kind

_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}
_ALONE = 512


def import_dataset(tree: Tree, name: str, choices: ImportChoices, *, progress: OnPicture | None = None) -> Survey:
    """Write a source as the dataset `name`. Nothing of the source is changed, and nothing half written is left.

    Raises:
        ConfigError: the name is taken or cannot be one, or the map does not fit.
        DataError: there is nothing to use, there are less than two classes, or something does not fit and is not left
            out; one sentence a group.
        DiskFullError: there is no space for it.
    """
    target = named.folder_of(name)
    named.require_free(target)
    found = survey(tree, choices, progress=_half(progress, 0))
    check_count(found.proposal)
    if found.groups and not choices.skip:
        raise DataError(" ".join(group.sentence for group in found.groups))
    with named.whole_folder(target, target.with_name(f".{name}.{secrets.token_hex(4)}.part")) as partial:
        write_dataset(found, partial, name, choices, progress=_half(progress, 1))
    return found


def _half(progress: OnPicture | None, half: int) -> OnPicture | None:
    """What tells of one of two passes over all pictures."""
    if progress is None:
        return None
    return lambda done, total, name: progress(half * total + done, 2 * total, name)


def write_dataset(
    found: Survey, folder: Path, name: str, choices: ImportChoices, *, progress: OnPicture | None = None
) -> None:
    """Write a surveyed source into an empty folder: pictures as they are, masks of class indices, `dataset.toml`.

    Raises:
        ConfigError: a title, a colour or a split that cannot be.
        DataError: there are less than two classes or more than 255.
        NoRoomError: the disk has no space for it.
    """
    check_count(found.proposal)
    description, to_parts = _description(name, found, choices), is_cut(found, choices)
    parts: dict[str, Part | None] = {}
    margins = [] if found.source.margin is None else [found.source.margin]
    images, masks = folder / "images", folder / "masks"
    images.mkdir()
    masks.mkdir()
    table = found.proposal.indices()
    planned = []
    for each in found.usable:
        own = choices.parts.get(each.picture.stem) if choices.parts else each.picture.part
        planned.append((each, own, _pieces(each, own, to_parts, table, description.band_set, choices.margin)))
    require_room(folder, sum(_bytes(each, blocks, description.band_set) for each, _, blocks in planned))
    for number, (each, own, blocks) in enumerate(planned):
        on_share = telling(progress, number, len(found.usable), each.picture.stem)
        on_share(0.0)
        if LEFT_OUT in found.bands_named:
            each = _with_bands_left_out(each, images, found.bands_named)
        if blocks:
            if len({block.part for block in blocks}) > 1:
                margins.append(margin_of(united(blocks) or blocks[0], choices.margin))
            parts |= _cut(each, blocks, table, folder, description.band_set, on_share)
            if LEFT_OUT in found.bands_named and each.picture.path is not None:
                each.picture.path.unlink()
            continue
        parts[each.picture.stem] = own
        if LEFT_OUT not in found.bands_named:
            copy_picture(each.picture, images)
        if each.labelled:
            write_mask(masks / each.picture.stem, each.labels(), (each.height, each.width), table)
    write_description(folder, replace(description, split=_split_of(parts, margins)))


def _bytes(each: Usable, blocks: Sequence[Block], bands: BandSet) -> int:
    """About how many bytes a picture takes with its mask: blocks are not packed, a whole picture stays as it is."""
    if blocks:
        pixels = sum(block.height * block.width for block in blocks)
        return pixels * (bands.pixel_bytes + each.labelled)
    size = 0 if each.picture.path is None else each.picture.path.stat().st_size
    return size + each.labelled * each.height * each.width // PACKED


def _with_bands_left_out(each: Usable, images: Path, names: tuple[str, ...]) -> Usable:
    """The same picture as a new file that lacks the bands which are left out."""
    assert each.picture.path is not None
    target = images / f"{each.picture.stem}.tif"
    write_taken(each.picture.path, target, names)
    return replace(each, picture=replace(each.picture, path=target))


def _pieces(
    each: Usable, part: Part | None, to_parts: bool, table: Mapping[int, int], bands: BandSet, margin: int | None
) -> list[Block]:
    """The tiles that a picture is cut into; none where it stays whole.

    Args:
        each: the picture.
        part: what it is for, as its source or a person says.
        to_parts: whether labelled pictures are cut into blocks that train, validate and test.
        table: the class index of each code.
        bands: of the dataset.
        margin: between such blocks.
    """
    pixel_bytes = bands.pixel_bytes
    whole = Box(0, 0, each.height, each.width)
    box = labelled_box(each.boxes, table) or whole
    if each.labelled and to_parts and max(each.height, each.width) >= LEAST_SIDE:
        return blocks_of(box, margin=margin, pixel_bytes=pixel_bytes)
    if each.height * each.width > WHOLE_PIXELS:
        return tiles_of(box, part, pixel_bytes=pixel_bytes)
    return []


def _cut(
    each: Usable,
    blocks: list[Block],
    table: Mapping[int, int],
    folder: Path,
    bands: BandSet,
    on_share: Callable[[float], None],
) -> dict[str, Part | None]:
    """Write the tiles of a picture. Gives by stem what each is for."""
    labels = None if each.picture.labels is None or not each.labelled else each.own_labels()
    size = each.height, each.width
    return write_blocks(each.picture, labels, size, blocks, folder, table, bands=bands, on_share=on_share)


def _split_of(parts: Mapping[str, Part | None], margins: list[int]) -> DescribedSplit:
    """The split of pictures and tiles by what each is for; drawn at random where nothing says it.

    `margins` are those between blocks, of which the narrowest counts.
    """
    if not any(parts.values()):
        return DescribedSplit()
    train, validate, test = (
        tuple(stem for stem, part in parts.items() if part == use) for use in ("train", "validate", "test")
    )
    return DescribedSplit("names", train, validate, test, min(margins, default=None))


def is_cut(found: Survey, choices: ImportChoices) -> bool:
    """Whether pictures are cut into blocks: as a person says, else where a single large one has labels."""
    if choices.blocks is not None:
        return choices.blocks
    labelled = [each for each in found.usable if each.labelled]
    return len(labelled) == 1 and max(labelled[0].height, labelled[0].width) >= _ALONE


def copy_picture(picture: SourcePicture, images: Path) -> None:
    """Copy the file of a picture into a folder under its stem, with the files beside it that say where it lies."""
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
    return Description(
        name=name,
        title=choices.title or name,
        classes=classes,
        licence=choices.licence or found.source.licence,
        attribution=choices.attribution or found.source.attribution,
        labelled_by=found.source.labelled_by,
        bands=found.bands.names,
        depth=found.bands.depth,
        shown=found.bands.shown,
        metres_per_pixel=found.metres_per_pixel,
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
