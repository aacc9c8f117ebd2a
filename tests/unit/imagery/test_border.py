"""A border of one value that nothing declares as no data: found in one pass, and only where it is one."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.imagery.border import Border, find_border


def turned(height: int, width: int, *, slope: float, bands: int = 3) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A picture with the wedges of one that was turned, and which of its pixels these are."""
    y, x = np.mgrid[:height, :width]
    border = (y < slope * (width - x)) | (y > height - slope * x) | (x < slope * y) | (x > width - slope * (height - y))
    rng = np.random.default_rng(0)
    values = rng.integers(1, 200, (height, width, bands), dtype=np.uint8)
    values[border] = 0
    return values, border


def found(values: NDArray[np.uint8], *, block_rows: int = 1) -> Border | None:
    read = lambda y, x, height, width: values[y : y + height, x : x + width]  # noqa: E731
    return find_border(read, values.shape[:2], block_rows=block_rows)


@pytest.mark.parametrize("bands", [1, 3, 4])
@pytest.mark.parametrize("colour", ["black", "white"])
def test_the_wedges_of_a_turned_picture_are_its_border_and_a_dark_pond_is_not(bands: int, colour: str) -> None:
    values, border = turned(150, 230, slope=0.2, bands=bands)
    # Flight strips that end at different places.
    for rows, columns in (
        (slice(0, 60), slice(100, 105)),
        (slice(110, None), slice(90, 95)),
        (slice(70, 75), slice(60)),
        (slice(60, 65), slice(-60, None)),
    ):
        values[rows, columns], border[rows, columns] = 0, True
    values[70:90, 110:130] = 0
    if colour == "white":
        values = 255 - values
    told = found(values)
    assert told is not None
    assert told.colour == colour
    assert np.array_equal(told.covers(np.arange(150), np.arange(230)), border)
    assert told.share == pytest.approx(border.mean())
    rows, columns = np.array([3, 60, 149]), np.array([0, 7, 229])
    assert np.array_equal(told.covers(rows, columns), border[rows[:, None], columns])


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("value", [0, 255])
def test_what_jpeg_has_blurred_belongs_to_the_border_and_nothing_beyond_a_block_does(quality: int, value: int) -> None:
    """Also where dark water, or snow, lies along it."""
    _, border = turned(300, 400, slope=0.15)
    coarse = np.random.default_rng(0).integers(40, 220, (38, 50, 3), dtype=np.uint8)
    values = np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:300, :400]
    water = np.zeros_like(border)
    water[100:200, :150] = True
    values[water] = abs(value - 9)
    values[border] = value
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=quality)
    blurred = np.asarray(Image.open(file))
    told = found(blurred)
    assert told is not None
    covered = told.covers(np.arange(300), np.arange(400))
    changed = border & (blurred != value).any(axis=2)
    assert changed.sum() > 0.1 * border.sum()
    assert covered[changed].mean() > 0.6
    assert not (covered & ~border & ~water).any()
    wide = np.array([covered[row, :150].sum() - border[row, :150].sum() for row in range(110, 190)])
    assert wide.max() <= 16 + 8


def connected(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dark pixels that are connected to an edge."""
    reached = np.zeros_like(dark)
    reached[[0, -1]], reached[:, [0, -1]] = dark[[0, -1]], dark[:, [0, -1]]
    while True:
        wide = np.pad(reached, 1)
        more = dark & (reached | wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2])
        if np.array_equal(more, reached):
            return reached
        reached = more


def test_every_pixel_of_a_border_is_connected_to_an_edge_and_holds_the_value() -> None:
    rng, borders = np.random.default_rng(4), 0
    for _ in range(20):
        dark = np.kron(rng.random((10, 15)) < 0.4, np.ones((4, 4), bool))
        dark[:6, :6] = True
        told = found(np.where(dark, 0, 90)[..., None].astype(np.uint8))
        if told is not None:
            borders += 1
            assert not (told.covers(np.arange(40), np.arange(60)) & ~connected(dark)).any()
    assert borders > 10


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values + np.array([0, 1, 0], np.uint8),
        np.zeros_like,
        lambda values: np.maximum(values, 7),
    ],
    ids=["not in every band", "nothing else", "another value"],
)
def test_what_is_no_border_is_none(change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    assert found(change(turned(60, 80, slope=0.2)[0])) is None


def test_a_border_of_few_pixels_is_none_and_pictures_without_one_are_not_read() -> None:
    values = np.full((400, 400, 3), 9, np.uint8)
    values[:5, :5] = 0
    assert found(values) is None
    asked: list[int] = []

    def read(_: int, __: int, height: int, width: int) -> NDArray[np.uint8]:
        asked.append(height * width)
        return np.full((height, width, 3), 9, np.uint8)

    assert find_border(read, (20_000, 20_000)) is None
    assert sum(asked) < 100
