"""Settings survive JSON, and whatever cannot run is refused with its range before anything is queued."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest

from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.config.fields import Setting, problems_of, settings_of
from core.errors import ConfigError

FULL = RunConfig(
    kind="distill",
    name="night run",
    data=DataConfig(dataset="folder", root="/somewhere", scale=(0.5, 2.0), views_per_epoch=100),
    model=ModelConfig("smp", {"architecture": "Unet", "decoder_channels": [64, 32], "weights": None}),
    train=TrainConfig(epochs=3, schedule="cosine", ema=0.99, match_seconds=60.0, compile=True),
    distill=DistillConfig(teacher="teacher", temperature=4.0, alpha=0.25, cache_views=8),
)
PLAIN = RunConfig(kind="train")


@pytest.mark.parametrize("config", [FULL, PLAIN, replace(PLAIN, control_of="20261123-101500-ab12")])
def test_json_and_back(config: RunConfig) -> None:
    assert RunConfig.from_json(config.to_json()) == config


def test_what_is_left_out_has_its_default() -> None:
    assert RunConfig.from_json('{"kind": "train", "train": {"epochs": 2}}') == replace(
        PLAIN, train=TrainConfig(epochs=2)
    )


def test_whole_numbers_will_do_for_fractions() -> None:
    found = RunConfig.from_json('{"kind": "distill", "distill": {"temperature": 4, "alpha": 1}}')
    assert found.distill == DistillConfig(temperature=4, alpha=1)


IN_RANGE: list[tuple[str, str, list[Any]]] = [
    ("data", "crop", [32, 256, 1024]),
    ("data", "views_per_epoch", [None, 1, 1_000_000]),
    ("data", "scale", [(0.25, 4), (1, 1)]),
    ("data", "colour", [0, 1]),
    ("model", "arguments", [{"base": 2}, {"base": 64}]),
    ("distill", "temperature", [0.5, 50]),
    ("distill", "alpha", [0, 1]),
    ("distill", "cache_views", [0, 1000]),
    ("distill", "cache_form", ["float16", "uint8"]),
    ("distill", "losses", [{"soft_targets": 0.1}, {"channel_wise": 10_000, "standardised": 1}]),
    ("data", "mix", [0]),
    ("data", "paste", [0, 0.5, 1]),
    ("data", "labelled", [None, 1, 10**6]),
    ("train", "epochs", [1, 10_000]),
    ("train", "batch_size", [1, 1024]),
    ("train", "accumulate", [1, 2, 16]),
    ("train", "learning_rate", [1e-9, 1]),
    ("train", "schedule", ["one-cycle", "cosine"]),
    ("train", "weight_decay", [0, 1]),
    ("train", "clip_norm", [0.01, 1000]),
    ("train", "dice", [0, 1]),
    ("train", "ema", [0, 0.9999]),
    ("train", "seed", [0, 2**31 - 1]),
    ("train", "precision", ["auto", "float32", "bfloat16", "float16"]),
    ("train", "validate_every", [1, 50]),
    ("train", "match_seconds", [None, 1, 2_592_000]),
]
OUT_OF_RANGE: list[tuple[str, str, list[Any], str]] = [
    ("data", "crop", [16, 1040, 100, -32], "multiple of 16 from 32 to 1,024"),
    ("data", "views_per_epoch", [0, 1_000_001], "from 1 to 1,000,000"),
    ("data", "scale", [(0.2, 1), (1, 4.1), (1.5, 1), (math.nan, 1)], "within 0.25 to 4"),
    ("data", "colour", [-0.1, 1.1, math.nan], "from 0 to 1"),
    ("model", "arguments", [{"base": 1}, {"base": 65}, {"base": 4.0}, {"base": True}, {}], "from 2 to 64"),
    ("distill", "temperature", [0.49, 50.1, 0, -1, math.nan, math.inf], "from 0.5 to 50"),
    ("distill", "alpha", [-0.01, 1.01, math.nan], "from 0 to 1"),
    ("distill", "cache_views", [-1, 1001], "from 0 to 1,000"),
    ("distill", "teacher", [""], "choose a model"),
    ("distill", "cache_form", ["float32"], "float16 or uint8"),
    ("distill", "losses", [{"hinton": 1}], "soft_targets, standardised"),
    ("distill", "losses", [{"soft_targets": w} for w in (0, -1, math.nan, 10_001)], "above 0 and at most 10,000"),
    ("data", "mix", [-0.1, 0.51, math.nan], "from 0 to 0.5"),
    ("data", "paste", [-0.1, 1.1, math.nan], "CutMix share must be from 0 to 1"),
    ("data", "labelled", [0, -1], "must be 1 or more"),
    ("distill", "cache_pictures", [True], "not with stored views"),
    ("train", "epochs", [0, 10_001], "from 1 to 10,000"),
    ("train", "batch_size", [0, 1025], "from 1 to 1,024"),
    ("train", "accumulate", [0, -1], "from 1 to 1,024"),
    ("train", "accumulate", [3, 32], "equal parts"),
    ("train", "learning_rate", [0, -1, 1.1, math.nan], "above 0 and at most 1"),
    ("train", "schedule", ["step"], "one-cycle or cosine"),
    ("train", "weight_decay", [-1, 2], "from 0 to 1"),
    ("train", "clip_norm", [0, 1001, math.inf], "above 0 and at most 1,000"),
    ("train", "dice", [-0.1, 1.1], "from 0 to 1"),
    ("train", "ema", [-0.1, 1, math.nan], "from 0 to below 1"),
    ("train", "seed", [-1, 2**31], "from 0 to 2,147,483,647"),
    ("train", "precision", ["float64"], "auto, float32, bfloat16 or float16"),
    ("train", "validate_every", [0, -1], "must be 1 or more"),
    ("train", "match_seconds", [0, -5, math.nan, math.inf, 2_592_001], "above 0 and at most 2,592,000"),
]


def with_setting(part: str, name: str, value: Any) -> RunConfig:
    return (
        replace(FULL, model=ModelConfig(), **{part: replace(getattr(FULL, part), **{name: value})})
        if (part != "model")
        else replace(FULL, model=ModelConfig("unet", value))
    )


@pytest.mark.parametrize(
    ("part", "name", "value"), [(part, name, value) for part, name, values in IN_RANGE for value in values]
)
def test_the_bounds_themselves_are_allowed(part: str, name: str, value: Any) -> None:
    assert with_setting(part, name, value).problems() == []


@pytest.mark.parametrize(
    ("part", "name", "value", "allowed"),
    [(part, name, value, allowed) for part, name, values, allowed in OUT_OF_RANGE for value in values],
)
def test_beyond_them_the_range_is_told(part: str, name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigError, match=allowed) as caught:
        with_setting(part, name, value).validate()
    assert len(caught.value.problems) == 1


def test_all_problems_are_told_at_once() -> None:
    bad = replace(FULL, name="x" * 81, train=TrainConfig(epochs=0), distill=DistillConfig(alpha=2, temperature=0))
    with pytest.raises(ConfigError) as caught:
        bad.validate()
    assert len(caught.value.problems) == 4


def test_kind_and_distillation_settings_belong_together() -> None:
    with pytest.raises(ConfigError, match="needs its settings"):
        RunConfig(kind="distill").validate()
    with pytest.raises(ConfigError, match="takes no distillation"):
        replace(FULL, kind="train").validate()
    with pytest.raises(ConfigError, match="train or distill"):
        replace(PLAIN, kind="evaluate").validate()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"kind": "train", "tarin": {}}', "RunConfig has no setting tarin"),
        ('{"kind": "train", "train": {"lr": 1}}', "TrainConfig has no setting lr; it has accumulate, batch_size"),
        ('{"kind": "train", "data": {"path": "x"}}', "DataConfig has no setting path"),
        ("[]", "must be a JSON object, not list"),
        ('{"kind": "train", "train": 3}', "TrainConfig must be a JSON object, not int"),
        ("{nonsense", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_does_not_belong_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RunConfig.from_json(text)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("train", "epochs", "ten"),
        ("train", "epochs", 2.5),
        ("train", "epochs", True),
        ("train", "epochs", None),
        ("train", "seed", [1]),
        ("train", "learning_rate", "fast"),
        ("train", "compile", 1),
        ("train", "device", 0),
        ("train", "schedule", 7),
        ("train", "match_seconds", "long"),
        ("data", "scale", 1.0),
        ("data", "scale", [0.5]),
        ("data", "scale", [0.5, 1, 2]),
        ("data", "scale", ["a", "b"]),
        ("data", "dataset", None),
        ("data", "root", 5),
        ("data", "skip_bad_pairs", "no"),
        ("model", "arguments", [1]),
        ("model", "architecture", 5),
        ("distill", "temperature", "hot"),
        ("distill", "teacher", {"name": "teacher"}),
        ("distill", "cache_views", 1.5),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_words(part: str, name: str, value: Any) -> None:
    data = json.loads(FULL.to_json())
    data[part][name] = value
    with pytest.raises(ConfigError, match=rf"\b{name}\b"):
        RunConfig.from_json(json.dumps(data))


@pytest.mark.parametrize(("name", "value"), [("data", None), ("train", None), ("name", 5), ("control_of", 3)])
def test_a_part_of_the_wrong_kind_is_refused_in_words(name: str, value: Any) -> None:
    data = json.loads(FULL.to_json())
    data[name] = value
    with pytest.raises(ConfigError, match=rf"\b{name}\b"):
        RunConfig.from_json(json.dumps(data))


@pytest.mark.parametrize("cls", [DataConfig, DistillConfig, ModelConfig, TrainConfig])
def test_every_setting_says_what_it_is(cls: type) -> None:
    described = settings_of(cls)
    assert {field.name for field in fields(cls)} - set(described) <= {"arguments", "losses", "map_classes", "opened"}
    for name, setting in described.items():
        assert setting.name == name
        assert setting.title[0].isupper()
        assert not setting.title.endswith(".")
        assert setting.help.endswith(".")


@pytest.mark.parametrize("cls", [DataConfig, DistillConfig, TrainConfig])
def test_a_setting_is_checked_by_the_range_that_is_shown(cls: type) -> None:
    """Each end of the range passes and what lies beyond is refused, so that no check is left out."""
    for name, setting in settings_of(cls).items():
        for end, beyond in ((setting.low, -1), (setting.high, 1)):
            if end is None or name == "scale":
                continue
            values = cls(**{name: end + beyond})
            assert [problem for problem in problems_of(values) if problem.startswith(setting.title)], name
            if f"{int(end):,}" not in setting.range:
                assert str(end) in setting.range, name


def test_settings_with_an_open_end_leave_it_out() -> None:
    both = Setting("Rate", "Help.", low=0, above=True, high=1, unit="seconds")
    assert both.problem(0) == "Rate must be above 0 and at most 1 seconds, not 0."
    assert both.problem(1) is None
    below = Setting("Decay", "Help.", low=0, high=1, below=True)
    assert below.problem(1) == "Decay must be from 0 to below 1, not 1."
    assert below.problem(0) is None


def test_a_label_leaves_out_an_end_that_nobody_meets() -> None:
    assert settings_of(TrainConfig)["seed"].label == "Seed (0 or more)"
    assert settings_of(TrainConfig)["epochs"].label == "Epochs (1 to 10,000)"
