"""`change`: what changed between two masks of one place, as a GeoTIFF, polygons and areas."""

import argparse
from pathlib import Path
from typing import Any

from core.cli.mosaic import add_output, say_files
from core.cli.predict import polygon_settings


def add(verbs: Any) -> None:
    verb = verbs.add_parser("change", help="what changed between two masks of one place, as areas and polygons")
    verb.add_argument("before", type=Path, metavar="BEFORE.tif", help="the earlier mask, of predict --tif")
    verb.add_argument("after", type=Path, metavar="AFTER.tif", help="the mask of the second date")
    add_output(verb, "change")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.infer.outputs.together import change

    return say_files(change(args.before, args.after, args.out / args.name, settings=polygon_settings(args)))
