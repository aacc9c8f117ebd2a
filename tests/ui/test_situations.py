"""What a person has settles the defaults; what to expect is told with figures that stand in docs/RESULTS.md."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.services import datasets, launch, run_settings
from app.services.situations import SITUATIONS, STARTING_POINTS, defaults
from app.services.stores import open_store
from core import paths
from tests.ui.conftest import World, ask, held, make_model, words
from tests.unit.own_dataset import ODD_NAMES, own_dataset

View = Callable[..., AppTest]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _checks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "check", lambda request, *_: launch.Check(launch.problems(request)))
    monkeypatch.setattr(launch, "launch", lambda request, _: world.launched.append(request) or "20261123-101500-ab12")


def launched(page: AppTest, world: World) -> launch.Request:
    page.button(key="launch").click().run()
    assert not page.exception
    return world.launched[-1]


@pytest.mark.parametrize("told", [*(each.expect for each in SITUATIONS.values()), STARTING_POINTS])
def test_what_to_expect_stands_in_the_results(told: str) -> None:
    """No number is told on the page that the results do not hold."""
    results = " ".join((ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8").split())
    figures = re.findall(r"\d+\.\d+", told)
    assert figures
    assert [figure for figure in figures if figure not in results] == []


@pytest.mark.parametrize("have", [name for name, each in SITUATIONS.items() if not each.needs_pictures])
@pytest.mark.parametrize("preset", run_settings.PRESETS)
def test_an_answer_by_hand_and_by_link_launch_its_defaults(view: View, world: World, have: str, preset: str) -> None:
    by_hand = view("distill")
    by_hand.segmented_control(key="preset").set_value(preset).run()
    by_hand.segmented_control(key="have").set_value(have).run()
    made = launched(by_hand, world)
    expected = defaults(preset, have)
    names = ("labelled", "alpha", "alpha_end", "losses", "epochs", "transfer")
    assert held(made, *names) == tuple(run_settings.value_of(expected, name) for name in names)
    assert made.control == SITUATIONS[have].control
    assert SITUATIONS[have].title in str(by_hand.segmented_control(key="have").options)
    assert launched(view("distill", have=have, preset=preset), world) == made


def test_pictures_without_labels_are_offered_from_what_is_here(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = [
        datasets.DatasetChoice("samples", "Shipped scenes"),
        datasets.DatasetChoice("mixture", "More pictures"),
        datasets.DatasetChoice("dubai", "Dubai", "Fetch it."),
        datasets.DatasetChoice("folder", "Own folder", needs_root=True),
    ]
    monkeypatch.setattr(datasets, "training_choices", lambda *_: choices)
    page = view("distill", have="place")
    menu: Any = page.selectbox(key="transfer")
    assert menu.options == ["Your images (0)", "More pictures", "A folder on this server"]
    menu.set_value("mixture").run()
    made = launched(page, world)
    assert held(made, "transfer") == ("mixture",)
    assert "and to 5 more without labels" in words(page)
    page.selectbox(key="transfer").set_value("folder").run()
    assert "Name the folder that holds the pictures without labels." in page.error[0].value


def test_consistency_is_asked_for_in_the_form_and_travels_in_the_link(view: View, world: World) -> None:
    page = view("distill")
    assert page.number_input(key="confidence").disabled
    page.number_input(key="consistency").set_value(1.0).run()
    assert "Consistency needs averaged weights" in page.error[0].value
    page.number_input(key="ema").set_value(0.99).run()
    page.number_input(key="confidence").set_value(0.9).run()
    made = launched(page, world)
    assert held(made, "consistency", "confidence", "ema") == (1.0, 0.9, 0.99)
    assert launched(view("distill", **run_settings.to_link(made.config)), world).config.train == made.config.train


def test_a_student_starts_from_another_of_any_classes_and_its_control_with_it(view: View, world: World) -> None:
    others = (("Roof", (1, 2, 3)), ("Rest", (4, 5, 6)), ("Unknown", (9, 9, 9)))
    world.models["roofs"] = make_model("roofs", architecture="Compact 4", classes=others, ignore_index=2)
    page = view("distill")
    menu: Any = page.selectbox(key="start_from")
    assert menu.options == ["Fresh weights", "roofs (Compact 4)"]
    assert held(launched(page, world), "start_from") == (None,)
    menu = page.selectbox(key="start_from")
    menu.set_value("roofs").run()
    made = launched(page, world)
    assert held(made, "start_from") == ("roofs",)
    assert made.config.as_control("run").train.start_from == "roofs"
    assert launched(view("distill", **run_settings.to_link(made.config)), world).config.train == made.config.train


def test_a_starting_point_is_offered_to_begin_with_and_not_to_learn_from(view: View, world: World) -> None:
    world.starts["ready"] = make_model("ready", architecture="Compact 4", starting_point=True)
    page = view("distill")
    assert page.selectbox(key="start_from").options == ["Fresh weights", "ready (starting point, Compact 4)"]
    assert not [option for option in page.selectbox(key="distill_teacher").options if "ready" in option]
    page.selectbox(key="start_from").set_value("ready").run()
    made = launched(page, world)
    assert held(made, "start_from") == ("ready",)
    assert launched(view("distill", **run_settings.to_link(made.config)), world).config.train == made.config.train


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"labelled": 2, "alpha": 0.0}, "and from no label; its control learns from the labels of 2 training pictures"),
        ({"labelled": 1, "alpha": 0.5}, "learns from the labels of 1 training picture, and from the teacher's answers"),
        ({"labelled": None, "alpha": 0.0, "alpha_end": 1.0}, "learns from the labels of 3 training pictures, and from"),
        ({"labelled": None, "alpha": 0.0}, "from the teacher's answers to 28 training pictures, and from no label"),
        (
            {"labelled": 8, "alpha": 0.2},
            "learns from the labels of 3 training pictures, and from the teacher's answers",
        ),
        ({"labelled": 8, "alpha": 0.0}, "its control learns from the labels of 3 training pictures alone."),
    ],
)
def test_it_is_told_what_student_and_control_are_given(settings: dict[str, Any], told: str) -> None:
    """Of 28 pictures that train, 3 have labels: more than there are are promised to nobody."""
    config = run_settings.with_values(run_settings.QUICK, settings)
    read = {"train": 28, "labelled": 3, "without": 0}
    assert told in launch.given(config, read, control=True)
    assert "control" not in launch.given(config, read, control=False)
    assert "answers to 28 training pictures and to 1,200 more without labels" in launch.given(
        config, read | {"without": 1200}, control=True
    )


def test_of_a_dataset_that_was_brought_every_label_counts(view: View, world: World) -> None:
    """The few of the presets show on data with labels for everything what few are worth; one's own are few already."""
    own_dataset(paths.home())
    mapped = [f"{name}:{ODD_NAMES[0]}" for name in ("Building", "Land", "Road", "Vegetation", "Water")]
    full = view("distill", preset="full", dataset="plots", stands=mapped)
    assert held(launched(full, world), "dataset", "labelled", "alpha") == ("plots", None, 0.2)
    few = run_settings.value_of(defaults("quick", "few"), "labelled")
    page = view("distill", stands=mapped)
    for dataset, number, alpha in (("plots", None, 0.2), ("samples", few, 0.0), ("plots", None, 0.2)):
        page.selectbox(key="dataset").set_value(dataset).run()
        assert held(launched(page, world), "dataset", "labelled", "alpha") == (dataset, number, alpha)
    page.segmented_control(key="have").set_value("none").run()
    assert held(launched(page, world), "labelled", "alpha") == (None, 0.0)
    page.segmented_control(key="have").set_value("few").run()
    page.number_input(key="labelled").set_value(1).run()
    page.selectbox(key="dataset").set_value("samples").run()
    assert held(launched(page, world), "labelled") == (1,)


def test_what_stands_for_what_is_kept_by_the_link(view: View, world: World) -> None:
    own_dataset(paths.home(), names=("Roads", "Roof: flat", "Else"))
    page = view("distill", dataset="plots")
    assert page.selectbox(key="map_classes_teacher_plots_2").value == "Roads"
    page.selectbox(key="map_classes_teacher_plots_0").set_value("Roof: flat").run()
    page.selectbox(key="map_classes_teacher_plots_2").set_value("").run()
    made = launched(page, world)
    assert made.config.distill is not None
    mapping = {"Building": "Roof: flat", "Land": "", "Road": "", "Vegetation": "", "Water": ""}
    assert made.config.distill.map_classes == mapping
    link = {name: page.query_params[name] for name in ("dataset", "stands")}
    assert launched(view("distill", **link), world) == made
    page.selectbox(key="dataset").set_value("samples").run()
    assert "stands" not in page.query_params
    assert "stands" not in words(page)
    page.selectbox(key="dataset").set_value("plots").run()
    assert launched(page, world) == made
    odd = view("distill", dataset="plots", stands=["Building:Else", "Building", "Sky:Else", "Road:<b>"])
    assert not odd.exception
    assert held(launched(odd, world), "map_classes")[0]["Building"] == "Else"


def test_a_copy_of_a_run_keeps_what_stands_for_what(view: View, world: World) -> None:
    own_dataset(paths.home())
    mapping = {"Building": ODD_NAMES[0], "Land": "", "Road": ODD_NAMES[1], "Vegetation": "", "Water": ""}
    config = launch.to_config(ask(dataset="plots", map_classes=mapping))
    page = view("runs", run=open_store().add(config).id)
    page.button(key="copy").click().run()
    assert not page.error
    ((_, link),) = world.switched
    assert held(launched(view("distill", **link), world), "map_classes") == (mapping,)
