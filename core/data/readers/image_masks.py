"""Images beside masks, in folders of any name: an index, palette, colour or binary mask a picture, or a PNG a class."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.readers.class_lists import find_list
from core.data.readers.label_studio_names import task_of, task_pictures
from core.data.readers.number_tables import published_numbers
from core.data.readers.pairing import Pairs, only_folder, pair_up
from core.data.readers.parts import parts_of
from core.data.readers.source import (
    OUTSIDE,
    UNLABELLED,
    Asked,
    Coding,
    Labels,
    Listed,
    Misfit,
    Source,
    SourceClass,
    SourcePicture,
)
from core.data.readers.stems import unique_stems
from core.data.readers.tree import MOST_CODE, OTHER_PICTURES, Tree, natural
from core.data.readers.words import key_of, words_of
from core.errors import DataError
from core.imagery.labels import StoredMask

TITLE = "images beside masks"
UNREAD = (
    ".npy", ".npz", ".mat", ".h5", ".hdf5", ".parquet", ".arrow", ".tfrecord", ".nc", ".zarr", ".pkl", ".img", ".ecw",
    ".sid", ".vrt", ".ndjson", ".jsonl",
)  # fmt: skip
"""Endings of files that may hold pictures or labels and are not read."""
_SAMPLE = 24
_MOST_BETWEEN = 0.02
"""Of the pixels of a mask that tells one thing from the rest: how many may have a number between those two."""
_STRIP_PIXELS = 4_000_000
_BACKGROUND = re.compile(r"^_*background_*$", re.IGNORECASE)


@dataclass(frozen=True)
class _Meaning:
    """How the masks of a source are read: `coding`, and the shared palette where values are places in one."""

    coding: Coding
    palette: NDArray[np.uint8] | None = None


def knows(tree: Tree) -> bool:
    """Whether there are pictures at all: this is the reader for what no other one knows."""
    return bool(tree.pictures)


def read(tree: Tree, asked: Asked) -> Source:
    """What the folder holds. Raises `DataError` where nothing can be used."""
    return read_pictures(tree, tree.pictures, title=TITLE, bands=asked.bands)


def read_pictures(
    tree: Tree, pictures: Sequence[Path], *, title: str, listed: Sequence[Listed] | None = None, bands: int = 0
) -> Source:
    """The same of some of its pictures, with the classes of a format that lists them."""
    others = [path for path in pictures if path.suffix.lower() in OTHER_PICTURES]
    pairs = pair_up(tree, [path for path in pictures if path not in set(others)], bands=bands)
    if not pairs.images:
        if others:
            raise DataError(
                f"Files such as {tree.relative(others[0])} are {others[0].suffix[1:].upper()}, which is not read: save "
                "pictures and masks as PNG or TIFF, for example with magick mogrify -format png."
            )
        raise DataError(
            "This folder holds masks without pictures, or nothing that can be told apart: add the pictures."
        )
    if not pairs.masks and not pairs.lonely and (vectors := tree.ending(".gpkg", ".shp", ".geojson", ".zip")):
        raise DataError(
            f"No picture has labels, and {vectors[0].name} holds none that can be read: export it again, or take it "
            "out to import the pictures alone."
        )
    notes = list(pairs.notes)
    pairs.lonely = _with_tasks(tree, pairs, notes)
    if not pairs.masks and (unread := [*tree.ending(*UNREAD, ".xml"), *tree.ending(".json")]):
        notes.append(
            f"Files such as {unread[0].name} are not read as labels: export them as COCO, LabelMe or masks if they are."
        )
    name = ""
    if listed is None:
        listed, name = find_list(tree)
    kinds = sorted({kind for masks in pairs.masks.values() for _, kind in masks if kind}, key=natural)
    by_class = len(kinds) > 1 and _one_a_class(tree, pairs)
    misfits = [Misfit("task" if task_of(path.stem) else "lonely", tree.relative(path)) for path in pairs.lonely]
    misfits += [Misfit("format", tree.relative(path), path.suffix[1:].upper()) for path in others]
    if by_class:
        codes = {kind: at for at, kind in enumerate(kinds, start=1)}
        classes = tuple(SourceClass(code, kind) for kind, code in codes.items())
        labels = {image: _of_classes(tree, masks, codes) for image, masks in pairs.masks.items()}
        found = _pictures(tree, pairs, labels, notes)
        return Source(f"{title}, one a class", found, "names", classes, notes=tuple(notes), misfits=tuple(misfits))
    chosen = _one_each(tree, pairs, notes)
    meaning = _meaning(tree, list(chosen.values()))
    if not listed and meaning.coding == "values":
        listed, name = published_numbers(tree, list(chosen.values()), _spread(list(chosen.values())))
    labels = {image: _of_mask(tree, mask, meaning) for image, mask in chosen.items()}
    colours = () if meaning.palette is None else _palette_classes(meaning.palette)
    kinds = sorted({kind for image, mask in chosen.items() for path, kind in pairs.masks[image] if path == mask})
    single = (kinds[0] if len(kinds) == 1 else "") or _single(listed) or only_folder(tree, list(chosen.values()))
    found, list_of = _pictures(tree, pairs, labels, notes), tuple(listed)
    jpeg = any(mask.suffix.lower() in (".jpg", ".jpeg") for mask in chosen.values())
    return Source(title, found, meaning.coding, colours, list_of, name, single, jpeg, tuple(notes), tuple(misfits))


def _pictures(
    tree: Tree, pairs: Pairs, labels: dict[Path, Callable[[], Labels]], notes: list[str]
) -> tuple[SourcePicture, ...]:
    stems = unique_stems(tree, pairs.images)
    parts = parts_of(tree, pairs.images, notes)
    return tuple(SourcePicture(path, stems[path], parts.get(path), labels.get(path)) for path in pairs.images)


def _with_tasks(tree: Tree, pairs: Pairs, notes: list[str]) -> list[Path]:
    """Pairs masks that Label Studio named after its tasks. Gives the masks that still have no picture."""
    tasks = {path: found for path in pairs.lonely if (found := task_of(path.stem)) is not None}
    if not tasks:
        return pairs.lonely
    known, note = task_pictures(tree, sorted({number for number, _ in tasks.values()}), pairs.images)
    if note:
        notes.append(note)
    lonely = []
    for path in pairs.lonely:
        number, kind = tasks.get(path, (0, ""))
        if path in tasks and number in known:
            pairs.masks[known[number]].append((path, kind))
        else:
            lonely.append(path)
    return lonely


def _one_a_class(tree: Tree, pairs: Pairs) -> bool:
    """Whether masks tell a class each by their names, and hold nothing but set and unset pixels."""
    named = [mask for masks in pairs.masks.values() for mask, kind in masks if kind]
    if 2 * len(named) <= sum(map(len, pairs.masks.values())):
        return False
    return all(_is_binary(tree, path) for path in _spread(named))


def _is_binary(tree: Tree, path: Path) -> bool:
    try:
        stored = tree.decoder.sample(path)
    except DataError:
        return True
    values = stored.values if stored.values.ndim == 2 else stored.values[..., 0]
    if values.max() <= 1 or len(np.unique(values)) <= 2:
        return True
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return bool(((values > 32) & (values < 224)).mean() < _MOST_BETWEEN)
    # Numbers between the two ends, each in many pixels, are classes; few pixels are what resampling makes of edges.
    counts = np.bincount(values.reshape(-1))
    return bool(len(counts) == 256 and counts[1:255].max() < _MOST_BETWEEN * values.size)


def _of_classes(tree: Tree, masks: Sequence[tuple[Path, str]], codes: dict[str, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        named = [(codes[kind], path) for path, kind in masks if kind]
        if not named:
            raise DataError("its mask names no class, as those of other pictures do: name it as they are named.")
        layers = [(code, _layer(tree, path)) for code, path in named]
        if len({(layer.height, layer.width) for _, layer in layers}) > 1:
            raise DataError("its masks have different sizes: export all of them at the size of the picture.")
        # The smaller of two that overlap lies on top.
        layers.sort(key=lambda each: -_pixels_set(each[1]))
        height, width = layers[0][1].height, layers[0][1].width

        def rows(top: int, bottom: int) -> NDArray[np.int32]:
            found = np.full((bottom - top, width), OUTSIDE, np.int32)
            for code, layer in layers:
                found[layer.rows(top, bottom) > 0] = code
            return found

        return Labels(height, width, rows)

    return read_labels


def _layer(tree: Tree, path: Path) -> Labels:
    """1 where the mask of a class is set, else 0; one that is too large to be read whole is read row by row."""
    if tree.decoder.is_large(path):
        level = _lowest_set(_values(tree.decoder.sample(path)))
        return tree.decoder.labels(path, lambda stored: _is_set(stored, level).astype(np.int32))
    whole = _is_set(tree.decoder.mask(path))
    return Labels(whole.shape[0], whole.shape[1], lambda top, bottom: whole[top:bottom].astype(np.int32))


def _pixels_set(layer: Labels) -> int:
    step = max(1, _STRIP_PIXELS // max(1, layer.width))
    parts = (layer.rows(top, min(layer.height, top + step)) for top in range(0, layer.height, step))
    return sum(int(part.sum()) for part in parts)


def _values(stored: StoredMask) -> NDArray[np.uint8]:
    """What tells set from unset pixels, (H, W)."""
    values = stored.values if stored.values.ndim == 2 else stored.values.max(axis=2)
    if stored.palette is not None:
        values = stored.palette[np.minimum(values, len(stored.palette) - 1)].max(axis=2)
    return values


def _is_set(stored: StoredMask, level: int = 0) -> NDArray[np.bool_]:
    """Which pixels (H, W) are set: those of `level` or more, which 0 leaves to what the mask holds."""
    values = _values(stored)
    found: NDArray[np.bool_] = values >= (level or _lowest_set(values))
    return found if stored.labelled is None else found & stored.labelled


def _lowest_set(values: NDArray[np.uint8]) -> int:
    """The lowest number that counts as set: 1 where 0 stands beside one lower than 128 alone, else half of 255."""
    top = values.max(initial=0)
    return 1 if top <= 1 or (top < 128 and values.min() == 0 and len(np.unique(values)) == 2) else 128


def _one_each(tree: Tree, pairs: Pairs, notes: list[str]) -> dict[Path, Path]:
    """One mask a picture. Where there are several kinds side by side, those in the folder with most of them, of classes
    rather than single things, those called semantic, of numbers rather than colours, and of few of them."""
    places: Counter[str] = Counter()
    examples: dict[str, Path] = {}
    for masks in pairs.masks.values():
        for mask, _ in masks:
            places[_kind_of_place(tree, mask)] += 1
            examples.setdefault(_kind_of_place(tree, mask), mask)
    several = any(len(masks) > 1 for masks in pairs.masks.values())
    ranks = {}
    for place, example in examples.items() if several else ():
        names = tree.relative(example).split("/")
        words = {*words_of(names[-1]), *words_of("/".join(names[:-1]))}
        things = {"instance", "instances", "instanceids", "panoptic"} & words
        try:
            values = tree.decoder.sample(example).values
            flat, few = values.ndim == 2, -len(np.unique(values.reshape(-1, *values.shape[2:]), axis=0))
        except DataError:
            flat, few = False, -MOST_CODE
        ranks[place] = (places[place], not things, bool({"semantic", "semantics"} & words), flat, few)
    chosen = {}
    for image, masks in pairs.masks.items():
        chosen[image] = max(
            masks, key=lambda each: ranks.get(_kind_of_place(tree, each[0]), (0, False, False, False, -MOST_CODE))
        )[0]
    if several:
        best = max(ranks, key=lambda place: ranks[place])
        notes.append(f"Pictures have several masks: those like {tree.relative(examples[best])} are taken.")
    return chosen


def _kind_of_place(tree: Tree, mask: Path) -> str:
    """The folder of a mask without its numbers, the word in its name and its ending: alike for masks of one kind."""
    word = mask.stem.lower().replace(key_of(mask.stem), "")
    return re.sub(r"\d+", "", f"{tree.relative(mask).rpartition('/')[0]}|{word}|{mask.suffix}").lower()


def _meaning(tree: Tree, masks: Sequence[Path]) -> _Meaning:
    """Decided over a spread of the masks, never for one of them."""
    stored = []
    for path in _spread(masks):
        try:
            stored.append(tree.decoder.sample(path))
        except DataError:
            continue
    palettes = [mask for mask in stored if mask.palette is not None]
    colours = [mask for mask in stored if mask.values.ndim == 3]
    if palettes and len(palettes) == len(stored):
        shared = _shared_palette(palettes)
        return _Meaning("colours") if shared is None else _Meaning("values", shared)
    grey = all((mask.values == mask.values[..., :1]).all() for mask in colours)
    return _Meaning("values" if grey and not palettes else "colours")


def _shared_palette(masks: Sequence[StoredMask]) -> NDArray[np.uint8] | None:
    """The colours (256, 3) of all these masks by value; None where a value that is used has two colours."""
    found, known = np.zeros((256, 3), np.uint8), np.zeros(256, np.bool_)
    for mask in masks:
        assert mask.palette is not None
        whole = np.zeros((256, 3), np.uint8)
        whole[: len(mask.palette)] = mask.palette[:256]
        used = np.zeros(256, np.bool_)
        used[np.unique(mask.values)] = True
        both = used & known
        if (whole[both] != found[both]).any():
            return None
        found[used], known = whole[used], known | used
        found[~known] = whole[~known]
    return found


def _palette_classes(palette: NDArray[np.uint8]) -> tuple[SourceClass, ...]:
    """The colours of a palette, without names; one that is nothing but greys tells no colours."""
    if (palette == palette[:, :1]).all():
        return ()
    return tuple(SourceClass(at, "", (int(r), int(g), int(b))) for at, (r, g, b) in enumerate(palette))


def _of_mask(tree: Tree, path: Path, meaning: _Meaning) -> Callable[[], Labels]:
    return lambda: tree.decoder.labels(path, lambda stored: _codes(stored, meaning))


def _codes(stored: StoredMask, meaning: _Meaning) -> NDArray[np.int32]:
    values = stored.values
    if meaning.coding == "values":
        codes = (values if values.ndim == 2 else values[..., 0]).astype(np.int32)
    else:
        if values.ndim == 2 and stored.palette is not None:
            table = np.zeros((256, 3), np.uint8)
            table[: len(stored.palette)] = stored.palette[:256]
            values = table[values]
        wide = values.astype(np.int32)
        codes = wide * 0x010101 if wide.ndim == 2 else wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    if stored.labelled is not None:
        codes[~stored.labelled] = UNLABELLED
    return codes


def _single(listed: Sequence[Listed]) -> str:
    """How the one class of binary masks is called, where a list of classes names one."""
    names = [entry.name for entry in listed if not _BACKGROUND.match(entry.name)]
    return names[0] if len(names) == 1 else ""


def _spread(paths: Sequence[Path]) -> Sequence[Path]:
    return paths[:: max(1, -(-len(paths) // _SAMPLE))]
