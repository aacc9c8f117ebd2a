"""What PyTorch makes of the same bytes that an exported model takes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from core.cards import ModelCard
from core.infer.forward import evaluating
from core.normalise import Normaliser


def logits(model: nn.Module, card: ModelCard, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, 3) → logits (N, C, H, W), on the device where the model lies."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.inference_mode():
        found: NDArray[np.float32] = model(Normaliser.of_card(card, device)(images)).float().contiguous().cpu().numpy()
    return found
