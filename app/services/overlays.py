"""Masks packed for the viewer in the browser: the picture as WebP, each mask as deflated class indices."""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.services.inference import Quality

LARGEST_SIDE = 2048


@dataclass(frozen=True)
class Panel:
    """One mask beside the others. `note` is a short figure under the title."""

    role: Literal["truth", "teacher", "student"]
    title: str
    note: str
    mask: NDArray[np.uint8]


def panels(*, truth: NDArray[np.uint8] | None, shown: Sequence[tuple[str, NDArray[np.uint8], Quality]]) -> list[Panel]:
    """The known mask, the teacher (the first of `shown`) and the students, each with its figures in a short note."""
    found = [] if truth is None else [Panel("truth", "Known mask", "", truth)]
    for index, (title, mask, quality) in enumerate(shown):
        found.append(Panel("student" if index else "teacher", title, _note(quality), mask))
    return found


def pack(
    image: NDArray[np.uint8],
    panels: Sequence[Panel],
    *,
    classes: Sequence[tuple[str, tuple[int, int, int]]],
    ignore_index: int,
) -> dict[str, Any]:
    """Plain values for the viewer; pictures over `LARGEST_SIDE` are shown at a whole fraction of their size."""
    step = -(-max(image.shape[:2]) // LARGEST_SIDE)
    photo = _shrink(image, step)
    packed = [
        {"role": p.role, "title": p.title, "note": p.note, "plane": _deflate(p.mask[::step, ::step])} for p in panels
    ]
    payload = {
        "width": int(photo.shape[1]),
        "height": int(photo.shape[0]),
        "photo": _data_url(photo),
        "panels": packed,
        "classes": [{"name": name, "colour": list(colour)} for name, colour in classes],
        "ignore": ignore_index,
    }
    digest = hashlib.sha256(payload["photo"].encode())
    for panel in packed:
        digest.update("\0".join(panel.values()).encode())
    return {**payload, "id": digest.hexdigest()[:16]}


def _note(quality: Quality) -> str:
    parts = [f"mIoU {100 * quality.miou5:.1f} %"] if quality.miou5 is not None else []
    if quality.agreement is not None:
        parts.append(f"agrees {100 * quality.agreement:.1f} %")
    return " · ".join(parts)


def _shrink(image: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Every `step`-th pixel, each the mean of its block as far as the block is whole."""
    if step == 1:
        return image
    height, width = image.shape[0] // step * step, image.shape[1] // step * step
    blocks = image[:height, :width].reshape(height // step, step, width // step, step, 3)
    shrunk = image[::step, ::step].copy()
    shrunk[: height // step, : width // step] = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return shrunk


def _data_url(photo: NDArray[np.uint8]) -> str:
    from core.image import encode_webp

    return "data:image/webp;base64," + base64.b64encode(encode_webp(photo)).decode()


def _deflate(plane: NDArray[np.uint8]) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(plane).tobytes(), 6)).decode()
