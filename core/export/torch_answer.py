"""What PyTorch makes of the same bytes that an exported model takes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.cards import ModelCard
from core.infer.forward import evaluating


def normalised(images: NDArray[np.uint8], card: ModelCard, device: torch.device) -> Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, H, W), channels-last in memory."""
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (card.mean, card.std))
    return (torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() - mean) / std


def logits(model: nn.Module, card: ModelCard, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (N, H, W, 3) → logits (N, C, H, W), on the device where the model lies."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.inference_mode():
        found: NDArray[np.float32] = model(normalised(images, card, device)).float().contiguous().cpu().numpy()
    return found
