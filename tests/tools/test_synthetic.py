"""The synthetic scenes: the same for a seed, exact masks, one sun, and shipped files that are what the seeds make."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import transform

from core.data.datasets.dubai import AERIAL
from core.errors import ConfigError
from core.paths import SAMPLES
from tools.synthetic import synthesise
from tools.synthetic.__main__ import main
from tools.synthetic.compose import Rendering, render
from tools.synthetic.geometry import area, box, shrunk
from tools.synthetic.light import shadow_ceiling
from tools.synthetic.noise import blur
from tools.synthetic.samples import GEO_CRS, GEO_METRES, GEOREFERENCED, georeferenced, geotransform, size_mb
from tools.synthetic.styles import STYLES

SHIPPED = range(1, 13)
SMALL = 224
QUICK = 7
"""The shipped scene that is made soonest."""


@cache
def small(seed: int) -> Rendering:
    return render(seed, SMALL, STYLES[seed % len(STYLES)])


def load(path: Path, mode: str | None = None) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert(mode) if mode else picture)


def shipped_mask(seed: int) -> NDArray[np.uint8]:
    return load(SAMPLES / "masks" / f"scene_{seed:02d}.png")


def shipped_image(seed: int) -> NDArray[np.uint8]:
    return load(SAMPLES / "images" / f"scene_{seed:02d}.jpg")


@pytest.mark.parametrize("seed", [2, 4, 9])
def test_a_seed_makes_the_same_scene_again(seed: int) -> None:
    first, again = synthesise(seed, size=160), synthesise(seed, size=160)
    assert np.array_equal(first.image, again.image)
    assert first.mask is not None
    assert again.mask is not None
    assert np.array_equal(first.mask, again.mask)


@pytest.mark.parametrize("seed", range(len(STYLES)))
def test_every_kind_of_place_has_the_promised_shape_and_only_known_classes(seed: int) -> None:
    rendering = small(seed)
    assert rendering.image.shape == (SMALL, SMALL, 3)
    assert rendering.image.dtype == np.uint8
    assert rendering.mask.shape == (SMALL, SMALL)
    assert rendering.mask.dtype == np.uint8
    assert rendering.mask.max() < len(AERIAL.names)
    assert rendering.image.std() > 8, "a flat picture is no scene"


def test_scenes_of_different_seeds_differ() -> None:
    images = [small(seed).image.astype(int) for seed in range(len(STYLES))]
    for index, one in enumerate(images):
        for other in images[index + 1 :]:
            assert np.abs(one - other).mean() > 10
    assert not np.array_equal(small(3).mask, render(3 + len(STYLES), SMALL, STYLES[3]).mask), "same style, other seed"


@pytest.mark.parametrize(("seed", "size"), [(-1, 256), (1, 63), (1, 5000)])
def test_what_cannot_be_made_is_refused(seed: int, size: int) -> None:
    with pytest.raises(ConfigError, match=r"must be"):
        synthesise(seed, size=size)


def test_the_shadow_of_a_box_is_as_long_as_it_is_high_and_on_one_side() -> None:
    height = np.zeros((60, 60), np.float32)
    height[28:32, 20:24] = 10.0
    ceiling = shadow_ceiling(height, 1.0, (1.0, 0.0))
    assert ceiling[:28].max() == 0, "nothing beside the shadow"
    assert ceiling[32:].max() == 0, "nothing beside the shadow"
    assert ceiling[:, :20].max() == 0, "nothing towards the sun"
    reach = np.flatnonzero(ceiling[30] > 0)
    assert reach.max() == 23 + 9, "ten metres of height give ten metres of shadow, the last of no height"
    falls = ceiling[30, 24:33]
    assert np.allclose(falls, np.arange(9, 0, -1)), "one metre lower with every metre away"


@pytest.mark.parametrize("seed", [1, 5, 10])
def test_the_ground_is_darker_on_the_side_away_from_the_sun(seed: int) -> None:
    rendering, gsd = render(seed, 2 * SMALL, STYLES[seed]), STYLES[seed].gsd
    brightness = rendering.image.mean(axis=2)
    houses = rendering.mask == AERIAL.names.index("Building")
    right, down = (round(6 * part / gsd) for part in rendering.light.shadow)
    flat = np.isin(rendering.mask, [AERIAL.names.index(name) for name in ("Land", "Road")])
    away = np.roll(houses, (down, right), (0, 1)) & flat
    towards = np.roll(houses, (-down, -right), (0, 1)) & flat
    assert min(away.sum(), towards.sum()) > 200
    assert brightness[away & ~towards].mean() < 0.85 * brightness[towards & ~away].mean()


def test_shadows_fall_away_from_what_casts_them_in_every_scene() -> None:
    for seed in range(len(STYLES)):
        across, down = small(seed).light.shadow
        assert down < 0, "the sun stands in the south"
        assert 0.5 < np.hypot(across, down) < 1.3, "and neither overhead nor low"


@pytest.mark.parametrize("radius", [0.5, 1.1, 3.0, 7.0])
def test_a_blur_spreads_a_point_by_its_radius_and_keeps_its_sum(radius: float) -> None:
    point = np.zeros((96, 96), np.float32)
    point[48, 48] = 1
    spread = blur(point, radius).astype(float)
    across = spread.sum(axis=0)
    middle = (across * np.arange(96)).sum() / across.sum()
    assert spread.sum() == pytest.approx(1, abs=0.02)
    assert np.sqrt((across * (np.arange(96) - middle) ** 2).sum()) == pytest.approx(radius, rel=0.15)


def test_an_outline_shrinks_by_its_margin_in_either_direction() -> None:
    outline = box(0, 0, 10, 6)
    for shape in (outline, outline[::-1]):
        assert abs(area(shrunk(shape, 1.0))) == pytest.approx(8 * 4)


def test_the_command_writes_pairs_of_equal_size(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--scenes", "2", "--size", "96"]) == 0
    for name in ("scene_01", "scene_02"):
        for path in (tmp_path / "images" / f"{name}.jpg", tmp_path / "masks" / f"{name}.png"):
            with Image.open(path) as picture:
                assert picture.size == (96, 96)
    assert (tmp_path / GEOREFERENCED).is_file()


def test_the_shipped_set_is_complete_and_small_enough() -> None:
    assert [path.stem for path in sorted((SAMPLES / "images").iterdir())] == [f"scene_{seed:02d}" for seed in SHIPPED]
    assert [path.stem for path in sorted((SAMPLES / "masks").iterdir())] == [f"scene_{seed:02d}" for seed in SHIPPED]
    assert size_mb(SAMPLES) <= 25
    for seed in SHIPPED:
        assert shipped_image(seed).shape == (1024, 1024, 3)
        assert shipped_mask(seed).shape == (1024, 1024)


def test_the_shipped_masks_hold_every_class_in_its_colour() -> None:
    counts = sum(np.bincount(shipped_mask(seed).ravel(), minlength=len(AERIAL.names)) for seed in SHIPPED)
    assert len(counts) == len(AERIAL.names), "no index beyond the classes"
    share = dict(zip(AERIAL.names, counts / counts.sum(), strict=True))
    assert all(share[name] > 0.04 for name in AERIAL.scored_names)
    assert 0.001 < share["Unlabeled"] < 0.03
    seen = np.unique(load(SAMPLES / "masks" / "scene_01.png", "RGB").reshape(-1, 3), axis=0)
    assert {tuple(int(c) for c in colour) for colour in seen} <= set(AERIAL.colours)


def _same_as_made(seed: int) -> None:
    scene = synthesise(seed)
    assert scene.name == f"scene_{seed:02d}"
    assert scene.mask is not None
    assert np.array_equal(scene.mask, shipped_mask(seed))
    assert np.abs(scene.image.astype(int) - shipped_image(seed)).mean() < 4, "the loss of JPEG and no more"


def test_a_shipped_scene_is_what_its_seed_makes() -> None:
    _same_as_made(QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [seed for seed in SHIPPED if seed != QUICK])
def test_every_shipped_scene_is_what_its_seed_makes(seed: int) -> None:
    _same_as_made(seed)


def test_the_geotiff_says_where_it_lies() -> None:
    with rasterio.open(SAMPLES / GEOREFERENCED) as picture:
        assert picture.crs.to_string() == GEO_CRS
        assert picture.transform == geotransform()
        assert picture.res == (GEO_METRES, GEO_METRES)
        assert (picture.count, picture.dtypes[0]) == (3, "uint8")
        assert picture.profile["tiled"]
        assert picture.profile["compress"] in ("deflate", "jpeg")
        (east,), (north,) = transform(picture.crs, "EPSG:4326", [picture.bounds.left], [picture.bounds.top])
        pixels = np.moveaxis(picture.read(), 0, -1)
    assert 54.9 < east < 55.6, "degrees of longitude around Dubai"
    assert 24.8 < north < 25.4, "degrees of latitude around Dubai"
    assert np.array_equal(load(SAMPLES / GEOREFERENCED, "RGB"), pixels), "Pillow reads it too"


@pytest.mark.slow
def test_the_geotiff_is_what_its_seed_makes() -> None:
    shipped = load(SAMPLES / GEOREFERENCED, "RGB").astype(int)
    assert np.abs(shipped - georeferenced()).mean() < 1
