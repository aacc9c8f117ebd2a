"""One picture in several files, of which one is taken: other bands of it in folders of their own, heights, overlays."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from core.data.readers.parts import FolderParts
from core.data.readers.tree import Tree
from core.data.readers.words import HEIGHT_WORDS, band_key, bare_folder, inner_key, view_of, view_rank, words_of
from core.errors import DataError

_MOST_NAMED = 4


def one_view_each(
    tree: Tree, images: Sequence[Path], masks: Sequence[Path], parts: FolderParts, bands: int
) -> list[Path]:
    """Of pictures that show the same in other bands one each, and no heights of the ground.

    Two show the same where their names and folders differ in nothing but words of bands: `rgb/a.jpg` and `nir/a.jpg`.
    Words that stand in the folders of masks as well name something else, such as places.
    Colours are taken before others, or what has so many `bands` where a number is given.

    Raises `DataError` where each band of a picture is a file of its own.
    """
    places = place_words(tree, masks)
    heights = [path for path in images if _is_height(tree, path)]
    kept = [path for path in images if path not in set(heights)] or list(images)
    _check_bands_apart(tree, kept)
    groups: dict[tuple[object, ...], dict[frozenset[str], list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in kept:
        folders = tree.relative(path).split("/")[:-1]
        place = frozenset(Counter(bare for name in folders if (bare := bare_folder(name, places))).items())
        groups[inner_key(path.stem), place, parts.of(path)][view_of(*folders, path.stem) - places].append(path)
    taken = {path for views in groups.values() for path in _best(tree, views, bands)}
    return [path for path in kept if path in taken]


def place_words(tree: Tree, masks: Sequence[Path]) -> frozenset[str]:
    """Words of bands that stand in the folders of masks, where they name something else."""
    return view_of(*{name for path in masks for name in tree.relative(path).split("/")[:-1]})


def _best(tree: Tree, views: Mapping[frozenset[str], Sequence[Path]], bands: int) -> Sequence[Path]:
    """The pictures of the view that is taken."""

    def worth(view: frozenset[str]) -> tuple[int, int, list[str]]:
        apart = abs(_count(tree, views[view][0]) - bands) if bands and len(views) > 1 else 0
        return apart, view_rank(view), sorted(view)

    return views[min(views, key=worth)]


def _count(tree: Tree, path: Path) -> int:
    """How many bands a picture has; 0 for one that cannot be read."""
    try:
        return len(tree.decoder.info_of(path).bands) or 3
    except DataError:
        return 0


def best_view(tree: Tree, alike: Sequence[Path], wanted: int = 0) -> Path:
    """Of pictures that a mask fits equally well the one in colours, else the one with most bands, or those wanted."""

    def worth(path: Path) -> tuple[int, int, int]:
        bands = _count(tree, path)
        return -abs(bands - wanted) if wanted else 0, -view_rank(view_of(path.parent.name, path.stem)), bands

    return alike[0] if len(alike) == 1 else max(alike, key=worth)


def left_aside(tree: Tree, gone: Sequence[Path], taken: Sequence[Path], *, alike: Collection[Path] = ()) -> list[str]:
    """The sentences about pictures that are not taken because another one stands for them; none where there are none.

    Of those in `alike` nothing but their mask tells that they show the same.
    """
    dates = [path for path in gone if path in alike and not view_of(*tree.relative(path).split("/"))]
    views = [path for path in gone if path not in set(dates)]
    told = _named(tree, taken)
    found = []
    if views:
        found.append(
            f"{len(views):,} files ({_named(tree, views)}) show the pictures of {told} in other bands, their heights "
            "or overlays: they are left aside."
        )
    if dates:
        found.append(
            f"{len(dates):,} files ({_named(tree, dates)}) have the masks of {told} as well, so they may show the same "
            "at another time: they are left aside, for a model sees one picture. To take them instead, leave the "
            "others out."
        )
    return found


def _named(tree: Tree, paths: Sequence[Path]) -> str:
    """The folders of some files, the first few of them."""
    places = list(dict.fromkeys(_place(tree, path) for path in paths))
    return ", ".join(places[:_MOST_NAMED]) + (" and others" if len(places) > _MOST_NAMED else "")


def _place(tree: Tree, path: Path) -> str:
    folders = tree.relative(path).split("/")[:-1]
    return folders[-1] if folders else path.suffix


def _is_height(tree: Tree, path: Path) -> bool:
    parts = tree.relative(path).split("/")
    words = {*words_of(parts[-2] if len(parts) > 1 else ""), *words_of(path.stem)}
    return bool(words & HEIGHT_WORDS)


def _check_bands_apart(tree: Tree, images: Sequence[Path]) -> None:
    """Raises `DataError` where most pictures are one band each, and two bands or more have the same name."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in images:
        rest, band = band_key(path.stem)
        if not band:
            rest, (_, band) = path.stem.lower(), band_key(path.parent.name)
        if band:
            found[rest][band] = path
    apart: list[Mapping[str, Path]] = [bands for bands in found.values() if len(bands) > 2]
    if 2 * sum(map(len, apart)) <= len(images) or not apart:
        return
    if all(len(tree.decoder.info_of(path).bands) == 1 for path in apart[0].values()):
        names = ", ".join(tree.relative(path) for path in list(apart[0].values())[:3])
        raise DataError(
            f"Each band of a picture is a file of its own ({names}): stack them into one TIFF a picture, for example "
            "with gdalbuildvrt -separate and gdal_translate."
        )
