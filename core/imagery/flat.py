"""PNG and JPEG, decoded in one piece by Pillow: EXIF orientation, palettes, CMYK, transparency, 1 to 16 bits."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import ImageError
from core.imagery.limits import Info, Limits, check_size
from core.imagery.sniff import Kind

FORMATS = ("PNG", "JPEG")
_GREY, _SPREAD = 0, {2: 85, 4: 17}
_ORIENTATION = 0x0112
"""The EXIF tag."""
# What Pillow raises on files that are cut short, damaged or made up.
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, struct.error, zlib.error)
_CUT = "Crop it, or save it as a tiled GeoTIFF, which is read window by window."

# Our own limit is lower and comes first; Pillow's would warn and then raise from here on.
Image.MAX_IMAGE_PIXELS = None


class FlatPicture:
    """A decoded picture in memory. Raises `ImageError` whose message is the end of a sentence."""

    def __init__(self, source: Path | bytes, kind: Kind, limits: Limits) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._picture, self.was_turned, notes = _decode(source, limits)
        except Image.DecompressionBombError as error:
            raise ImageError("is too large to be decoded: crop it.") from error
        except DAMAGE as error:
            raise ImageError(f"cannot be read: the {kind} is damaged or cut short.") from error
        has_alpha = self._picture.mode == "RGBA"
        if has_alpha and self._picture.getchannel("A").getextrema() == (0, 0):
            # Some exporters leave the alpha of every pixel at 0; nobody means an invisible picture.
            self._picture = self._picture.convert("RGB")
            has_alpha = False
            notes.append("Every pixel is marked as transparent; that was ignored.")
        if has_alpha and (hidden := self._picture.getchannel("A").histogram()[0]):
            notes.append(hidden_note(hidden, self._picture.width * self._picture.height))
        width, height = self._picture.size
        self.info = Info(kind, width, height, tuple(notes), may_lack_data=has_alpha)

    def read(self, y: int, x: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """A window inside the picture.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            Colours uint8 (H, W, 3), black where fully transparent, and which are not, boolean (H, W) (None: all).
        """
        part = np.asarray(self._picture.crop((x, y, x + width, y + height)))
        if part.shape[-1] == 3:
            return part, None
        valid = part[..., 3] > 0
        return np.where(valid[..., None], part[..., :3], np.uint8(0)), valid

    def thinned(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some of its pixels.

        Args:
            rows: Which, (h,).
            columns: Which, (w,).

        Returns:
            Colours uint8 (h, w, 3).
        """
        return np.ascontiguousarray(self.read(0, 0, self.info.height, self.info.width)[0][rows[:, None], columns])

    def stored(self, y: int, x: int, height: int, width: int) -> NDArray[np.generic]:
        """A window of its colours.

        Args:
            y: Its first row.
            x: Its first column.
            height: H, in pixels.
            width: W, in pixels.

        Returns:
            uint8 (H, W, 3).
        """
        return self.read(y, x, height, width)[0]

    @property
    def is_plain(self) -> bool:
        """Whether it says nowhere where it holds no data."""
        return not self.info.may_lack_data

    @property
    def block_rows(self) -> int:
        """How many rows are decoded together: all of them."""
        return self.info.height

    def close(self) -> None:
        self._picture.close()


def hidden_note(hidden: int, seen: int, *, whole: bool = True) -> str:
    """How many pixels are transparent, out of all or of a sample."""
    many = f"{hidden:,} of its pixels ({hidden / seen:.1%})" if whole else f"about {hidden / seen:.1%} of its pixels"
    return f"Transparency hides {many}: they count as pixels without data."


def upright(source: Path | bytes, picture: Image.Image) -> Image.Image:
    """An open PNG or JPEG, decoded and turned as its EXIF says; the values and the key of a PNG of its own depth.

    Pillow spreads greys of 2 and 4 bits over 0 to 255, and leaves the transparent value ("transparency") as it is in
    the file: here both are what Pillow makes of the values. Raises what Pillow raises.
    """
    picture.load()
    key, (bits, kind) = picture.info.get("transparency"), png_depth(source)
    if isinstance(key, int) and kind == _GREY and bits in _SPREAD:
        picture.info["transparency"] = key * _SPREAD[bits]
    elif isinstance(key, tuple) and bits == 16:
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    return ImageOps.exif_transpose(picture)


def png_depth(source: Path | bytes) -> tuple[int, int]:
    """Bits of a sample, and the colour type (0 grey, 2 colours, 3 palette, 4 and 6 with alpha) of a PNG; else 8, 2."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(26)
    else:
        head = source[:26]
    return (head[24], head[25]) if head.startswith(b"\x89PNG") and len(head) == 26 else (8, 2)


def grey_spread(source: Path | bytes) -> int:
    """By what Pillow multiplies the greys of a PNG: 85 for 2 bits, 17 for 4, else 1."""
    bits, kind = png_depth(source)
    return _SPREAD.get(bits, 1) if kind == _GREY else 1


def _decode(source: Path | bytes, limits: Limits) -> tuple[Image.Image, bool, list[str]]:
    """The picture upright, whether it was turned for that, and notes."""
    notes: list[str] = []
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as picture:
        if wrong := check_size(*picture.size, limits.whole_pixels, advice=_CUT):
            raise ImageError(wrong)
        frames = getattr(picture, "n_frames", 1)
        if frames > 1:
            notes.append(f"It holds {frames} pictures; the first is used.")
        stands = upright(source, picture)
        turned = picture.getexif().get(_ORIENTATION, 1) in range(2, 9)
        return _colours(stands), turned, notes


def _colours(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA where pixels may be transparent."""
    if picture.mode.startswith("I"):
        # A 16-bit grey PNG uses the whole range by definition.
        values = np.asarray(picture)
        grey = Image.fromarray(np.clip(np.round(values / 257), 0, 255).astype(np.uint8))
        key = picture.info.get("transparency")
        if key is None:
            return grey.convert("RGB")
        return Image.merge("LA", (grey, Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))).convert(
            "RGBA"
        )
    transparent = "transparency" in picture.info or picture.mode in ("LA", "PA", "RGBA", "La", "RGBa")
    if not transparent:
        return picture.convert("RGB")
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert("RGBA" if picture.mode == "RGBa" else "LA")
    return picture.convert("RGBA")
