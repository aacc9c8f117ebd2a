"""Small boxes: cars, lorries, containers, boats, piers, rubble. Garden walls too."""

import numpy as np

from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from tools.synthetic.geometry import ellipse, place, points, rectangle
from tools.synthetic.plan import Block, Colour, Wall
from tools.synthetic.raster import Canvas

NOBODY = SHIPPED_SCENES.classes.names.index("Unlabeled")
PAINTS: tuple[Colour, ...] = (
    (236, 236, 234),
    (228, 228, 228),
    (244, 242, 238),
    (176, 178, 182),
    (196, 194, 190),
    (52, 52, 56),
    (36, 36, 40),
    (116, 34, 30),
    (44, 62, 96),
    (150, 140, 122),
)
"""Colours of vehicles, the common ones several times over."""

CARGO: tuple[Colour, ...] = (
    (148, 70, 52),
    (60, 84, 120),
    (176, 176, 172),
    (92, 112, 90),
    (190, 160, 90),
    (214, 212, 208),
)


def paint_blocks(canvas: Canvas, blocks: list[Block]) -> None:
    """Draw the boxes. Vehicles take the label of what they stand on; all other boxes are Unlabeled."""
    body = canvas.sheet(scale=4)
    loose = canvas.sheet(scale=4)
    glass = canvas.sheet(scale=4)
    tone = [canvas.sheet(scale=4) for _ in range(3)]
    for block in blocks:
        shape = _outline(block)
        (body if block.kind in ("car", "truck") else loose).polygon(shape)
        for channel, value in zip(tone, block.colour, strict=True):
            channel.polygon(shape, value=max(1, min(255, int(value))))
        if block.kind == "car":
            for at, deep in ((0.14, 0.10), (-0.30, 0.07)):
                pane = rectangle(block.long * deep * 1.6, block.wide * 0.78) + points((block.long * at, 0))
                glass.polygon(place(pane, block.x, block.y, block.angle))
        elif block.kind == "truck":
            cab = rectangle(block.long * 0.06, block.wide) + points((block.long * 0.27, 0))
            glass.polygon(place(cab, block.x, block.y, block.angle))
    paint = np.stack([channel.cover() for channel in tone], axis=-1) * 255
    for sheet, label in ((loose, NOBODY), (body, None)):
        cover = sheet.cover()
        colour = paint / np.maximum(cover, 0.05)[..., None]
        canvas.paint(cover, np.clip(colour, 0, 255), label=label)
    canvas.paint(glass.cover(), (34, 36, 42), strength=0.75)
    for block in blocks:
        _raise(canvas, block)


def _outline(block: Block) -> np.ndarray:
    if block.kind == "boat":
        half, beam = block.long / 2, block.wide / 2
        hull = points((-half, -beam * 0.8), (half * 0.3, -beam), (half, 0), (half * 0.3, beam), (-half, beam * 0.8))
        return place(hull, block.x, block.y, block.angle)
    shape = ellipse(block.long, block.wide, 10) if block.kind == "rubble" else rectangle(block.long, block.wide)
    return place(shape, block.x, block.y, block.angle)


def _raise(canvas: Canvas, block: Block) -> None:
    """Give the box its height, pixel by pixel along its length (a sheet for each would be slow)."""
    steps_u = max(2, int(block.long / canvas.gsd * 1.5))
    steps_v = max(2, int(block.wide / canvas.gsd * 1.5))
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, steps_u) * block.long, np.linspace(-0.5, 0.5, steps_v) * block.wide)
    spots = place(np.stack([u.ravel(), v.ravel()], axis=1), block.x, block.y, block.angle) / canvas.gsd
    index = np.floor(spots).astype(np.int64)
    inside = ((index >= 0) & (index < canvas.size)).all(axis=1)
    rows, columns = index[inside, 1], index[inside, 0]
    canvas.height[rows, columns] = np.maximum(canvas.height[rows, columns], np.float32(block.height))


def paint_walls(canvas: Canvas, walls: list[Wall]) -> None:
    """Thin bright lines that cast a shadow."""
    if not walls:
        return
    line, solid = canvas.sheet(scale=4), canvas.sheet(scale=1)
    for wall in walls:
        line.line(wall.path, 0.35)
        solid.line(wall.path, canvas.gsd)
    canvas.paint(line.cover(), walls[0].colour, strength=0.9)
    canvas.raise_to(solid.cover(), walls[0].height)
