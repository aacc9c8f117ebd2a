"""What the camera does to the scene: blur, sharpening, contrast, haze, noise, and the softness of compression."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.synthetic.noise import Field, blur, grain, smooth
from tools.synthetic.styles import Light

GREY = np.array((0.299, 0.587, 0.114), np.float32)


def photograph(colour: Field, rng: np.random.Generator, light: Light) -> NDArray[np.uint8]:
    """Scene brightness 0..255 and beyond (H, W, 3) → the picture, uint8 (H, W, 3)."""
    size = colour.shape[0]
    soft = blur(colour, light.blur)
    luma = soft @ GREY
    tint = blur(soft - luma[..., None], 1.3)
    luma = luma + 0.7 * (luma - blur(luma, 1.2))
    image = (luma[..., None] + tint) * np.array(light.cast, np.float32)
    image = 122 + (image - 120) * np.float32(light.contrast)
    veil = np.float32(light.haze) * (1 + 0.4 * smooth(rng, size, size * 0.7))[..., None]
    image = image * (1 - veil) + 205 * veil
    image += _noise(rng, size, light.noise, image)
    return _compress(np.clip(image + 0.5, 0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, size: int, strength: float, image: Field) -> Field:
    """Sensor noise: mostly in brightness, stronger where it is bright, with a trace of line pattern."""
    bright = 0.55 + np.clip(image.mean(axis=2), 0, 255) / 255
    luma = grain(rng, size) + 0.8 * blur(grain(rng, size), 0.8)
    stripes = rng.standard_normal(size).astype(np.float32)[None, :] * np.float32(0.18)
    colour = rng.standard_normal((size, size, 3), dtype=np.float32) * np.float32(0.35)
    return np.asarray(strength * ((luma + stripes) * bright)[..., None] * 0.8 + strength * colour, dtype=np.float32)


def _compress(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Once through JPEG, as every delivered picture has been."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=88, subsampling=0)
    return np.asarray(Image.open(buffer).convert("RGB"))
