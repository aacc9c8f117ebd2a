"""The compact family: the parameters of the `unet` of the same base at about half its latency (docs/RESULTS.md).

A plain U-Net spends most of its time on its two levels of full resolution, where four channels keep no processor
busy. This one folds 2 x 2 pixels into channels first (arXiv 1609.05158, backwards), and leaves full resolution only
at the head. Where pictures are large it uses dense convolutions, where they are small residual blocks of a
depthwise convolution and two pointwise ones (arXiv 1801.04381, 2201.03545), which reach far for few parameters. Skips
are added, not concatenated, as in a feature pyramid (arXiv 1612.03144).
"""

from torch import Tensor, nn
from torch.nn import functional

from core.models.unet import pad_to_multiple

FOLD = 2
STRIDE = 16
WIDTHS = (4, 6, 10, 16)
"""Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution, for each unit of `base`."""


class Compact(nn.Module):
    """Normalised image (B, inputs, H, W) → logits (B, outputs, H, W), for any H and W of at least one pixel."""

    def __init__(self, *, base: int, outputs: int, inputs: int = 3) -> None:
        super().__init__()
        self.in_channels = inputs
        half, quarter, eighth, deepest = (base * width for width in WIDTHS)
        self.encoder = nn.ModuleList(
            [
                _convolution(inputs * FOLD**2, half, 3),
                nn.Sequential(_halve(half, quarter), *(_convolution(quarter, quarter, 3) for _ in range(2))),
                nn.Sequential(_halve(quarter, eighth), *(Residual(eighth, kernel=3) for _ in range(2))),
                nn.Sequential(_halve(eighth, deepest), *(Residual(deepest, kernel=5) for _ in range(2))),
            ]
        )
        pairs = [(deepest, eighth), (eighth, quarter), (quarter, half)]
        self.project = nn.ModuleList(_convolution(deep, shallow, 1, relu=False) for deep, shallow in pairs)
        self.decoder = nn.ModuleList(
            [Residual(eighth, kernel=3, expand=2), _convolution(quarter, quarter, 3), _convolution(half, half, 3)]
        )
        self.head = nn.ConvTranspose2d(half, outputs, FOLD, stride=FOLD)

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, inputs, H, W), normalised.

        Returns:
            Logits (B, outputs, H, W).
        """
        height, width = image.shape[-2:]
        features = functional.pixel_unshuffle(pad_to_multiple(image, STRIDE), FOLD)
        skips = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        skips.pop()
        for project, block in zip(self.project, self.decoder, strict=True):
            grown = functional.interpolate(project(features), scale_factor=2, mode="bilinear", align_corners=False)
            features = block(functional.relu(skips.pop() + grown))
        logits: Tensor = self.head(features)
        return logits[..., :height, :width]


class Residual(nn.Module):
    """(B, width, H, W) → the same shape: depthwise, then to `expand` times the width and back, added to the input."""

    def __init__(self, width: int, *, kernel: int, expand: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, kernel, relu=False, groups=width),
            _convolution(width, expand * width, 1),
            _convolution(expand * width, width, 1, relu=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """One forward pass.

        Args:
            features: (B, width, H, W).

        Returns:
            (B, width, H, W).
        """
        added: Tensor = features + self.body(features)
        return added


def _convolution(inputs: int, outputs: int, kernel: int, *, relu: bool = True, groups: int = 1) -> nn.Sequential:
    """Of the same resolution, with batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU(inplace=True)] if relu else []))


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 2, stride=2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
