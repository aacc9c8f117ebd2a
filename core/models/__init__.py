"""Segmentation networks by name. A model takes normalised images (B, C, H, W) and gives logits (B, outputs, H, W)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.config import ModelConfig
from core.errors import ModelError
from core.models.compact import Compact
from core.models.smp import build_smp
from core.models.unet import UNet

MODELS: dict[str, Callable[..., nn.Module]] = {"compact": Compact, "unet": UNet, "smp": build_smp}

HEADS = ("head.", "network.segmentation_head.")
"""How the names of the last layer begin, which alone depends on the classes: one of them in each architecture."""


def build_model(config: ModelConfig, *, outputs: int, inputs: int = 3) -> nn.Module:
    """A fresh model with random weights, but for those that an encoder brings along.

    Args:
        config: The architecture and its arguments.
        outputs: How many logit channels it gives: one for each scored class.
        inputs: How many channels it takes: one for each band.

    Raises:
        ModelError: There is no such architecture, or it does not take these arguments.
    """
    if config.architecture not in MODELS:
        raise ModelError(f"There is no architecture {config.architecture}; there are {', '.join(MODELS)}.")
    # An architecture that knows colours alone need not be told of them.
    bands = {} if inputs == 3 else {"inputs": inputs}
    try:
        return MODELS[config.architecture](outputs=outputs, **bands, **config.arguments)
    except TypeError as error:
        raise ModelError(f"{config.architecture} does not take these arguments: {error}.") from error


def without_pretraining(config: ModelConfig) -> ModelConfig:
    """The same architecture, built without fetching weights: what a model card holds."""
    arguments: dict[str, Any] = {key: value for key, value in config.arguments.items() if key != "weights"}
    return ModelConfig(config.architecture, arguments)


def with_weights(model: nn.Module, trained: nn.Module) -> nn.Module:
    """`model` with the weights of `trained`, the same network for other classes; its last layer stays as it is.

    So what a network has learnt of pictures serves any class map.
    """
    kept = {key: value for key, value in trained.state_dict().items() if not key.startswith(HEADS)}
    model.load_state_dict(model.state_dict() | kept)
    return model


def inputs_of(model: nn.Module) -> int:
    """How many channels a network takes; 3 where it does not say."""
    return int(getattr(model, "in_channels", 3))


def count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, *, size: int = 256) -> int:
    """Multiply-accumulates of one forward pass over one picture.

    Args:
        model: Comes back in the mode that it was in.
        size: Of the picture, `size` x `size` pixels.
    """
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, inputs_of(model), size, size, device=device))
    for module, training in modes:
        module.training = training
    return int(counter.get_total_flops()) // 2
