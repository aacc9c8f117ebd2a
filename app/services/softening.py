"""What two models say of a window of a picture, in logits, packed for the browser that softens them."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.services.inference import window_logits
from app.services.overlays import frame, shrink

if TYPE_CHECKING:
    from core.checkpoint import Loaded

SIDE = 192
"""Pixels along the window."""
OVERVIEW = 512


@dataclass(frozen=True)
class PictureWindow:
    """Where the window lies in the picture: its top-left pixel and its size."""

    x: int
    y: int
    width: int
    height: int


def window(image: NDArray[np.uint8], *, across: float, down: float) -> PictureWindow:
    """The window around a point, given as fractions of the picture; moved so that it lies inside."""
    height, width = image.shape[:2]
    wide, tall = min(SIDE, width), min(SIDE, height)
    x, y = round(across * width - wide / 2), round(down * height - tall / 2)
    return PictureWindow(min(max(x, 0), width - wide), min(max(y, 0), height - tall), wide, tall)


def logits(loaded: "Loaded", image: NDArray[np.uint8], at: PictureWindow, **own_bands: Any) -> NDArray[np.float16]:
    """Of every class in the window (C, h, w), up to a constant of each pixel: no softmax notices it."""
    return window_logits(loaded, image, x=at.x, y=at.y, width=at.width, height=at.height, **own_bands)


def pack(
    image: NDArray[np.uint8],
    at: PictureWindow,
    *,
    teacher: tuple[str, NDArray[np.float16]],
    student: tuple[str, NDArray[np.float16]],
    class_names: list[str],
    temperature: float,
) -> bytes:
    """One blob: a JSON header behind its length, the window and the whole picture as WebP, and each model's logits."""
    from core.image import encode_webp

    crop = image[at.y : at.y + at.height, at.x : at.x + at.width]
    parts = {
        "crop": encode_webp(np.ascontiguousarray(crop), quality=92),
        "overview": encode_webp(shrink(image, -(-max(image.shape[:2]) // OVERVIEW)), quality=75),
        "teacher": np.ascontiguousarray(teacher[1], "<f2").tobytes(),
        "student": np.ascontiguousarray(student[1], "<f2").tobytes(),
    }
    spans, end = {}, 0
    for name, part in parts.items():
        spans[name] = [end, len(part)]
        end += len(part)
    height, width = image.shape[:2]
    body = b"".join(parts.values())
    header = {
        "id": hashlib.sha256(body).hexdigest()[:16],
        "width": at.width,
        "height": at.height,
        "place": {"x": at.x / width, "y": at.y / height, "width": at.width / width, "height": at.height / height},
        "teacher": teacher[0],
        "student": student[0],
        "classes": [{"name": name} for name in class_names],
        "temperature": temperature,
        "parts": spans,
    }
    return frame(header) + body
