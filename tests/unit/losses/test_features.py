"""The losses on features by name, and what they learn."""

import pytest
import torch
from torch import Tensor

from core.losses.affinity import pairwise_affinity
from core.losses.attention import attention_transfer
from core.losses.catalogue import names
from core.losses.features import FeatureTerms
from core.losses.hints import feature_hint

FEATURE_LOSSES = names("features")


def features(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


STUDENT, TEACHER = features(0, 2, 6, 8, 8), features(1, 2, 10, 4, 4)
VALID = torch.ones(2, 32, 32, dtype=torch.bool)


def terms(names: tuple[str, ...] = FEATURE_LOSSES, seed: int = 0) -> FeatureTerms:
    torch.manual_seed(seed)
    return FeatureTerms(names, student_channels=6, teacher_channels=10)


def values(module: FeatureTerms, *, student: Tensor = STUDENT, seed: int = 3) -> dict[str, Tensor]:
    found: dict[str, Tensor] = module(student=student, teacher=TEACHER, valid=VALID, temperature=2.0, seed=seed)
    return found


def test_each_name_is_its_own_function() -> None:
    module = terms()
    found = values(module)
    assert tuple(found) == FEATURE_LOSSES
    assert found["affinity"] == pairwise_affinity(student=STUDENT, teacher=TEACHER, valid=VALID)
    assert found["attention"] == attention_transfer(student=STUDENT, teacher=TEACHER, valid=VALID)
    projected = module.adapters["hint"](STUDENT)
    assert found["hint"] == feature_hint(student=projected, teacher=TEACHER, valid=VALID)
    assert len({round(value.item(), 6) for value in found.values()}) == len(FEATURE_LOSSES)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_each_reaches_the_student_and_all_that_it_learns(name: str) -> None:
    student = STUDENT.clone().requires_grad_()
    module = terms((name,))
    values(module, student=student)[name].backward()
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    for parameter in module.parameters():
        assert parameter.grad is not None


def test_only_what_was_asked_for_has_parameters() -> None:
    assert not list(terms(("affinity", "attention")).parameters())
    assert list(terms(("hint",)).parameters())


def test_what_is_hidden_depends_on_the_seed_alone() -> None:
    module = terms(("masked_generation",))
    first, again, other = (values(module, seed=seed)["masked_generation"] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_nothing_valid_teaches_nothing() -> None:
    module = terms()
    found = module(student=STUDENT, teacher=TEACHER, valid=~VALID, temperature=2.0, seed=0)
    assert all(value.item() == 0 for value in found.values())
