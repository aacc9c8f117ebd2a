"""`export`: a model as ONNX, checked against PyTorch, in a zip with what is needed to use it."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import add_data, add_json, data_config
from core.cli.terminal import say, say_json
from core.export.formats import FORMATS

if TYPE_CHECKING:
    from core.config import DataConfig

_USUAL = "onnx"
TARGETS = {
    _USUAL: "pictures of any size, with a script",
    **{name: found.short for name, found in FORMATS.items()},
}


def add(verbs: Any) -> None:
    verb = verbs.add_parser("export", help="write a model as ONNX, ready to use without torch, or for another tool")
    verb.add_argument("model", metavar="NAME", help="a shipped model, the id of a run, or a path")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NAME.onnx and NAME.zip")
    verb.add_argument("--int8", action="store_true", help="also quantise to INT8, calibrated on training tiles")
    verb.add_argument("--argmax", action="store_true", help="give class indices instead of logits")
    verb.add_argument(
        "--for",
        dest="target",
        choices=list(TARGETS),
        default=_USUAL,
        help="; ".join(f"{name}: {text}" for name, text in TARGETS.items()) + f" (default: {_USUAL})",
    )
    verb.add_argument(
        "--resolution", type=float, metavar="CM", help="centimetres a pixel of the training pictures (default: known)"
    )
    verb.add_argument("--tile", type=int, default=512, metavar="PIXELS", help="side of the squares (default: 512)")
    add_data(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def _silence(_: str) -> None:
    """Where JSON was asked for."""


def run(args: argparse.Namespace) -> int:
    return _usual(args) if args.target == _USUAL else _for_a_tool(args)


def _name(stem: Path) -> str:
    """What files are called: the model, or the run that it came from."""
    return stem.parent.name if stem.name == "student" and stem.parent.name != "checkpoints" else stem.name


def _data(args: argparse.Namespace, stem: Path) -> "DataConfig":
    """The pictures that files are compared on: those named, or the usual ones of the model."""
    from core.cards import load_card
    from core.export.parity import usual_data

    return data_config(args) if args.dataset or args.root else usual_data(load_card(stem))


def _for_a_tool(args: argparse.Namespace) -> int:
    from core import checkpoint
    from core.errors import ConfigError
    from core.export.formats import Options, make_format
    from core.files import size_text, write_aside

    if args.int8 or args.argmax:
        raise ConfigError(f"--int8 and --argmax belong to the usual ONNX: leave them out for {args.target}.")
    stem = checkpoint.resolve(args.model)
    options = Options(_name(stem), args.resolution, args.tile, _data(args, stem))
    files = make_format(stem, args.target, options)
    for file, content in files.items():
        write_aside(args.out / file, partial(Path.write_bytes, data=content))
    if args.json:
        say_json(
            {"model": args.model, "bytes": {str(args.out / file): len(content) for file, content in files.items()}}
        )
        return 0
    for file, content in files.items():
        say(f"{args.out / file}  {size_text(len(content))}")
    return 0


def _usual(args: argparse.Namespace) -> int:
    from core import checkpoint
    from core.export.make import archive, export
    from core.files import size_text, write_aside

    stem = checkpoint.resolve(args.model)
    tell = _silence if args.json else say
    exported = export(stem, argmax=args.argmax, int8=args.int8, data=_data(args, stem), say=tell)
    name = _name(stem)
    files = {file.replace("model", name, 1): content for file, content in exported.files.items()}
    files[f"{name}.zip"] = archive(exported)
    for file, content in files.items():
        write_aside(args.out / file, partial(Path.write_bytes, data=content))
    if args.json:
        parities = {file: found.to_json() for file, found in exported.parities.items()}
        sizes = {str(args.out / file): len(content) for file, content in files.items()}
        say_json({"model": args.model, "bytes": sizes, "parity": parities})
        return 0
    for file, found in exported.parities.items():
        say(f"{file}: PyTorch's class on {100 * found.agreement:.3f} % of {found.pixels:,} pixels")
    for file, content in files.items():
        say(f"{args.out / file}  {size_text(len(content))}")
    return 0
