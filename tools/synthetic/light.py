"""Sun and shade: how far the shadow of everything that has a height reaches."""

import numpy as np

from tools.synthetic.noise import Field, blur
from tools.synthetic.raster import Canvas
from tools.synthetic.styles import Light


def shadow_ceiling(height: Field, gsd: float, shadow: tuple[float, float]) -> Field:
    """Up to how many metres above the ground each pixel lies in the shadow of another, (H, W); 0 where the sun shines.

    `height` in metres; `shadow` is the ground vector (x, y) of the shadow of one metre of height.
    """
    per_metre = float(np.hypot(*shadow)) / gsd
    ceiling = np.zeros_like(height)
    tallest = float(height.max())
    if per_metre < 1e-6 or tallest <= 0:
        return ceiling
    unit_x, unit_y = shadow[0] / gsd / per_metre, shadow[1] / gsd / per_metre
    for step in range(1, int(tallest * per_metre) + 1):
        lost = np.float32(step / per_metre)
        _raise_shifted(ceiling, height, round(step * unit_y), round(step * unit_x), lost)
    return ceiling


def _raise_shifted(ceiling: Field, height: Field, down: int, right: int, lost: np.float32) -> None:
    """ceiling = max(ceiling, height moved by (down, right) and lowered by `lost`), in place."""
    rows, columns = height.shape
    if abs(down) >= rows or abs(right) >= columns:
        return
    target = ceiling[max(0, down) : rows + min(0, down), max(0, right) : columns + min(0, right)]
    source = height[max(0, -down) : rows - max(0, down), max(0, -right) : columns - max(0, right)]
    np.maximum(target, source - lost, out=target)


def cast_shadows(canvas: Canvas, light: Light) -> Field:
    """Darken what lies in shade, in place. Gives the shadow ceiling, for the roofs that come later."""
    ceiling = shadow_ceiling(canvas.height, canvas.gsd, light.shadow)
    shaded = (ceiling > canvas.height + 0.35).astype(np.float32)
    soft = blur(shaded, 0.6)[..., None]
    canvas.colour *= 1 - soft * (1 - np.array(light.shade, np.float32))
    return ceiling
