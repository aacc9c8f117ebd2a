"""What bands a picture has, what a model takes of them, and what a person sees."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from core.band_set import COLOURS, RGB, BandSet, serving_all
from core.data.scene import Scene
from core.data.transforms import ViewSampler, jitter, resized
from core.errors import ConfigError
from core.normalise import Normaliser
from tests.unit.banded import NAMES

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("wanted", [(0, 1, 2), (1, 2), (3, 0), (2,)])
def test_a_model_gets_its_bands_of_a_picture_in_its_order(depth: str, wanted: tuple[int, ...]) -> None:
    images = (RANDOM.uniform(0, 255, (2, 6, 5, 4))).astype(depth)
    names = tuple(NAMES[at] for at in wanted)
    bands = BandSet(NAMES, depth)
    mean, std = (tuple(RANDOM.uniform(1, 9, len(wanted))) for _ in range(2))
    places = bands.places_of(BandSet(names, depth))
    found = Normaliser.of(mean, std, "cpu", bands=bands, places=places)(images)
    expected = (images[..., list(wanted)].astype(np.float32) - np.float32(mean)) / np.float32(std)
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found.permute(0, 2, 3, 1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_views_of_any_bands_are_those_of_colours(depth: str) -> None:
    """The fourth band is carried along and changes nothing for the three: the same places, sizes and types."""
    image = RANDOM.integers(0, 256, (70, 90, 4), dtype=np.uint8)
    kwargs = {"crop": 32, "scale": (0.5, 1.6), "colour": 0.0, "ignore_index": 5, "seed": 3, "paste": 0.5}
    colours = ViewSampler([Scene("a", image[..., :3], None)], **kwargs).batch(0, range(6))
    bands = BandSet(NAMES, depth)
    more = ViewSampler([Scene("a", image.astype(depth), None, bands=bands)], **kwargs).batch(0, range(6))
    assert more[0].dtype == depth
    assert np.array_equal(more[1], colours[1])
    assert np.abs(more[0][..., :3].astype(float) - colours[0]).max() <= 1
    blended = ViewSampler([Scene("a", image.astype(depth), None, bands=bands)], **{**kwargs, "mix": 0.4})
    assert blended.batch(0, range(2))[0].dtype == depth


@pytest.mark.parametrize(("depth", "scale"), [("uint8", 1.0), ("uint16", 200.0), ("float32", 1e-3)])
def test_colours_of_any_depth_are_changed_and_stay_what_they_can_be(depth: str, scale: float) -> None:
    image = (RANDOM.uniform(0, 255, (16, 16, 5)) * scale).astype(depth)
    found = jitter(image, 0.5, np.random.default_rng(1), BandSet(tuple("abcde"), depth))
    assert found.dtype == depth
    assert np.isfinite(found.astype(float)).all()
    change = np.abs(found.astype(float) - image).mean() / image.astype(float).std()
    assert 0.01 < change < 3
    assert np.array_equal(jitter(image, 0.0, np.random.default_rng(1), BandSet(tuple("abcde"), depth)), image)


def test_a_picture_resized_to_its_own_size_is_itself() -> None:
    for depth in ("uint8", "uint16", "float32"):
        image = RANDOM.uniform(0, 255, (16, 16, 3)).astype(depth)
        assert np.array_equal(resized(image, 16), image)


def test_what_is_shown_are_the_bands_that_the_dataset_says() -> None:
    image = RANDOM.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    assert np.array_equal(Scene("a", image, None, bands=BandSet(NAMES)).rgb, image[..., :3])
    false_colour = BandSet(NAMES, shown=("near infrared", "red", "green"))
    assert np.array_equal(Scene("a", image, None, bands=false_colour).rgb, image[..., [3, 0, 1]])
    grey = Scene("a", image[..., :1], None, bands=BandSet(("thermal",))).rgb
    assert np.array_equal(grey, image[..., [0, 0, 0]])
    deep = Scene("a", image.astype(np.uint16) * 40, None, bands=BandSet(NAMES, "uint16")).rgb
    assert deep.dtype == np.uint8
    assert deep.min() == 0
    assert deep.max() == 255
    plain = Scene("a", image[..., :3], None)
    assert plain.rgb is plain.image


def test_they_travel_as_json_and_a_card_without_them_is_of_colours() -> None:
    bands = BandSet(NAMES, "uint16", ("near infrared", "red", "green"))
    assert BandSet.from_json(json.loads(json.dumps(asdict(bands)))) == bands
    assert BandSet.from_json(None) == COLOURS
    assert COLOURS.is_colours
    assert COLOURS.names == RGB


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"names": ()}, "must be names"),
        ({"names": ("a", "a")}, "different names"),
        ({"names": tuple(map(str, range(17)))}, "at most 16 bands, not 17"),
        ({"depth": "int8"}, "There is no depth 'int8': choose uint8, uint16, float32"),
        ({"shown": ("red", "green")}, "one or three of the bands"),
        ({"shown": ("red", "green", "swir")}, "one or three of the bands"),
    ],
)
def test_what_cannot_be_is_told(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        BandSet(**wrong)


FOUR, DEEP = BandSet(NAMES), BandSet(NAMES, "uint16")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], COLOURS),
        ([COLOURS, COLOURS], COLOURS),
        ([COLOURS, FOUR], FOUR),
        ([BandSet(NAMES[2:], "uint16"), DEEP, COLOURS], DEEP),
        ([FOUR, DEEP], None),
        ([BandSet(NAMES[1:]), COLOURS], None),
        ([BandSet(NAMES[:2]), BandSet(NAMES[2:])], None),
    ],
)
def test_one_reading_serves_models_of_which_one_sees_all_bands(wanted: list[BandSet], found: BandSet | None) -> None:
    assert serving_all(wanted) == found
