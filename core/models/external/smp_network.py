"""Folders that segmentation-models-pytorch saved (`save_pretrained`) as networks, their weights from safetensors."""

import textwrap
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from core.errors import ModelError
from core.models.smp import build_smp


def build_smp_folder(folder: Path, network: dict[str, Any]) -> nn.Module:
    """The network of a folder; no weights are fetched, whatever its config.json says.

    Args:
        folder: With model.safetensors.
        network: `class`, an architecture of the library, and `settings`, its arguments.

    Raises:
        ModelError: The library cannot build it, or the weights are those of another network.
    """
    settings = dict(network["settings"])
    outputs, encoder = settings.pop("classes", 1), settings.pop("encoder_name", "resnet34")
    inputs = settings.pop("in_channels", 3)
    for key in [key for key, value in settings.items() if value is None]:
        del settings[key]
    model = build_smp(outputs=outputs, architecture=network["class"], encoder=encoder, inputs=inputs, **settings)
    try:
        model.network.load_state_dict(load_file(folder / "model.safetensors"))
    except (SafetensorError, RuntimeError, OSError) as error:
        lines = str(error).splitlines()
        reason = textwrap.shorten(lines[min(1, len(lines) - 1)].rstrip(". "), 200)
        raise ModelError(f"The weights do not fit {network['class']} on {encoder} ({reason}): save it anew.") from error
    return model
