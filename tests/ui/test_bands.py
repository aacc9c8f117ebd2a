"""Pages show a model of other bands the pictures that hold them, and say in a sentence which do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import datasets, inference, map_views, picture_collections
from core import checkpoint
from core.band_set import COLOURS, BandSet
from core.data.named import find
from core.errors import ConfigError, ImageError
from core.image import encode_png
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


def test_what_an_upload_must_hold_is_said_before_it_is_chosen(view: Callable[..., AppTest], world: World) -> None:
    told = "student sees the bands red, green, blue, near infrared (uint16): upload a GeoTIFF that holds them"
    for page in ("compare", "temperature"):
        world.models["student"] = replace(world.models["student"], bands=FOUR)
        assert told in words(view(page, **{"from": "upload"}))
        world.models["student"] = replace(world.models["student"], bands=COLOURS)
        assert told not in words(view(page, **{"from": "upload"}))
    world.models["student"] = replace(world.models["student"], bands=BandSet(("near infrared", "red")))
    page = view("compare", **{"from": "upload"})
    assert "No upload is read for student and teacher, for each sees bands that another does not" in words(page)
    page.file_uploader[0].set_value(("roof.png", encode_png(random_image(0, height=8, width=8)), "image/png")).run()
    assert "roof.png cannot be read for all of these models" in words(page)


def test_an_upload_is_read_in_the_bands_of_the_models_and_seen_as_they_show_it(
    view: Callable[..., AppTest], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teacher that sees near infrared as well, and a student of colours alone."""
    given: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}

    def predict_planes(loaded: str, image: np.ndarray, **own: Any) -> inference.Planes:
        given[loaded] = image, own
        plane = np.zeros(image.shape[:2], np.uint8)
        return inference.Planes(plane, plane, plane)

    monkeypatch.setattr(inference, "predict_planes", predict_planes)
    world.models["teacher"] = replace(world.models["teacher"], bands=FOUR)
    values = picture_of(tmp_path / "field.tif", FOUR)
    page = view("compare", **{"from": "upload"})
    page.file_uploader[0].set_value(("field.tif", (tmp_path / "field.tif").read_bytes(), "image/tiff")).run()
    assert not page.exception
    assert not page.error
    for seen, own in given.values():
        assert np.array_equal(own["values"], values)
        assert own["bands"] == FOUR
        for channel, band in enumerate((3, 0, 1)):
            assert np.corrcoef(seen[..., channel].ravel(), values[..., band].ravel())[0, 1] > 0.9
    assert set(given) == {"teacher", "student"}
    page.file_uploader[0].set_value(("roof.png", encode_png(random_image(0, height=8, width=8)), "image/png")).run()
    assert "roof.png is no TIFF, so it cannot hold the bands red, green, blue, near infrared" in words(page)


def test_the_same_file_in_other_bands_is_another_picture(tmp_path: Path) -> None:
    """What is kept of it by its digest must not be taken for what other models make of it."""
    picture_of(tmp_path / "field.tif", FOUR)
    data = (tmp_path / "field.tif").read_bytes()
    read = [datasets.read_upload("field.tif", data, [bands]) for bands in (FOUR, replace(FOUR, shown=()), COLOURS)]
    assert len({one.sha256 for one in read}) == 3
    assert [one.values is None for one in read] == [False, False, True]


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_model_of_colours_is_given_red_green_and_blue_whatever_is_shown(tmp_path: Path, depth: str) -> None:
    bands = replace(FOUR, depth=depth)
    values = picture_of(tmp_path / "field.tif", bands)
    loaded = checkpoint.load(model_of(tmp_path, COLOURS, "plain"))
    data = (tmp_path / "field.tif").read_bytes()
    shown, plain = (datasets.read_upload("a", data, [replace(bands, shown=names)]) for names in (bands.shown, ()))
    found, wanted = (
        inference.predict_planes(loaded, picture.image, **picture.own_bands).entropy.astype(int)
        for picture in (shown, plain)
    )
    of_what_is_shown = inference.predict_planes(loaded, shown.image).entropy.astype(int)
    assert np.abs(found - wanted).mean() < 0.1 * np.abs(of_what_is_shown - wanted).mean()
    if depth == "uint8":
        assert np.array_equal(plain.image, values[..., :3])
