"""A model for answers alone gives the answers of the whole one, whatever its parts are called or in which order."""

import pytest
import torch
from torch import Tensor, nn

from core.config import ModelConfig
from core.infer.fused import fused
from core.models import build_model, without_pretraining

STUDENT = ModelConfig("compact", {"base": 4})
TEACHER = ModelConfig("smp", {"architecture": "Unet", "encoder": "tu-tf_efficientnet_lite0"})


def worn(model: nn.Module) -> nn.Module:
    """With statistics and scales that change what passes, as after training."""
    random = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.running_mean, part.bias, part.running_var, part.weight):
                assert values is not None
                values.data += 0.3 * torch.rand(values.shape, generator=random)
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in model.modules())


@pytest.mark.parametrize("config", [STUDENT, TEACHER], ids=["student", "teacher"])
def test_the_logits_stay_and_most_normalisations_go(config: ModelConfig) -> None:
    model = worn(build_model(without_pretraining(config), outputs=5))
    before = norms(model)
    picture = torch.rand(1, 3, 96, 64)
    merged = fused(model, 3)
    with torch.inference_mode():
        wanted, found = model(picture), merged(picture)
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    assert norms(merged) < before / 2
    assert norms(model) == before


class OtherOrder(nn.Module):
    """Its parts are not applied in the order in which they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.norm(image))
        return mixed


def test_a_model_that_uses_its_parts_in_another_order_stays_as_it_is() -> None:
    model = worn(OtherOrder())
    assert fused(model, 3) is model
    plain = nn.Sequential(nn.Conv2d(3, 5, 1)).eval()
    assert fused(plain, 3) is plain
