"""What a picture from outside may be, and what is known of one that passed. Limits hold before a pixel is decoded."""

import json
from dataclasses import asdict, dataclass
from typing import Any

MEGABYTE = 1024**2


@dataclass(frozen=True)
class Limits:
    """`pixels` bounds what is read in windows (TIFF), `whole_pixels` what must be decoded in one piece.

    `bytes` is of the file, `block_bytes` of one decoded strip or tile, `memory` what decoding may take above the empty
    child process; `seconds` is processor time for opening and for each window, `patience` the time on the clock.
    """

    bytes: int = 8 * 1024 * MEGABYTE
    pixels: int = 4_000_000_000
    whole_pixels: int = 100_000_000
    side: int = 1_000_000
    bands: int = 64
    pages: int = 1000
    block_bytes: int = 256 * MEGABYTE
    memory: int = 1200 * MEGABYTE
    seconds: int = 20
    patience: int = 60


@dataclass(frozen=True)
class Info:
    """What is known of a picture. `transform` is the affine map (a, b, c, d, e, f) from pixels to `crs` (WKT).

    `metres_per_pixel` is the ground resolution where the file knows it; `notes` are sentences on what was decided;
    `may_lack_data` tells whether some pixels may hold no data.
    """

    kind: str
    width: int
    height: int
    notes: tuple[str, ...] = ()
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    metres_per_pixel: float | None = None
    may_lack_data: bool = False

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Info":
        transform = data["transform"]
        values = {**data, "notes": tuple(data["notes"]), "transform": tuple(transform) if transform else None}
        return cls(**values)


def check_size(width: int, height: int, most: int, *, advice: str) -> str | None:
    """What is wrong with a picture of this size, as the end of a sentence; None where nothing is."""
    if width < 1 or height < 1:
        return "has no pixels: export it anew."
    if width * height > most:
        return f"has {width:,} × {height:,} pixels; at most {most / 1e6:,.0f} megapixels are read. {advice}"
    return None
