"""Models that people bring, as networks like ours: ONNX files, OpenVINO IRs, folders of transformers and of smp."""

from pathlib import Path

import torch
from torch import nn

from core.brought import kinds as brought_kinds
from core.brought.kinds import FILE_KINDS
from core.cards import ModelCard
from core.class_mapping import class_mapping
from core.errors import CheckpointError
from core.models.committee import COMMITTEE
from core.models.external.confined_network import ConfinedRun, OpenedModel, RunLimits
from core.models.external.onnx_network import ArrayNetwork
from core.models.external.torch_networks import TORCH_KINDS, build_here
from core.models.mapped import MappedModel

KINDS = (*FILE_KINDS, *TORCH_KINDS, COMMITTEE)
"""Architectures of a card that are not built here but brought."""


def load_brought(folder: Path, card: ModelCard, device: torch.device, *, limits: RunLimits | None = None) -> nn.Module:
    """The model of a card whose files lie in `folder`; it answers in the classes of the card.

    An ONNX file runs in a confined process, unless its owner imported it and there is a GPU for it; an OpenVINO IR
    and what a visitor imported always do. Raises `CheckpointError` and `ModelError`.
    """
    # Here and below: it imports the compiler of torch, which takes seconds, for models that are brought alone.
    from core.models.external.brought_network import BroughtNetwork, Surroundings

    arguments = card.model.arguments
    for name in arguments.get("files", ()):
        if not (folder / name).is_file():
            raise CheckpointError(f"{card.name} lacks its file {Path(name).name}: import it again.")
    network, apart = _network(folder, card, device, limits or limits_for(card.bytes))
    found = BroughtNetwork(
        network, Surroundings.of(arguments), digest=str(arguments.get("digest", "")), logits_only=apart
    )
    found.note = str(getattr(network, "note", ""))
    mapping = class_mapping(tuple(arguments["classes"]), card.classes.scored_names, arguments["map"])
    return (MappedModel(found, mapping) if mapping.changes else found).to(device).eval()


def seen_at_its_resolution(model: nn.Module, card: ModelCard, metres: float | None) -> tuple[nn.Module, str]:
    """A brought model that sees pictures as large as those it was trained on, and a sentence where they are resampled.

    Args:
        model: Of `card`, or the part of it that answers in classes of its own.
        card: Other models than brought ones are left as they are.
        metres: The ground width of a pixel of the pictures, where it is known.

    Raises:
        ModelError: The resolutions are too far apart.
    """
    if card.model.architecture not in KINDS:
        return model, ""
    from core.models.external.brought_network import ResampledModel, resampling

    factor = resampling(picture_metres=metres, model_metres=card.metres_per_pixel)
    if factor == 1:
        return model, ""
    return ResampledModel(model, factor).eval(), (
        f"The model was trained at {card.metres_per_pixel:g} m a pixel and sees these pictures of {metres:g} m "
        f"{factor:.3g} times as large."
    )


def running_note(model: nn.Module) -> str:
    """A sentence where a brought model, or one within `model`, runs elsewhere than was asked for; else empty."""
    notes = (getattr(part, "note", "") for part in model.modules())
    return next((note for note in notes if isinstance(note, str) and note), "")


def limits_for(size: int) -> RunLimits:
    """What a model whose files have `size` bytes may take: a library holds its weights up to three times."""
    usual = RunLimits()
    return RunLimits(memory=usual.memory + 3 * size, seconds=usual.seconds)


def _network(folder: Path, card: ModelCard, device: torch.device, limits: RunLimits) -> tuple[nn.Module, bool]:
    """The bare network, and whether it gives logits alone."""
    kind, arguments = card.model.architecture, card.model.arguments
    confined = bool(arguments.get("confined"))
    if kind not in FILE_KINDS and not confined:
        return build_here(folder, kind, arguments), False
    if kind in FILE_KINDS and brought_kinds.KINDS[kind].on_gpu and device.type == "cuda" and not confined:
        opened = brought_kinds.KINDS[kind].opener()
        return ArrayNetwork(opened(folder / arguments["file"], cuda=True), arguments), True
    run = ConfinedRun(OpenedModel(folder, kind, arguments), limits=limits, threads=torch.get_num_threads())
    return ArrayNetwork(run, arguments), True
