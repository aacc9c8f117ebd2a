"""Images of one's own, without labels, as what a student learns its teacher's answers on."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.services import datasets, launch, own_datasets, own_pictures, visitors, workspaces
from app.services.access import Person
from app.services.run_settings import QUICK, with_values
from app.services.stores import open_store
from app.services.workspaces import Workspace
from core.config import DataConfig, DistillConfig, RunConfig
from core.data import named, open_split, transfer_scenes
from core.errors import DataError
from tests.ui.conftest import World, held, words

View = Callable[..., AppTest]
ANN = Person("203.0.113.1", folder=str(visitors.folder_name({visitors.COOKIE: "A" * 43}, None)))
NEEDED = "A new area needs images of it without labels"


def workspace(*names: str) -> Workspace:
    found = workspaces.open_workspace(ANN.folder, now=1.0)
    for at, name in enumerate(names):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(at).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        found.add(name, buffer.getvalue())
    return found


def test_a_run_learns_on_copies_that_their_owner_alone_may_name() -> None:
    mine = workspace("roof.png", "Löß.png", "roof.png")
    name = own_pictures.as_dataset(mine.pictures, "samples", ANN)
    assert own_pictures.as_dataset(mine.pictures, "samples", ANN) == name
    mine.delete()
    split = open_split(DataConfig())[1]
    found = transfer_scenes(DataConfig(transfer=name), split, named.find(name).band_set).scenes
    assert sorted(scene.name for scene in found) == ["Löß", "roof", "roof_2"]
    assert all(scene.mask is None for scene in found)
    assert own_datasets.may_use(name, ANN.folder)
    assert not own_datasets.may_use(name, "b" * 64)
    by_name = {choice.name: choice.labelled for choice in datasets.training_choices(ANN.folder)}
    assert (by_name[name], by_name["samples"]) == (False, True)


def test_copies_that_no_run_needs_go_when_others_are_made() -> None:
    first = own_pictures.as_dataset(workspace("a.png").pictures, "samples", ANN)
    open_store().add(RunConfig(kind="distill", data=DataConfig(transfer=first), distill=DistillConfig()))
    second = own_pictures.as_dataset(workspace("b.png").pictures, "samples", ANN)
    third = own_pictures.as_dataset(workspace("c.png").pictures, "samples", ANN)
    assert [named.is_there(name) for name in (first, second, third)] == [True, False, True]


def test_who_cannot_be_known_again_is_told_so() -> None:
    with pytest.raises(DataError, match="keeps no cookie"):
        own_pictures.as_dataset(workspace("a.png").pictures, "samples", Person("203.0.113.1"))


def test_a_new_area_is_refused_without_its_images_and_launched_with_them(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "check", lambda request, *_: launch.Check(launch.problems(request)))
    monkeypatch.setattr(launch, "launch", lambda request, _: world.launched.append(request) or "20261123-101500-ab12")
    monkeypatch.setattr("app.visitor.workspace", lambda: workspaces.open_workspace(ANN.folder, now=1.0))
    monkeypatch.setattr("app.visitor.person", lambda: ANN)
    page = view("distill", have="place")
    assert NEEDED in page.error[0].value
    assert page.button(key="launch").disabled
    mine = workspace("a.png", "b.png")
    page.run()
    assert not page.error
    assert "Your images (2)" in page.selectbox(key="transfer").options
    page.button(key="launch").click().run()
    assert held(world.launched[-1], "transfer") == (own_pictures.as_dataset(mine.pictures, "samples", ANN),)
    assert "and to 5 more without labels" in words(page)
    # The same with a teacher and no labels at all.
    page.segmented_control(key="have").set_value("none").run()
    page.selectbox(key="transfer").set_value("own").run()
    page.button(key="launch").click().run()
    assert held(world.launched[-1], "transfer") == held(world.launched[-2], "transfer")


def test_the_dataset_itself_is_no_new_area() -> None:
    for transfer, refused in ((None, True), ("samples", True), ("mixture", False)):
        config = with_values(QUICK, {"transfer": transfer})
        found = launch.problems(launch.Request(config, have="place"))
        assert any(NEEDED in problem for problem in found) is refused
