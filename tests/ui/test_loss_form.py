"""Losses and seeds on the launch page: chosen, weighed, priced, kept in the link, refused."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.components.charts import loss_chart
from app.services import launch, run_settings
from app.services.access import Person
from app.services.run_settings import PRESETS
from app.services.stores import open_store
from core.losses.catalogue import LOSSES, usual_weights
from tests.ui.conftest import ANYBODY, World, ask, held, words
from tests.unit.losses.made_up import ON_FEATURES, ON_LOGITS

USUAL = usual_weights()
View = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _checks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of core, without the models on disk that a check would look up; launched into a real store."""
    real = launch.launch

    def queue(request: launch.Request, who: Person) -> str:
        world.launched.append(request)
        return real(request, who)

    monkeypatch.setattr(launch, "check", lambda request, *_: launch.Check(launch.problems(request)))
    monkeypatch.setattr(launch, "launch", queue)


def choose(page: AppTest, *names: str) -> AppTest:
    return page.multiselect(key="losses_chosen").set_value(list(names)).run()


def launched(page: AppTest, world: World) -> launch.Request:
    page.button(key="launch").click().run()
    assert not page.exception
    return world.launched[-1]


def query(page: AppTest, name: str) -> Any:
    value = page.query_params.get(name)
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_starts_with_its_losses_and_leaves_the_link_alone(view: View, world: World, preset: str) -> None:
    page = view("distill", preset=preset)
    start = held(ask(preset), "losses")[0]
    assert page.multiselect(key="losses_chosen").value == list(start)
    assert "losses" not in page.query_params
    assert held(launched(page, world), "losses")[0] == start


def test_another_preset_changes_the_losses_unless_a_person_chose_them(view: View, world: World) -> None:
    page = view("distill")
    page.segmented_control(key="preset").set_value("full").run()
    assert held(launched(page, world), "losses") == held(ask("full"), "losses")
    page = choose(page, "hint")
    page.segmented_control(key="preset").set_value("quick").run()
    assert list(held(launched(page, world), "losses")[0]) == ["hint"]


def test_each_loss_is_explained_with_its_paper_its_temperature_and_its_cost(view: View) -> None:
    page = view("distill")
    text = words(page)
    for loss in LOSSES.values():
        assert loss.summary in text
        assert f"Temperature: {loss.temperature}" in text
        assert f"https://arxiv.org/abs/{loss.arxiv}" in text
    # The fake takes 0.1 ms for the first loss, 0.2 for the second, and 10 for a step.
    assert "weight 3 · × 2.0, +2 % of a step" in text
    assert page.multiselect(key="losses_chosen").options == [loss.title for loss in LOSSES.values()]


def test_a_loss_added_to_the_catalogue_can_be_chosen_and_is_drawn(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loss in (ON_LOGITS, ON_FEATURES):
        monkeypatch.setitem(LOSSES, loss.name, loss)
    page = choose(view("distill"), ON_LOGITS.name, ON_FEATURES.name)
    assert page.multiselect(key="losses_chosen").options[-2:] == [ON_LOGITS.title, ON_FEATURES.title]
    assert ON_FEATURES.summary in words(page)
    assert page.toggle(key="cache_pictures").disabled
    assert held(launched(page, world), "losses")[0] == {ON_LOGITS.name: 7.0, ON_FEATURES.name: 9.0}
    figure = loss_chart([{"epoch": 1.0, ON_LOGITS.name: 0.5, ON_FEATURES.name: 0.5}])
    drawn = [(trace.name, trace.line.color, trace.line.dash) for trace in figure.data]
    assert drawn == [
        ("Made up on logits (teacher)", ON_LOGITS.colour, "solid"),
        ("Made up on features (teacher)", ON_FEATURES.colour, "dash"),
    ]


def test_a_chosen_loss_brings_its_usual_weight_to_the_form_and_the_link(view: View, world: World) -> None:
    page = choose(view("distill"), "soft_targets", "channel_wise")
    assert page.number_input(key="weight_channel_wise").value == USUAL["channel_wise"]
    page.number_input(key="weight_channel_wise").set_value(4.25).run()
    assert query(page, "losses") == "soft_targets:1,channel_wise:4.25"
    assert held(launched(page, world), "losses")[0] == {"soft_targets": 1.0, "channel_wise": 4.25}


@pytest.mark.parametrize(
    ("link", "losses"),
    [
        ("soft_targets:1,channel_wise:3", {"soft_targets": 1.0, "channel_wise": 3.0}),
        ("correlation:0.125", {"correlation": 0.125}),
        ("hint", {"hint": USUAL["hint"]}),
        ("hint:loud,boundary:nan", {"hint": USUAL["hint"], "boundary": USUAL["boundary"]}),
        ("shouting:3,boundary:2", {"boundary": 2.0}),
        ("shouting:3", {"soft_targets": 1.0, "channel_wise": 3.0}),
    ],
)
def test_a_link_brings_back_losses_and_leaves_nonsense_out(
    view: View, world: World, link: str, losses: dict[str, float]
) -> None:
    page = view("distill", losses=link)
    assert not page.exception
    again = view("distill", **({"losses": query(page, "losses")} if "losses" in page.query_params else {}))
    assert held(launched(again, world), "losses") == held(launched(page, world), "losses") == (losses,)


def test_no_loss_and_a_weight_out_of_range_are_refused_in_words(view: View, world: World) -> None:
    page = choose(view("distill"))
    assert "at least one loss" in page.error[0].value
    assert page.button(key="launch").disabled
    assert page.multiselect(key="losses_chosen").value == []
    page = view("distill", losses="hint:20000")
    assert "The weight of hint must be above 0 and at most 10,000, not 20000" in page.error[0].value
    assert page.button(key="launch").disabled
    assert world.launched == []


def test_stored_pictures_take_the_place_of_stored_epochs(view: View, world: World) -> None:
    page = view("distill")
    page.toggle(key="cache_pictures").set_value(True).run()
    stored = page.number_input(key="cache_views")
    assert (stored.label, stored.disabled) == ("Stored teacher epochs (off: whole pictures)", True)
    made = launched(page, world)
    distill = launch.to_config(made).distill
    assert distill is not None
    assert (distill.cache_pictures, distill.cache_views) == (True, 0)
    assert launch.to_config(made).problems() == []


def test_a_loss_on_features_needs_stored_views_in_place_of_pictures(view: View, world: World) -> None:
    page = choose(view("distill", cache_pictures="true"), "soft_targets", "affinity")
    assert page.toggle(key="cache_pictures").disabled
    assert not page.number_input(key="cache_views").disabled
    config = launch.to_config(launched(page, world))
    assert config.distill is not None
    assert (config.distill.cache_pictures, config.distill.cache_views) == (False, 4)
    assert config.problems() == []


def test_presets_set_crop_averaging_and_the_form_of_the_cache(view: View, world: World) -> None:
    page = view("distill")
    page.segmented_control(key="preset").set_value("full").run()
    full = launched(page, world)
    assert held(full, "crop", "epochs", "views_per_epoch", "batch_size") == (128, 75, 960, 8)
    assert held(full, "cache_pictures", "ema", "cache_form") == (True, 0.995, "uint8")
    page.segmented_control(key="preset").set_value("quick").run()
    assert launched(page, world) == ask()


def test_a_link_brings_back_the_finer_settings(view: View, world: World) -> None:
    made = launched(view("distill", crop="64", ema="0.95", average_flips="true", cache_form="uint8", seeds="2"), world)
    assert held(made, "crop", "ema", "average_flips", "cache_form") == (64, 0.95, True, "uint8")
    assert made.seeds == 2


def test_seeds_multiply_the_time_and_the_first_run_is_shown(view: View, world: World) -> None:
    page = view("distill")
    page.number_input(key="seeds").set_value(3).run()
    assert page.metric[0].label == "Estimated time, 3 seeds, each with control"
    # Three times 137 s.
    assert page.metric[0].value == "7 min"
    launched(page, world)
    records = list(reversed(open_store().list()))
    assert [record.config.train.seed for record in records] == [0, 0, 1, 1, 2, 2]
    assert world.switched == [("views/runs/page.py", {"run": records[0].id})]
    assert [record.config.control_of for record in records[1::2]] == [record.id for record in records[::2]]
    assert records[2].name == "Compact 4 from teacher, seed 1"
    assert records[3].name == "Compact 4 from teacher, seed 1, control"


@pytest.mark.parametrize("control", [True, False])
def test_names_of_seeds_stay_within_bounds_and_differ_in_seed_alone(control: bool) -> None:
    launch.launch(ask(name="x" * 80, seeds=5, seed=2**31 - 5, control=control), ANYBODY)
    records = open_store().list()
    assert len(records) == (10 if control else 5)
    assert len({record.name for record in records}) == len(records)
    assert len({record.config.train.seed for record in records}) == 5
    launch.launch(ask(control=False), ANYBODY)
    assert open_store().list()[0].name == "Compact 4 from teacher"


def test_the_quick_preset_says_what_student_and_control_are_given(view: View, world: World) -> None:
    page = view("distill")
    told = words(page)
    assert "learns from the teacher's answers to 10 training pictures, and from no label" in told
    assert "its control learns from the labels of 2 training pictures alone." in told
    assert "The shipped teacher has seen none of the shipped scenes" in told
    assert held(launched(page, world), "labelled", "alpha") == (2, 0.0)


def test_one_entry_puts_a_setting_into_the_form_and_its_link(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number, a switch and a menu that the form does not hold: their words and choices are those of the field."""
    for name, place in (("dice", "left"), ("compile", "more below"), ("schedule", "right")):
        assert name not in run_settings.FORM
        monkeypatch.setitem(run_settings.FORM, name, run_settings.FormEntry(place, preset=False))
    page = view("distill", dice="0.3", compile="true", schedule="cosine")
    number = page.number_input(key="dice")
    assert (number.label, number.help) == (run_settings.setting_of("dice").label, run_settings.setting_of("dice").help)
    assert page.toggle(key="compile").label == run_settings.setting_of("compile").title
    assert page.selectbox(key="schedule").options == list(run_settings.setting_of("schedule").choices)
    made = launched(page, world)
    assert held(made, "dice", "compile", "schedule") == (0.3, True, "cosine")
    link = run_settings.to_link(made.config)
    assert {name: link[name] for name in ("dice", "compile", "schedule")} == {
        "dice": "0.3",
        "compile": "true",
        "schedule": "cosine",
    }
