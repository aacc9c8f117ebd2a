"""`predict`: pictures of any size → masks, as palette PNG, GeoTIFF, polygons, areas."""

import argparse
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import add_device, add_model
from core.cli.terminal import complain, progress_bar, say
from core.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from core.infer.batch import Wanted
    from core.infer.job import Item, Result

_FILES = {
    "tif": "also a Cloud-Optimised GeoTIFF with the picture's coordinates",
    "gpkg": "also polygons as GeoPackage, in the picture's coordinates",
    "geojson": "also polygons as GeoJSON, in degrees where the picture knows its place",
    "probs": "also the probability of each class, as a GeoTIFF",
    "areas": "also the area of each class, as CSV",
}


def add(verbs: Any) -> None:
    verb = verbs.add_parser("predict", help="segment pictures into masks")
    verb.add_argument(
        "images", nargs="+", type=Path, metavar="IN", help="PNG, JPEG, TIFF or GeoTIFF; a folder or a zip of them"
    )
    add_model(verb)
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the masks, one PNG a picture")
    for name, text in _FILES.items():
        verb.add_argument(f"--{name}", action="store_true", help=text)
    verb.add_argument("--teacher", metavar="NAME", help="also where this model differs, as GeoTIFF and areas")
    verb.add_argument(
        "--bands", metavar="R,G,B", help="numbers of the bands that are red, green and blue (default: as the file says)"
    )
    verb.add_argument("--flips", action="store_true", help="average over mirror images: four times the time")
    verb.add_argument("--tile", type=int, help="most pixels along a side of the windows that a picture is cut into")
    verb.add_argument("--overlap", type=int, help="pixels that windows share")
    verb.add_argument(
        "--huge", action="store_true", help="also take pictures of more than 1,000 megapixels, or nearly empty ones"
    )
    add_device(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.imagery.limits import Limits
    from core.imagery.typed import parse_bands
    from core.infer.job import Desk, Order

    wanted = _wanted(args)
    bands = parse_bands(args.bands)
    limits = Limits().huge() if args.huge else Limits()
    with ExitStack() as stack:
        items, failed = _items(args.images, args.out, stack)
        desk = Desk(
            Order(tuple(items), args.model, wanted, args.teacher, _tiling(args), bands, args.device, limits),
        )
        args.out.mkdir(parents=True, exist_ok=True)
        for item in items:
            with progress_bar(item.name, "window") as show:
                result = desk.work(item, progress=show)
            failed += _told(result)
    return 1 if failed else 0


def _wanted(args: argparse.Namespace) -> "Wanted":
    from core.infer.batch import Wanted

    return Wanted(
        tif=args.tif, gpkg=args.gpkg, geojson=args.geojson, probabilities=args.probs, areas=args.areas, png=True
    )


def _tiling(args: argparse.Namespace) -> Any:
    from core.infer.look import Tiling

    usual = Tiling()
    tile = usual.tile if args.tile is None else args.tile
    overlap = usual.overlap if args.overlap is None else args.overlap
    if tile < 32 or not 0 <= overlap < tile:
        raise ConfigError(f"Tiles must have 32 pixels at least and overlap by less, not {tile} and {overlap}.")
    return Tiling(tile=tile, overlap=overlap, flips=args.flips)


def _told(result: "Result") -> int:
    """Say what came of a picture: its files on stdout, a refusal on stderr. 1 for a refusal."""
    if result.error is not None:
        complain(result.error)
        return 1
    for note in result.notes:
        complain(f"{result.name}: {note}")
    for path in result.outcome.files:
        say(str(path))
    return 0


def _items(images: Sequence[Path], out: Path, stack: ExitStack) -> tuple[list["Item"], int]:
    """The pictures behind the arguments, and how many arguments were refused."""
    from core.infer.job import Item

    items: list[Item] = []
    plain: list[Path] = []
    failed = 0
    for source in images:
        try:
            if not _is_zip(source):
                plain.extend(_inside(source) if source.is_dir() else [source])
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="terrastill-")))
            items.extend(_unpacked(source, folder, out))
        except ImageError as error:
            complain(str(error))
            failed += 1
    for path, target in mask_paths(plain, out).items() if plain else ():
        items.append(Item(str(path), str(path), str(target.with_suffix(""))))
    _keep_pictures(items, {path.resolve() for path in images})
    return items, failed


def _is_zip(path: Path) -> bool:
    from core.imagery.archives import is_zip

    return is_zip(path)


def _unpacked(source: Path, folder: Path, out: Path) -> Iterator["Item"]:
    """The pictures of a zip. Their names only colour the names of the masks; numbers keep these apart."""
    from core.imagery.archives import extract
    from core.infer.job import Item

    for entry in extract(source, folder, name=str(source)):
        yield Item(
            str(entry.path), f"{source}: {entry.name}", str(out / f"{source.stem}_{entry.path.name}_{safe(entry.name)}")
        )


def safe(name: str) -> str:
    """A name from outside, as a part of a file name: letters, digits, dashes, at most 60 of them."""
    stem = name.rsplit(".", 1)[0]
    return re.sub(r"[^\w-]+", "_", stem, flags=re.ASCII).strip("_")[:60] or "picture"


def _inside(folder: Path) -> list[Path]:
    """The pictures in a folder, by content. Raises `ImageError` when there is none."""
    from core.imagery.sniff import FIRST_BYTES, picture_kind

    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                if picture_kind(file.read(FIRST_BYTES)):
                    found.append(path)
    if not found:
        raise ImageError(f"{folder} holds no PNG, JPEG or TIFF: choose another folder.")
    return found


def _keep_pictures(items: Sequence["Item"], sources: set[Path]) -> None:
    """Raises `ConfigError` when a result would replace one of the pictures."""
    from core.infer.batch import outcome_files

    taken = {Path(item.path).resolve() for item in items} | sources
    for item in items:
        for target in outcome_files(Path(item.stem)):
            if target.resolve() in taken:
                raise ConfigError(f"The result {target} would replace a picture: choose another folder with --out.")


def mask_paths(images: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where the mask of each picture goes: OUT/STEM.png, with as many folders in front as tell equal names apart.

    `Tile 1/images/a.jpg` and `Tile 2/images/a.jpg` become `Tile 1_images_a.png` and `Tile 2_images_a.png`. A picture
    named twice is done once. Raises `ConfigError` when names cannot be told apart.
    """
    unique = {image.resolve(): image for image in images}
    depths = range(1, max(len(path.parts) for path in unique))
    namings = [[_name(path, depth) for path in unique] for depth in depths]
    # a.jpg and a.png side by side differ in nothing but their ending.
    namings.append([f"{_name(path, 1)}_{path.suffix.removeprefix('.')}" for path in unique])
    names = next((names for names in namings if len(set(names)) == len(names)), [])
    if not names:
        raise ConfigError(
            "These pictures cannot be told apart by name: predict them in several calls, into several folders."
        )
    return {image: out / f"{name}.png" for image, name in zip(unique.values(), names, strict=True)}


def _name(path: Path, depth: int) -> str:
    """The last `depth` parts of an absolute path, without the ending of the file."""
    return "_".join([*path.parts[1:][-depth:-1], path.stem])
