"""The losses on the teacher: cited as in their code, told apart in charts, timed on this machine."""

import importlib
import itertools
import tomllib
from pathlib import Path

import pytest

from app.components.charts import loss_chart, loss_terms
from app.components.forecast import loss_cost
from app.services import estimates, launch
from core.config import DistillConfig
from core.losses.catalogue import LOSSES, Loss, in_words, names, uses_features
from core.models import tap
from core.paths import ROOT
from tests.ui.conftest import ask, held

Colour = tuple[float, float, float]


def test_losses_have_titles_of_their_own_and_those_on_logits_come_first() -> None:
    assert len({loss.title for loss in LOSSES.values()}) == len(LOSSES)
    assert tuple(LOSSES) == names("logits") + names("features")


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_each_loss_is_one_line_with_the_paper_that_its_code_names(loss: Loss) -> None:
    module = importlib.import_module(loss.factory.split(":")[0])
    assert loss.arxiv in Path(module.__file__ or "").read_text(encoding="utf-8")
    assert len(loss.summary) <= 90
    assert DistillConfig(losses={loss.name: loss.weight}).problems() == []


def test_losses_are_told_in_words() -> None:
    assert in_words({"soft_targets": 1.0}) == "Soft targets"
    assert in_words({"channel_wise": 3.0, "boundary": 1.0}) == "Channel-wise × 3 + Soft targets at edges"


@pytest.mark.parametrize("names", [["hint"], ["soft_targets", "affinity"]])
def test_losses_on_features_store_views_and_not_pictures(names: list[str]) -> None:
    settings = ask("full", losses=dict.fromkeys(names, 1.0), cache_views=4, cache_form="float16")
    assert held(settings, "cache_pictures") == (True,)
    assert uses_features(dict.fromkeys(names, 1.0))
    made = DistillConfig(alpha=held(settings, "alpha")[0], losses=dict.fromkeys(names, 1.0), cache_views=4)
    assert launch.to_config(settings).distill == made
    assert launch.problems(settings) == []


def test_everything_that_is_chosen_reaches_the_run() -> None:
    settings = ask(losses={"boundary": 2.0}, average_flips=True, ema=0.99, crop=64, cache_form="uint8")
    config = launch.to_config(settings)
    assert config.distill is not None
    assert (config.distill.losses, config.distill.average_flips) == ({"boundary": 2.0}, True)
    assert (config.distill.cache_pictures, config.distill.cache_form) == (True, "uint8")
    assert (config.train.ema, config.data.crop) == (0.99, 64)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ask(losses={}), "at least one loss"),
        (ask(losses={"hint": 0.0}), "above 0 and at most 10,000"),
        (ask(losses={"hint": 10_001.0}), "above 0 and at most 10,000"),
        (ask(losses={"loudest": 1.0}), "There is no loss loudest"),
        (ask(crop=250), "multiple of 16 from 32 to 1,024"),
        (ask(ema=-0.1), "0 to below 1"),
        (ask(seeds=6), "Seeds must be from 1 to 5, not 6."),
        (ask(seed=2**31 - 2, seeds=3), "Seed must be from 0 to 2,147,483,647"),
    ],
)
def test_bad_values_are_refused_with_their_range(settings: launch.Request, said: str) -> None:
    assert any(said in problem for problem in launch.check(settings).problems)


def test_time_counts_losses_mirror_images_and_how_often_the_teacher_predicts() -> None:
    pace = estimates.Pace(128, "a CPU", fixed=0.01, per_mac=0.0, teacher=0.1)
    costs = {"soft_targets": 0.001, "hint": 0.002, "boundary": 5.0}

    def seconds(**changes: object) -> float:
        stored = {"cache_views": 2, "cache_pictures": False}
        settings = {"epochs": 10, "losses": {"soft_targets": 1.0}} | stored | changes
        config = launch.to_config(ask(**settings))
        return estimates.training_seconds(config, pace, macs_256=1, views=100, val_megapixels=0.0, losses=costs)

    stored = seconds()
    inside = seconds(losses={"soft_targets": 1.0, "hint": 1.0})
    assert inside - stored == pytest.approx(10 * 100 * 0.002)
    assert seconds(cache_views=0) - stored == pytest.approx(8 * 100 * 0.1), "at every step"
    assert stored - seconds(cache_pictures=True) == pytest.approx(1 * 100 * 0.1), "at the pictures once"
    assert seconds(consistency=1.0, ema=0.99) - stored == pytest.approx(10 * 100 * 0.01 * 4 / 3)
    assert seconds(average_flips=True) - stored == pytest.approx(3 * 2 * 100 * 0.1)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.002, "× 1.0, +4 % of a step"), (0.0001, "× 0.05, under 1 % of a step"), (0.02, "× 10.0, +40 % of a step")],
)
def test_a_cost_is_told_beside_soft_targets_and_beside_a_step(seconds: float, said: str) -> None:
    assert loss_cost(seconds, soft_targets=0.002, step=0.05) == said


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    """The name of a saved one."""
    from core.checkpoint import ModelCard, save
    from core.config import ModelConfig
    from core.data.datasets.dubai import AERIAL
    from core.models import build_model

    config = ModelConfig("unet", {"base": 6})
    card = ModelCard("t", config, AERIAL, (127.0,) * 3, (128.0,) * 3, parameters=1, macs_256=1)  # type: ignore[arg-type]
    save(tmp_path / "teacher", build_model(config, outputs=AERIAL.outputs), card)
    return str(tmp_path / "teacher")


def test_every_loss_is_timed(teacher: str) -> None:
    seconds = estimates.measure_losses(teacher=teacher, crop=32, device="cpu")
    assert set(seconds) == set(LOSSES)
    assert all(0 < took < 1 for took in seconds.values())


def test_a_teacher_that_does_not_say_where_its_features_are_is_timed_by_its_logits(
    teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was brought: the page tells its time like that of any other."""
    monkeypatch.setattr(tap, "DEFAULT_LAYERS", {})
    seconds = estimates.measure_losses(teacher=teacher, crop=32, device="cpu")
    assert tuple(seconds) == names("logits")


def test_every_term_has_a_name_and_a_colour_of_its_own() -> None:
    terms = ["cross_entropy", "dice", *LOSSES]
    known = loss_terms()
    figure = loss_chart([{"epoch": 1.0} | dict.fromkeys(terms, 0.5)])
    assert [trace.name for trace in figure.data] == [known[name][0] for name in terms]
    assert len({trace.name for trace in figure.data}) == len(terms)
    assert [trace.line.color for trace in figure.data] == [known[name][1] for name in terms]
    dashed = {name for name, trace in zip(terms, figure.data, strict=True) if trace.line.dash == "dash"}
    assert dashed == set(names("features"))


@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_stand_on_the_page(page: str) -> None:
    """At least 3 : 1, as WCAG asks of graphics."""
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    ground = luminance(theme[page]["backgroundColor"])
    for _title, colour in loss_terms().values():
        darker, lighter = sorted((ground, luminance(colour)))
        assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_colours_are_told_apart() -> None:
    """By the distance in CIE Lab, where 2.3 is just seen."""
    colours = [colour for _title, colour in loss_terms().values()]
    for one, other in itertools.combinations(colours, 2):
        distance = sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5
        assert distance >= 20, (one, other)


def linear(colour: str) -> Colour:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return red, green, blue


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lab(colour: str) -> Colour:
    red, green, blue = linear(colour)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, luminance(colour), z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
