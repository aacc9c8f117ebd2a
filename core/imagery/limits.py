"""What a picture from outside may be, and what is known of one that passed. Limits hold before a pixel is decoded."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.errors import ConfigError
from core.files import size_text

CUT = "Cut it into parts, or allow it on the command line (predict --huge)."
"""What to do with a picture that is over a limit."""
MEGABYTE = 1_000_000
"""As people are told it; memory is counted in 1024² beside it."""
_MEMORY = 1024**2
SPARSE_PIXELS = 25_000_000
"""Smaller pictures take seconds, whatever is in them."""
LEAST_METRES, MOST_METRES = 0.001, 1000.0
"""How wide a pixel can be that a person gives."""
HUGE_PIXELS = 1_000_000_000_000
Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Limits:
    """`pixels` bounds what is read in windows (TIFF), `whole_pixels` what must be decoded in one piece.

    Above `SPARSE_PIXELS` a byte of the file may stand for `pixels_per_byte` pixels at most: deflate makes one of 1,032
    at best, so that what has more holds hardly any data and costs as much work as if it did. `huge()` lifts both.

    `bytes` is of the file, `block_bytes` of one decoded strip or tile, `memory` what decoding may take above the empty
    child process; `seconds` is processor time for opening and for each window, `patience` the time on the clock.
    """

    bytes: int = 8_000 * MEGABYTE
    pixels: int = 1_000_000_000
    pixels_per_byte: int = 2000
    whole_pixels: int = 100_000_000
    side: int = 1_000_000
    bands: int = 64
    pages: int = 1000
    block_bytes: int = 256 * _MEMORY
    memory: int = 1200 * _MEMORY
    seconds: int = 20
    patience: int = 60

    def huge(self) -> "Limits":
        """The same for a picture that its owner knows to be very large, or nearly empty."""
        return replace(self, pixels=HUGE_PIXELS, pixels_per_byte=HUGE_PIXELS, bytes=1024 * self.bytes)


@dataclass(frozen=True)
class Info:
    """What is known of a picture. `transform` is the affine map (a, b, c, d, e, f) from pixels to `crs` (WKT).

    `metres_per_pixel` is the ground resolution where the file knows it; `notes` are sentences on what was decided;
    `may_lack_data` tells whether some pixels may hold no data. `control_points` (row, column, x, y in `crs`) stand in
    for a `transform` where no affine map comes near them. `given_metres` is the width of a pixel that a person gave.
    `bands` are the names of all bands of a TIFF in their order, empty for those without one, and `depth` the type of
    their values; a PNG or JPEG has none to tell.
    """

    kind: str
    width: int
    height: int
    notes: tuple[str, ...] = ()
    crs: str | None = None
    transform: Transform | None = None
    metres_per_pixel: float | None = None
    may_lack_data: bool = False
    control_points: tuple[tuple[float, float, float, float], ...] = ()
    given_metres: float | None = None
    bands: tuple[str, ...] = ()
    depth: str = "uint8"

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def with_ground(self, metres: float | None) -> "Info":
        """The same where a person says how wide a pixel is; what the file itself says goes before that.

        Args:
            metres: From `LEAST_METRES` to `MOST_METRES`, or None where nobody says it.

        Raises:
            ConfigError: It is out of range.
        """
        if metres is None:
            return self
        if not LEAST_METRES <= metres <= MOST_METRES:
            most = f"{LEAST_METRES:g} to {MOST_METRES:,.0f}"
            raise ConfigError(f"A pixel is from {most} metres wide, not {metres:g}: give another width.")
        if self.metres_per_pixel is not None:
            own = f"The file says that a pixel is {self.metres_per_pixel:.3g} m wide, so the {metres:g} m given by you"
            return replace(self, notes=(*self.notes, f"{own} are not used."))
        note = f"A pixel is taken as {metres:g} m wide: given by you, for the file does not say it."
        return replace(self, metres_per_pixel=metres, given_metres=metres, notes=(*self.notes, note))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Info":
        transform = data["transform"]
        values = {**data, "notes": tuple(data["notes"]), "transform": tuple(transform) if transform else None}
        points = tuple(tuple(point) for point in data.get("control_points", ()))
        return cls(**{**values, "control_points": points, "bands": tuple(data.get("bands", ()))})


def check_size(width: int, height: int, most: int, *, advice: str) -> str | None:
    """What is wrong with a picture of this size, as the end of a sentence; None where nothing is."""
    if width < 1 or height < 1:
        return "has no pixels: export it anew."
    if width * height > most:
        return f"has {width:,} × {height:,} pixels; at most {most / 1e6:,.0f} megapixels are read. {advice}"
    return None


def check_density(pixels: int, size: int, most: int, *, advice: str) -> str | None:
    """What is wrong with so many pixels in a file of `size` bytes, as the end of a sentence; None where nothing is."""
    if pixels <= SPARSE_PIXELS or pixels <= most * size:
        return None
    return f"has {pixels / 1e6:,.0f} megapixels in {size_text(size)}, so it is nearly empty. {advice}"
