"""The compact family: no larger than the unet of the same base, for pictures of any size."""

import itertools

import pytest
import torch

from core.models import count_macs, count_parameters
from core.models.compact import STRIDE, Compact
from core.models.unet import UNet, pad_to_multiple


def compact(base: int = 2, outputs: int = 5) -> Compact:
    """Seeded, in eval mode, with normalisation statistics that are not those of a fresh model."""
    torch.manual_seed(0)
    model = Compact(base=base, outputs=outputs)
    model(torch.randn(2, 3, 32, 32))
    return model.eval()


@pytest.mark.parametrize("base", [2, 4, 8, 16])
def test_it_costs_no_more_than_the_unet_of_that_base(base: int) -> None:
    """Base 2 alone is a little larger: what grows with the width itself, not with its square, weighs more there."""
    allowed = 1.15 if base == 2 else 1
    ours, theirs = Compact(base=base, outputs=5), UNet(base=base, outputs=5)
    assert count_parameters(ours) <= allowed * count_parameters(theirs)
    assert count_macs(ours) <= allowed * count_macs(theirs)


def test_twice_the_width_is_about_four_times_the_parameters() -> None:
    counts = [count_parameters(Compact(base=base, outputs=5)) for base in (2, 4, 8, 16, 32)]
    for narrow, wide in itertools.pairwise(counts):
        assert 3.5 < wide / narrow < 4.05


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (15, 15), (16, 16), (33, 47), (64, 48)])
def test_any_size_goes_in_and_comes_out(size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = compact(outputs=7)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7, *size)
    assert torch.isfinite(logits).all()


def test_a_picture_that_does_not_fit_is_seen_with_its_edge_repeated() -> None:
    model, image = compact(), torch.randn(1, 3, 45, 38)
    with torch.no_grad():
        torch.testing.assert_close(model(image), model(pad_to_multiple(image, STRIDE))[..., :45, :38])


def test_neighbouring_pixels_get_answers_of_their_own() -> None:
    """Full resolution is folded away, not lost: within 2 x 2 pixels the logits differ."""
    with torch.no_grad():
        logits = compact()(torch.randn(1, 3, 32, 32))
    folded = torch.nn.functional.pixel_unshuffle(logits, 2).view(1, 5, 4, -1)
    assert (folded.std(dim=2).mean(dim=-1) > 1e-3).all()


def test_every_level_reaches_the_logits_by_a_skip_of_its_own() -> None:
    """With the way from below shut off, what an encoder level gives still matters."""
    model, image = compact(), torch.rand(1, 3, 32, 32)
    for level, project in enumerate(model.project):
        norm = project[1]
        kept = norm.weight.clone(), norm.bias.clone()
        with torch.no_grad():
            norm.weight.zero_()
            norm.bias.zero_()
            assert not torch.allclose(model(image), model(image.flip(-1)).flip(-1)), f"nothing passes level {level}"
            norm.weight.copy_(kept[0])
            norm.bias.copy_(kept[1])


def test_every_parameter_learns() -> None:
    model = compact().train()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_scene_of_a_batch_does_not_depend_on_the_others() -> None:
    model, images = compact(), torch.randn(3, 3, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(model(images)[1:2], model(images[1:2]), rtol=1e-4, atol=1e-5)
