"""The width family: its size is the published one, and it takes pictures of any size."""

import itertools

import pytest
import torch

from core.models import count_parameters
from core.models.unet import STRIDE, UNet, pad_to_multiple


def unet(base: int = 2, outputs: int = 5) -> UNet:
    """Seeded, in eval mode, with normalisation statistics that are not those of a fresh model."""
    torch.manual_seed(0)
    model = UNet(base=base, outputs=outputs)
    model(torch.randn(2, 3, 32, 32))
    return model.eval()


@pytest.mark.parametrize(("base", "parameters"), [(4, 122_113), (16, 1_942_645)])
def test_it_has_the_published_number_of_parameters(base: int, parameters: int) -> None:
    assert count_parameters(UNet(base=base, outputs=5)) == parameters


def test_twice_the_filters_are_about_four_times_the_parameters() -> None:
    counts = [count_parameters(UNet(base=base, outputs=5)) for base in (2, 4, 8, 16, 32)]
    for narrow, wide in itertools.pairwise(counts):
        assert 3.8 < wide / narrow < 4.05


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3), (15, 15), (16, 16), (33, 47), (64, 48)])
def test_any_size_goes_in_and_comes_out(size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = unet(outputs=7)(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7, *size)
    assert torch.isfinite(logits).all()


def test_a_fitting_picture_is_not_padded() -> None:
    image = torch.randn(1, 3, 2 * STRIDE, 3 * STRIDE)
    assert pad_to_multiple(image, STRIDE) is image


def test_padding_repeats_the_edge_at_bottom_and_right() -> None:
    image = torch.arange(6.0).view(1, 1, 2, 3)
    expected = torch.tensor([[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]).float()
    torch.testing.assert_close(pad_to_multiple(image, 4)[0, 0], expected)


def test_a_picture_that_does_not_fit_is_seen_with_its_edge_repeated() -> None:
    model, image = unet(), torch.randn(1, 3, 45, 38)
    with torch.no_grad():
        torch.testing.assert_close(model(image), model(pad_to_multiple(image, STRIDE))[..., :45, :38])


def test_what_is_far_off_does_not_reach_a_pixel() -> None:
    """A pixel sees 140 pixels at most: with a multiple of 16 the far half may be another picture altogether."""
    model, image = unet(), torch.randn(1, 3, 32, 320)
    other = image.clone()
    other[..., 176:] = torch.randn(1, 3, 32, 144)
    with torch.no_grad():
        one, two = model(image), model(other)
    torch.testing.assert_close(one[..., :16], two[..., :16])
    assert not torch.allclose(one[..., 160:192], two[..., 160:192])


def test_every_skip_connection_is_used() -> None:
    """Each encoder level reaches the logits by a way of its own, beside the one through the deepest level."""
    model = unet()
    with torch.no_grad():
        whole = model(torch.ones(1, 3, 32, 32))
        for level, upsample in enumerate(model.upsample):
            kept = upsample.weight.clone(), upsample.bias.clone()
            upsample.weight.zero_()
            upsample.bias.zero_()
            through_skips = model(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
            other = model(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)))
            assert not torch.allclose(through_skips, other), f"nothing comes past upsampling {level}"
            upsample.weight.copy_(kept[0])
            upsample.bias.copy_(kept[1])
        torch.testing.assert_close(model(torch.ones(1, 3, 32, 32)), whole)


def test_every_parameter_learns() -> None:
    model = unet().train()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    silent = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert silent == []
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.head.parameters())


def test_a_scene_of_a_batch_does_not_depend_on_the_others() -> None:
    model, images = unet(), torch.randn(3, 3, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(model(images)[1:2], model(images[1:2]), rtol=1e-4, atol=1e-5)
