"""`predict`: masks for pictures, as palette PNG in the class colours."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import add_device, add_model
from core.cli.terminal import complain, progress_bar, say
from core.errors import ConfigError, ImageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from core.checkpoint import Loaded
    from core.classes import ClassMap


def add(verbs: Any) -> None:
    verb = verbs.add_parser("predict", help="segment pictures into masks")
    verb.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="PNG, JPEG or TIFF")
    add_model(verb)
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the masks, one PNG a picture")
    verb.add_argument("--tile", type=int, default=512, help="larger pictures go in windows of this side (default: 512)")
    verb.add_argument("--overlap", type=int, default=64, help="pixels that windows share (default: 64)")
    add_device(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core import checkpoint, device

    targets = mask_paths(args.images, args.out)
    chosen = device.choose(args.device)
    loaded = checkpoint.load(checkpoint.resolve(args.model), device=chosen)
    args.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for source, target in targets.items():
        try:
            _predict_one(source, target, loaded, chosen, tile=args.tile, overlap=args.overlap)
        except ImageError as error:
            complain(f"{source}: {error}")
            failed += 1
        else:
            say(str(target))
    return 1 if failed else 0


def _predict_one(
    source: Path, target: Path, loaded: "Loaded", chosen: "torch.device", *, tile: int, overlap: int
) -> None:
    from core.files import write_aside
    from core.image import read_rgb
    from core.infer.predict import predict

    image, card = read_rgb(source), loaded.card
    with progress_bar(source.name, "window") as show:
        found = predict(
            loaded.model,
            image,
            mean=card.mean,
            std=card.std,
            device=chosen,
            tile=tile,
            overlap=overlap,
            progress=show,
        )
    data = palette_png(found.mask, card.classes)
    write_aside(target, lambda path: path.write_bytes(data))


def palette_png(mask: "NDArray[np.uint8]", class_map: "ClassMap") -> bytes:
    """A mask (H, W) as an 8-bit palette PNG: its values are class indices, its colours those of the classes."""
    from PIL import Image

    picture = Image.fromarray(mask)
    picture.putpalette([value for colour in class_map.colours for value in colour])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def mask_paths(images: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where the mask of each picture goes: OUT/STEM.png, with as many folders in front as tell equal names apart.

    `Tile 1/images/a.jpg` and `Tile 2/images/a.jpg` become `Tile 1_images_a.png` and `Tile 2_images_a.png`. A picture
    named twice is done once. Raises `ConfigError` when a mask would replace one of the pictures.
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
    targets = {image: out / f"{name}.png" for image, name in zip(unique.values(), names, strict=True)}
    for target in targets.values():
        if target.resolve() in unique:
            raise ConfigError(f"The mask {target} would replace a picture: choose another folder with --out.")
    return targets


def _name(path: Path, depth: int) -> str:
    """The last `depth` parts of an absolute path, without the ending of the file."""
    return "_".join([*path.parts[1:][-depth:-1], path.stem])
