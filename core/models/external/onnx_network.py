"""A brought ONNX file as a module: float pictures in PyTorch's layout go in as the graph takes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Run = Callable[[NDArray[np.generic]], NDArray[np.float32]]
_UINT8 = "uint8"


class ArrayNetwork(nn.Module):
    """Normalised pictures (B, 3, H, W) → scores (B, C, H', W'), by a function from arrays to arrays.

    `network` are the arguments of a card: `layout` and `dtype` of the input, `batch` where it takes no other number of
    pictures, `channels_last` where its output has its classes last. `note` is that of the function, where it has one.
    """

    def __init__(self, run: Run, network: dict[str, Any]) -> None:
        super().__init__()
        self._run = run
        self.note = str(getattr(run, "note", ""))
        self._nhwc = network.get("layout") == "nhwc"
        self._last = bool(network.get("channels_last"))
        self._dtype = str(network.get("dtype", "float32"))
        self._batch = network.get("batch")

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, 3, H, W), normalised; where the graph takes bytes, bytes as floats.

        Returns:
            Scores (B, C, H', W') as float32 on the processor.
        """
        values = image.detach().float().cpu()
        if self._dtype == _UINT8:
            values = values.round().clamp(0, 255)
        if self._nhwc:
            values = values.permute(0, 2, 3, 1)
        array = np.ascontiguousarray(values.numpy().astype(self._dtype))
        found = self._run(array) if self._batch is None else self._in_batches(array, int(self._batch))
        scores = torch.from_numpy(np.require(found, np.float32, ["C", "W"]))
        return scores.permute(0, 3, 1, 2) if self._last and scores.ndim == 4 else scores

    def _in_batches(self, array: NDArray[np.generic], size: int) -> NDArray[np.float32]:
        """The last batch is filled with its last picture."""
        parts = []
        for first in range(0, len(array), size):
            part = array[first : first + size]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(self._run(filled)[: len(part)])
        return np.concatenate(parts)
