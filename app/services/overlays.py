"""A comparison packed for the viewer in the browser: one blob of the picture as WebP and what models say as PNG."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.services.inference import Planes, Quality
from app.services.palettes import safe_colours

LARGEST_SIDE = 4096
"""Larger pictures are shown at a whole fraction of their size."""


@dataclass(frozen=True)
class Panel:
    """One mask beside the others; `planes` as `encode` gives them. `note` is a short figure under the title."""

    role: Literal["truth", "teacher", "student"]
    title: str
    note: str
    planes: bytes


def encode(planes: Planes) -> bytes:
    """Class, confidence and entropy as the three channels of one PNG: lossless, and read by every browser."""
    from core.image import encode_png

    return encode_png(np.stack([planes.mask, planes.confidence, planes.entropy], axis=-1))


def decode(png: bytes) -> Planes:
    """What `encode` was given."""
    from core.image import read_rgb

    channels = read_rgb(png)
    return Planes(*(np.ascontiguousarray(channels[..., index]) for index in range(3)))


def panels(*, truth: NDArray[np.uint8] | None, shown: Sequence[tuple[str, bytes, Quality]]) -> list[Panel]:
    """The known mask, the teacher (the first of `shown`) and the students, each with its figures in a short note."""
    from core.image import encode_png

    found = [] if truth is None else [Panel("truth", "Known mask", "", encode_png(truth))]
    for index, (title, planes, quality) in enumerate(shown):
        found.append(Panel("student" if index else "teacher", title, _note(quality), planes))
    return found


def pack(
    image: NDArray[np.uint8],
    panels: Sequence[Panel],
    *,
    classes: Sequence[tuple[str, tuple[int, int, int]]],
    ignore_index: int,
    ground: float | None = None,
) -> bytes:
    """The length of a JSON header (uint32, little-endian), the header, and the pictures back to back.

    `ground` is in metres a pixel. The header's `id` is that of the contents.
    """
    from core.image import encode_webp

    step = -(-max(image.shape[:2]) // LARGEST_SIDE)
    photo = shrink(image, step)
    parts = [encode_webp(photo), *(_thin(panel.planes, step) for panel in panels)]
    ends = np.cumsum([len(part) for part in parts]).tolist()
    spans = [[end - len(part), len(part)] for part, end in zip(parts, ends, strict=True)]
    header: dict[str, Any] = {
        "width": int(photo.shape[1]),
        "height": int(photo.shape[0]),
        "step": step,
        "ground": ground and ground * step,
        "photo": spans[0],
        "panels": [
            {"role": panel.role, "title": panel.title, "note": panel.note, "planes": span}
            for panel, span in zip(panels, spans[1:], strict=True)
        ],
        "classes": [
            {"name": name, "colour": list(colour), "safe": list(safe)}
            for (name, colour), safe in zip(classes, safe_colours(classes), strict=True)
        ],
        "ignore": ignore_index,
    }
    digest = hashlib.sha256(json.dumps(header).encode())
    for part in parts:
        digest.update(part)
    return frame({**header, "id": digest.hexdigest()[:16]}) + b"".join(parts)


def frame(header: dict[str, Any]) -> bytes:
    """JSON behind its length."""
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text


def _note(quality: Quality) -> str:
    parts = [f"mIoU {100 * quality.miou5:.1f} %"] if quality.miou5 is not None else []
    if quality.agreement is not None:
        parts.append(f"agrees {100 * quality.agreement:.1f} %")
    return " · ".join(parts)


def _thin(png: bytes, step: int) -> bytes:
    """Every `step`-th pixel of a PNG."""
    from core.image import encode_png, read_raw

    return png if step == 1 else encode_png(np.ascontiguousarray(read_raw(png)[::step, ::step]))


def shrink(image: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Every `step`-th pixel, each the mean of its block as far as the block is whole."""
    if step == 1:
        return image
    height, width = image.shape[0] // step * step, image.shape[1] // step * step
    blocks = image[:height, :width].reshape(height // step, step, width // step, step, 3)
    shrunk = image[::step, ::step].copy()
    shrunk[: height // step, : width // step] = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return shrunk
