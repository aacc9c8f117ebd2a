"""`export`: a model as ONNX, checked against PyTorch, in a zip with what is needed to use it."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from core.cli.options import add_data, add_json, data_config
from core.cli.terminal import say, say_json


def add(verbs: Any) -> None:
    verb = verbs.add_parser("export", help="write a model as ONNX, ready to use without torch")
    verb.add_argument("model", metavar="NAME", help="a shipped model, the id of a run, or a path")
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NAME.onnx and NAME.zip")
    verb.add_argument("--int8", action="store_true", help="also quantise to INT8, calibrated on training tiles")
    verb.add_argument("--argmax", action="store_true", help="give class indices instead of logits")
    add_data(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def _silence(_: str) -> None:
    """Where JSON was asked for."""


def run(args: argparse.Namespace) -> int:
    from core import checkpoint
    from core.export.make import archive, export
    from core.files import size_text, write_aside

    stem = checkpoint.resolve(args.model)
    tell = _silence if args.json else say
    exported = export(stem, argmax=args.argmax, int8=args.int8, data=data_config(args), say=tell)
    name = stem.parent.name if stem.name == "student" and stem.parent.name != "checkpoints" else stem.name
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
