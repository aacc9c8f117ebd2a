"""Pages show a model of other bands the pictures that hold them, and say in a sentence which do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import inference, map_views, picture_collections
from core import checkpoint
from core.data.named import find
from core.errors import ConfigError, ImageError
from core.infer.predict import predict
from core.normalise import Normaliser
from tests.ui.conftest import World, words
from tests.unit.banded import banded_dataset
from tests.unit.data.pictures import random_image
from tests.unit.infer.test_bands import FOUR, model_of, picture_of


def test_compare_and_gallery_give_a_model_the_bands_of_its_dataset(tmp_path: Path) -> None:
    from core import paths

    banded_dataset(paths.home(), FOUR)
    picture = picture_collections.open_picture("fields", "a")
    assert picture.image.shape == (48, 48, 3)
    loaded = checkpoint.load(model_of(tmp_path, FOUR))
    scene_bands = find("fields").band_set
    assert picture.values is not None
    wanted = predict(loaded.model, picture.values, normaliser=Normaliser.of_card(loaded.card, "cpu", scene_bands)).mask
    found = inference.predict_planes(loaded, picture.image, **picture.own_bands).mask
    assert (found == wanted).mean() > 0.98
    with pytest.raises(
        ImageError, match=r"sees the bands red, .* was read in colours: open it on the page Your images"
    ):
        inference.predict_planes(loaded, random_image(0, height=32, width=32))
    other = checkpoint.load(model_of(tmp_path, type(FOUR)((*FOUR.names, "thermal"), "uint16"), "five"))
    with pytest.raises(ConfigError, match="choose pictures with thermal, or another model"):
        inference.predict_planes(other, picture.image, **picture.own_bands)


def test_the_close_look_shows_the_bands_that_the_card_shows(tmp_path: Path) -> None:
    values = picture_of(tmp_path / "field.tif", FOUR)
    picture_of(tmp_path / "mask.tif", type(FOUR)(("class",)))
    part, stem = map_views.Part(0, 0, 96, 96), model_of(tmp_path, FOUR)
    seen = map_views.detail(tmp_path / "field.tif", tmp_path / "mask.tif", part, model=str(stem)).photo.astype(float)
    # Near infrared, red, green: as `shown` has them.
    for channel, band in enumerate((3, 0, 1)):
        assert np.corrcoef(seen[..., channel].ravel(), values[..., band].ravel())[0, 1] > 0.9


def test_what_an_upload_lacks_for_a_model_is_said_before_it_is_chosen(
    view: Callable[..., AppTest], world: World
) -> None:
    world.models["student"] = replace(world.models["student"], bands=FOUR.names)
    told = "student sees the bands red, green, blue, near infrared, and an upload is read in colours here"
    assert told in words(view("compare", **{"from": "upload"}))
    world.models["student"] = replace(world.models["student"], bands=())
    assert told not in words(view("compare", **{"from": "upload"}))
