"""Windows cover the picture, and their shares of every pixel sum to one."""

import ast
import re
from itertools import pairwise

import numpy as np
import pytest

from core import paths
from core.errors import ConfigError
from core.infer.tiling import GRAIN, blend_weights, shares, spans, windows
from tools import house

GRIDS = [
    (1, 1, 512, 64),
    (512, 512, 512, 64),
    (513, 512, 512, 64),
    (37, 211, 32, 8),
    (211, 37, 32, 0),
    (100, 3, 16, 15),
    (65, 129, 64, 1),
]


@pytest.mark.parametrize(("height", "width", "tile", "overlap"), GRIDS)
def test_shares_sum_to_one_everywhere(height: int, width: int, tile: int, overlap: int) -> None:
    placed = windows(height, width, tile=tile, overlap=overlap)
    total = np.zeros((height, width))
    for window, share in zip(placed, shares(placed, height, width, overlap=overlap), strict=True):
        assert share.dtype == np.float32
        assert (share > 0).all()
        total[window.slices] += share
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "tile", "overlap"), [*GRIDS, (4096, 3000, 1056, 32), (999, 2, 256, 16)])
def test_windows_are_nearly_alike_lie_inside_and_overlap_as_asked(
    height: int, width: int, tile: int, overlap: int
) -> None:
    placed = windows(height, width, tile=tile, overlap=overlap)
    assert all(w.y >= 0 and w.x >= 0 and w.y + w.height <= height and w.x + w.width <= width for w in placed)
    for side, spread in (
        ({(w.y, w.height) for w in placed}, height),
        ({(w.x, w.width) for w in placed}, width),
    ):
        ordered = sorted(side)
        lengths = [length for _, length in ordered]
        assert max(lengths) <= min(tile, spread)
        assert max(lengths) - min(lengths) < 2 * GRAIN
        assert all(before + length - after == overlap for (before, length), (after, _) in pairwise(ordered))


def test_windows_begin_where_the_poolings_of_the_whole_picture_do_and_see_next_to_nothing_twice() -> None:
    placed = spans(4096, tile=1056, overlap=32)
    assert len(placed) == 4
    assert all(start % GRAIN == 0 for start, _ in placed)
    assert sum(length for _, length in placed) == 4096 + 3 * 32


def test_no_more_windows_than_needed() -> None:
    assert len(windows(512, 512, tile=512, overlap=64)) == 1
    assert len(windows(512, 960, tile=512, overlap=64)) == 2
    assert len(windows(512, 961, tile=512, overlap=64)) == 3


def test_a_window_fades_out_where_another_takes_over() -> None:
    """A step in the shares would show as a seam: from pixel to pixel a share changes by about one ramp step at most."""
    overlap = 16
    placed = windows(40, 150, tile=64, overlap=overlap)
    for window, share in zip(placed, shares(placed, 40, 150, overlap=overlap), strict=True):
        padded = np.zeros((40, 150), np.float32)
        padded[window.slices] = share
        assert np.abs(np.diff(padded, axis=1)).max() <= 1.5 / overlap


def test_blend_weights_are_symmetric_positive_and_one_inside() -> None:
    weights = blend_weights(20, 30, 4)
    assert weights.shape == (20, 30)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    assert weights.min() > 0
    assert (weights[4:-4, 4:-4] == 1).all()
    assert (blend_weights(3, 3, 0) == 1).all()


@pytest.mark.parametrize("overlap", [-1, 16, 20])
def test_an_impossible_overlap_is_refused_with_its_range(overlap: int) -> None:
    with pytest.raises(ConfigError, match="from 0 to below the tile"):
        windows(100, 100, tile=16, overlap=overlap)


def test_an_empty_picture_has_no_windows() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        windows(0, 5, tile=16, overlap=4)


@pytest.mark.parametrize(("height", "width"), [(100, 300), (64, 65), (644, 797), (40, 64)])
def test_full_windows_are_as_large_as_may_be_and_cover_the_picture(height: int, width: int) -> None:
    seen = np.zeros((height, width), int)
    for window in windows(height, width, tile=64, overlap=16, full=True):
        assert (window.height, window.width) == (min(64, height), min(64, width))
        assert window.y + window.height <= height
        assert window.x + window.width <= width
        seen[window.slices] += 1
    assert seen.min() > 0


def test_no_other_file_gives_a_number_to_an_overlap_or_a_tile() -> None:
    """The app, the command line, the teacher's cache and the browser share the defaults of one file."""
    trees = {path: ast.parse(text) for path, text in house.sources(None).items()}
    names = rf"{house.OVERLAP}|(?i:_?tile|_?whole)"
    squares_to_calibrate_on = "core/export/parity.py"
    assert set(house.givers(trees, names)) - {squares_to_calibrate_on} == {"core/infer/tiling.py"}
    given = re.compile(r"(?i)\b(window|overlap|margin|tile)\s*[=:]\s*\d{2}")
    assert [path.name for path in (paths.ROOT / "app").rglob("*.mjs") if given.search(path.read_text())] == []
