"""The width family: a plain U-Net (arXiv 1505.04597) whose `base` filters double over five levels.

`base=16` is the classic 1.94 M-parameter teacher of small projects, `base=4` its 0.12 M-parameter student.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 5
STRIDE = 2 ** (LEVELS - 1)


def _double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Normalised image (B, inputs, H, W) → logits (B, outputs, H, W), for any H and W of at least one pixel."""

    def __init__(self, *, base: int, outputs: int, inputs: int = 3) -> None:
        super().__init__()
        self.in_channels = inputs
        widths = [base * 2**level for level in range(LEVELS)]
        self.encoder = nn.ModuleList(
            _double_convolution(before, width) for before, width in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for deep, shallow in pairs)
        self.decoder = nn.ModuleList(_double_convolution(2 * shallow, shallow) for _, shallow in pairs)
        self.head = nn.Conv2d(base, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, inputs, H, W), normalised.

        Returns:
            Logits (B, outputs, H, W).
        """
        height, width = image.shape[-2:]
        features = pad_to_multiple(image, STRIDE)
        skips = []
        for level, block in enumerate(self.encoder):
            features = block(functional.max_pool2d(features, 2) if level else features)
            skips.append(features)
        skips.pop()
        for upsample, block in zip(self.upsample, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), upsample(features)], dim=1))
        logits: Tensor = self.head(features)
        return logits[..., :height, :width]


def pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    """A picture with its last row and column repeated until both sides are multiples of a number.

    Args:
        image: (B, C, H, W).
        stride: The number, in pixels.

    Returns:
        (B, C, H', W'), at least as large.
    """
    height, width = image.shape[-2:]
    down, right = -height % stride, -width % stride
    return functional.pad(image, (0, right, 0, down), mode="replicate") if down or right else image
