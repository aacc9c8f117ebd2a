"""A loss is registered in the catalogue and nowhere else: what is added there is known everywhere."""

import ast
import subprocess
import sys

import pytest
import torch

from core.cli.main import parser
from core.config import DistillConfig, RunConfig
from core.losses.catalogue import DEFAULT, LOSSES, Loss, in_words, uses_features
from core.losses.features import FeatureLoss, FeatureTerms
from core.losses.objective import distillation_terms
from core.paths import ROOT
from tests.architecture import modules
from tests.unit.losses.made_up import ON_FEATURES, ON_LOGITS
from tests.unit.losses.tensors import normal

BOTH = {loss.name: loss.weight for loss in (ON_LOGITS, ON_FEATURES)}


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    for loss in (ON_LOGITS, ON_FEATURES):
        monkeypatch.setitem(LOSSES, loss.name, loss)


def test_what_is_not_in_the_catalogue_is_refused() -> None:
    problems = DistillConfig(losses=BOTH).problems()
    assert [problem.split(";")[0] for problem in problems] == [f"There is no loss {name}" for name in BOTH]
    assert not uses_features(BOTH)


@pytest.mark.usefixtures("added")
def test_an_added_loss_passes_the_checks_of_the_settings() -> None:
    config = RunConfig(kind="distill", distill=DistillConfig(losses=BOTH))
    assert RunConfig.from_json(config.to_json()) == config
    assert config.distill is not None
    assert config.distill.uses_features
    refused = DistillConfig(losses={"nothing": 1.0}).problems()
    assert all(name in refused[0] for name in BOTH)
    assert in_words(BOTH) == "Made up on logits × 7 + Made up on features × 9"


@pytest.mark.usefixtures("added")
def test_an_added_loss_is_in_the_help_and_the_command_line_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["distill", "--help"])
    said = "".join(capsys.readouterr().out.split())
    assert all(name in said for name in BOTH)
    arguments = parser().parse_args(["distill", "--loss", "made_up_features=2"])
    assert arguments.losses == ["made_up_features=2"]


@pytest.mark.usefixtures("added")
def test_an_added_loss_is_part_of_what_a_step_minimises() -> None:
    student, teacher = normal(0, 2, 4, 8, 8).float().requires_grad_(), normal(1, 2, 4, 8, 8).float()
    inside, beside = normal(2, 2, 3, 4, 4).float(), normal(3, 2, 5, 4, 4).float()
    labels = torch.zeros(2, 8, 8, dtype=torch.long)
    features = FeatureTerms([ON_FEATURES.name], student_channels=3, teacher_channels=5)
    terms = distillation_terms(
        student=student,
        teacher=teacher,
        labels=labels,
        ignore_index=4,
        alpha=0.5,
        temperature=2.0,
        dice_share=0.0,
        weights=BOTH,
        inside=features(student=inside, teacher=beside, valid=labels == 0, temperature=2.0, seed=0),
    )
    assert terms[ON_LOGITS.name].item() == pytest.approx(
        0.5 * 7 * ((student - teacher) ** 2).mean().item() / 2, rel=1e-5
    )
    assert terms[ON_FEATURES.name].item() == pytest.approx(0.5 * 9 * (inside.mean() - beside.mean()).item() ** 2)
    terms[ON_FEATURES.name].backward()
    (learned,) = features.parameters()
    assert learned.grad is not None


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_each_factory_is_of_its_kind(loss: Loss) -> None:
    assert loss.name.isidentifier()
    made = loss.load()
    assert callable(made)
    assert (isinstance(made, type) and issubclass(made, FeatureLoss)) == loss.on_features
    assert loss.temperature.endswith(".")


def test_the_default_is_in_the_catalogue() -> None:
    assert DistillConfig().losses == {DEFAULT: LOSSES[DEFAULT].weight}


def test_settings_and_catalogue_are_read_without_torch() -> None:
    code = "import sys, core.config, core.losses.catalogue; print('torch' in sys.modules, 'numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "False"]


def loss_names(text: str) -> set[str]:
    return {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and node.value in LOSSES}


def test_no_other_file_lists_the_losses() -> None:
    """One may name soft targets, which the others are compared with."""
    others = (module for module in modules("core", "app", "benchmarks") if module.name != "core.losses.catalogue")
    assert [module.name for module in others if len(loss_names(module.text)) > 1] == []
    assert loss_names((ROOT / "core" / "losses" / "catalogue.py").read_text(encoding="utf-8")) == set(LOSSES)
