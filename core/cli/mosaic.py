"""`mosaic`: masks of several pictures as one GeoTIFF, one layer of polygons and one table."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.predict import add_polygon_settings, polygon_settings
from core.cli.terminal import complain, say

if TYPE_CHECKING:
    from core.infer.outputs.together import Together


def add(verbs: Any) -> None:
    verb = verbs.add_parser("mosaic", help="put masks of several pictures together: one GeoTIFF, one layer, one table")
    verb.add_argument("masks", nargs="+", type=Path, metavar="MASK.tif", help="GeoTIFFs that predict --tif wrote")
    add_output(verb, "mosaic")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.infer.outputs.together import mosaic

    return say_files(mosaic(args.masks, args.out / args.name, settings=polygon_settings(args)))


def add_output(verb: argparse.ArgumentParser, name: str) -> None:
    """Where the files go, what they are called, and how polygons are made."""
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    verb.add_argument("--name", default=name, help=f"what the files are called (default: {name})")
    add_polygon_settings(verb)


def say_files(made: "Together") -> int:
    """Notes on stderr, files on stdout; the exit code."""
    for note in made.notes:
        complain(note)
    for path in made.files:
        say(str(path))
    return 0
