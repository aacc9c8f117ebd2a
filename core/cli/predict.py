"""`predict`: pictures of any size → masks, as palette PNG, GeoTIFF, polygons, areas."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.items import find_items
from core.cli.options import add_device, add_model
from core.cli.terminal import complain, progress_bar, say
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.infer.batch import PictureResult
    from core.infer.outputs.mask_polygons import PolygonSettings
    from core.infer.picture import Wanted

_FILES = {
    "tif": "also a Cloud-Optimised GeoTIFF with the picture's coordinates",
    "gpkg": "also polygons as GeoPackage, in the picture's coordinates, with their area in m²",
    "geojson": "also polygons as GeoJSON, in degrees where the picture knows its place",
    "probs": "also the probability of each class, as a GeoTIFF",
    "areas": "also the area of each class, as CSV",
    "report": "also an HTML report with map, scale bar, areas and where the model is unsure, which prints well",
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
    verb.add_argument(
        "--ground", type=float, metavar="METRES", help="how wide a pixel is, for areas, where the file does not say it"
    )
    verb.add_argument("--flips", action="store_true", help="average over mirror images: four times the time")
    verb.add_argument("--tile", type=int, help="most pixels along a side of the windows that a picture is cut into")
    verb.add_argument("--overlap", type=int, help="pixels that windows share")
    add_polygon_settings(verb)
    verb.add_argument(
        "--huge", action="store_true", help="also take pictures of more than 1,000 megapixels, or nearly empty ones"
    )
    add_device(verb)
    verb.set_defaults(run=run)


def add_polygon_settings(verb: argparse.ArgumentParser) -> None:
    """How polygons are made."""
    help_of = {
        "--smallest-area": "smaller spots join a neighbour in polygons: in m², or in pixels where the picture does not "
        "know its place (default: 12 pixels)",
        "--smooth": "how much is cut off the corners of polygons, from 0 (along the pixels) to 100 pixels (default: "
        "1.5); neighbours keep their common edge",
    }
    for (flag, text), unit in zip(help_of.items(), ("M2", "PIXELS"), strict=True):
        verb.add_argument(flag, type=float, metavar=unit, help=text)


def run(args: argparse.Namespace) -> int:
    from core.imagery.band_names import parse_bands
    from core.imagery.limits import Limits
    from core.infer.batch import BatchPredictor, BatchRequest

    wanted, tiling, polygons = _wanted(args), _tiling(args), polygon_settings(args)
    bands = parse_bands(args.bands)
    limits = Limits().huge() if args.huge else Limits()
    said = (bands, args.device, limits, polygons, args.ground)
    with ExitStack() as stack:
        items, refused = find_items(args.images, args.out, stack)
        for reason in refused:
            complain(reason)
        failed = len(refused)
        predictor = BatchPredictor(
            BatchRequest(tuple(items), args.model, wanted, args.teacher, tiling, *said),
        )
        args.out.mkdir(parents=True, exist_ok=True)
        for item in items:
            with progress_bar(item.name, "window") as show:
                result = predictor.predict(item, progress=show)
            failed += _told(result)
    return 1 if failed else 0


def polygon_settings(args: argparse.Namespace) -> "PolygonSettings":
    """What `add_polygon_settings` asks for. Raises `ConfigError`."""
    from core.infer.outputs.mask_polygons import PolygonSettings

    given = {"smallest_area": args.smallest_area, "smooth": args.smooth}
    return PolygonSettings(**{name: value for name, value in given.items() if value is not None})


def _wanted(args: argparse.Namespace) -> "Wanted":
    from core.infer.picture import Wanted

    return Wanted(
        tif=args.tif,
        gpkg=args.gpkg,
        geojson=args.geojson,
        probabilities=args.probs,
        areas=args.areas,
        png=True,
        report=args.report,
    )


def _tiling(args: argparse.Namespace) -> Any:
    from core.infer.tiling import Tiling

    usual = Tiling()
    tile = usual.tile if args.tile is None else args.tile
    overlap = usual.overlap if args.overlap is None else args.overlap
    if tile < 32 or not 0 <= overlap < tile:
        raise ConfigError(f"Tiles must have 32 pixels at least and overlap by less, not {tile} and {overlap}.")
    return Tiling(tile=tile, overlap=overlap, flips=args.flips)


def _told(result: "PictureResult") -> int:
    """Say what came of a picture: its files on stdout, a refusal on stderr. 1 for a refusal."""
    if result.error is not None:
        complain(result.error)
        return 1
    for note in result.notes:
        complain(f"{result.name}: {note}")
    for path in result.outputs.files:
        say(str(path))
    return 0
