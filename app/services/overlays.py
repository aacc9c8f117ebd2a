"""A comparison packed for the viewer in the browser: the picture as WebP, and what models say as PNG planes.

What is painted first (picture, classes) is one blob; what hover and layers need a moment later (confidence, entropy)
is another, six times as large.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.services import palettes
from app.services.figure_texts import share
from app.services.inference import Planes, Quality

LARGEST_SIDE = 4096
"""Larger pictures are shown at a whole fraction of their size."""


ENTROPY_STEP = 4
"""Of 255: entropy is only shown as a colour, and with 64 values it takes a third less room. The rest is exact."""
PHOTO_QUALITY = 80


@dataclass(frozen=True)
class Encoded:
    """`Planes` as one grey PNG each; `members` is empty where the model has none."""

    classes: bytes
    confidence: bytes
    entropy: bytes
    members: bytes = b""

    @property
    def shares(self) -> tuple[bytes, ...]:
        """In the order of `SHARES` in app/web/viewer/layers.mjs."""
        return (self.confidence, self.entropy, *([self.members] if self.members else []))


@dataclass(frozen=True)
class Panel:
    """One mask beside the others, class indices as PNG. `note` is a short figure under the title.

    `shares` are confidence, entropy and of a committee how much its members disagree; a known mask has none.
    """

    role: Literal["truth", "teacher", "student"]
    title: str
    note: str
    classes: bytes
    shares: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Packed:
    """`first` is enough to paint; `shares` begins with the id of the contents, by which the viewer knows them."""

    first: bytes
    shares: bytes

    @property
    def identity(self) -> str:
        """The id of the contents."""
        return self.shares[:_ID_LENGTH].decode()


def encode(planes: Planes) -> Encoded:
    """Lossless, but for entropy (see `ENTROPY_STEP`), and read by every browser."""
    from core.image import encode_png

    step = np.uint16(ENTROPY_STEP)
    entropy = np.minimum((planes.entropy + step // 2) // step * step, 255).astype(np.uint8)
    # Noise hardly shrinks further at higher levels, which take three times as long.
    shares = [planes.confidence, entropy, *([] if planes.members is None else [planes.members])]
    return Encoded(encode_png(planes.mask), *(encode_png(plane, level=3) for plane in shares))


def decode(encoded: Encoded) -> Planes:
    """What `encode` was given, entropy to half of `ENTROPY_STEP`."""
    from core.image import read_raw

    return Planes(mask_of(encoded), *map(read_raw, encoded.shares))


def mask_of(encoded: Encoded) -> NDArray[np.uint8]:
    """The class indices alone."""
    from core.image import read_raw

    return read_raw(encoded.classes)


def panels(*, truth: NDArray[np.uint8] | None, shown: Sequence[tuple[str, Encoded, Quality]]) -> list[Panel]:
    """The known mask, the teacher (the first of `shown`) and the students, each with its figures in a short note."""
    from core.image import encode_png

    found = [] if truth is None else [Panel("truth", "Known mask", "", encode_png(truth))]
    for index, (title, said, quality) in enumerate(shown):
        found.append(Panel("student" if index else "teacher", title, _note(quality), said.classes, said.shares))
    return found


def pack(
    image: NDArray[np.uint8],
    panels: Sequence[Panel],
    *,
    classes: Sequence[tuple[str, tuple[int, int, int]]],
    ignore_index: int,
    ground: float | None = None,
) -> Packed:
    """The first blob: the length of a JSON header (uint32, little-endian), the header, and its parts back to back.

    `ground` is in metres a pixel. The header's `id` is that of all contents, those of `shares` too.
    """
    from core.image import encode_webp

    step = -(-max(image.shape[:2]) // LARGEST_SIDE)
    photo = shrink(image, step)
    parts, shares = _Parts(), _Parts(start=_ID_LENGTH)
    header: dict[str, Any] = {
        "width": int(photo.shape[1]),
        "height": int(photo.shape[0]),
        "step": step,
        "ground": ground and ground * step,
        "photo": parts.add(encode_webp(photo, quality=PHOTO_QUALITY)),
        "panels": [
            {
                **{name: getattr(panel, name) for name in ("role", "title", "note")},
                "classes": parts.add(_thin(panel.classes, step)),
                "shares": [shares.add(_thin(share, step)) for share in panel.shares],
            }
            for panel in panels
        ],
        "classes": palettes.entries(classes),
        "ignore": ignore_index,
        "length": parts.end,
    }
    everything = (json.dumps(header).encode(), *parts.contents, *shares.contents)
    identity = hashlib.sha256(b"".join(everything)).hexdigest()[:_ID_LENGTH]
    first = frame({**header, "id": identity}) + b"".join(parts.contents)
    return Packed(first, identity.encode() + b"".join(shares.contents))


_ID_LENGTH = 16


class _Parts:
    """Bytes back to back; tells of each where it lies."""

    def __init__(self, start: int = 0) -> None:
        self.contents: list[bytes] = []
        self.end = start

    def add(self, part: bytes) -> tuple[int, int]:
        """Offset and length."""
        self.contents.append(part)
        self.end += len(part)
        return self.end - len(part), len(part)


def frame(header: dict[str, Any]) -> bytes:
    """JSON behind its length."""
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text


def _note(quality: Quality) -> str:
    parts = [f"mIoU {share(quality.miou5)}"] if quality.miou5 is not None else []
    if quality.agreement is not None:
        parts.append(f"agrees {share(quality.agreement)}")
    if quality.learned:
        parts.append("learned from this picture")
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
