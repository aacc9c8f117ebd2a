"""From outlines in metres to pixels: antialiased coverage for the picture, a hard edge for the mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tools.synthetic.geometry import Points
from tools.synthetic.noise import Field

Ink = tuple[float, float, float] | Field


class Sheet:
    """A transparent sheet over the scene: draw on it in metres, then read its coverage."""

    def __init__(self, size: int, gsd: float, *, scale: int = 3) -> None:
        self._scale, self._factor = scale, scale / gsd
        self._image = Image.new("L", (size * scale, size * scale), 0)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, outline: Points, *, value: int = 255) -> None:
        self._draw.polygon([tuple(p) for p in (outline * self._factor).tolist()], fill=value)

    def line(self, path: Points, width: float, *, value: int = 255) -> None:
        """A stroke `width` metres wide with round joints (never thinner than one sub-pixel)."""
        thick = max(1, round(width * self._factor))
        flat = [tuple(p) for p in (path * self._factor).tolist()]
        self._draw.line(flat, fill=value, width=thick, joint="curve" if thick > 3 else None)

    def disc(self, x: float, y: float, radius: float, *, value: int = 255) -> None:
        x, y, reach = x * self._factor, y * self._factor, radius * self._factor
        self._draw.ellipse([x - reach, y - reach, x + reach, y + reach], fill=value)

    def cover(self) -> Field:
        """How much of each pixel is covered, 0..1."""
        return np.asarray(self._image.reduce(self._scale), dtype=np.float32) / np.float32(255)


@dataclass
class Canvas:
    """The scene while it is painted: sunlit colour 0..255 (H, W, 3), class indices (H, W), height in metres (H, W).

    One pixel is `gsd` metres wide.
    """

    size: int
    gsd: float
    colour: Field
    labels: NDArray[np.uint8]
    height: Field

    @classmethod
    def blank(cls, size: int, gsd: float, label: int) -> "Canvas":
        return cls(
            size=size,
            gsd=gsd,
            colour=np.zeros((size, size, 3), np.float32),
            labels=np.full((size, size), label, np.uint8),
            height=np.zeros((size, size), np.float32),
        )

    @property
    def extent(self) -> float:
        """Metres along one side."""
        return self.size * self.gsd

    def sheet(self, *, scale: int = 3) -> Sheet:
        return Sheet(self.size, self.gsd, scale=scale)

    def paint(self, cover: Field, ink: Ink, *, label: int | None = None, strength: float = 1.0) -> None:
        """Lay a colour (one, or one a pixel) where `cover` says; label the pixels that are at least half covered."""
        part = (cover * np.float32(strength))[..., None]
        self.colour += (np.asarray(ink, dtype=np.float32) - self.colour) * part
        if label is not None:
            self.labels[cover >= 0.5] = label

    def shade(self, factor: Field) -> None:
        """Multiply the brightness, pixel by pixel."""
        self.colour *= factor[..., None]

    def raise_to(self, cover: Field, metres: float) -> None:
        """Make the ground at least so high where it is covered."""
        np.maximum(self.height, np.where(cover >= 0.5, np.float32(metres), np.float32(0)), out=self.height)

    def pixel(self, path: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of ground points, held within the scene."""
        index = np.clip((path / self.gsd).astype(np.int64), 0, self.size - 1)
        return index[:, 1], index[:, 0]
