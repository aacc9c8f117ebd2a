"""A model on disk: NAME.safetensors (weights) beside NAME.json (the card that rebuilds it). Nothing is unpickled."""

import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import nn

from core.cards import SCHEMA, ModelCard, available, beside, load_card, resolve
from core.errors import CheckpointError, ModelError
from core.files import write_aside
from core.models import build_model, without_pretraining
from core.models.committee import COMMITTEE, Committee, Member
from core.models.external import KINDS, load_brought
from core.models.mapped import MappedModel

__all__ = ["SCHEMA", "Loaded", "ModelCard", "available", "load", "load_card", "own_answers", "resolve", "save"]


@dataclass(frozen=True)
class Loaded:
    """A model in eval mode, and its card."""

    model: nn.Module
    card: ModelCard


def _committee(stem: Path, card: ModelCard, device: torch.device | str) -> Committee:
    """The members by their names, from the workspace in which the card lies."""
    arguments, members = card.model.arguments, []
    for name in arguments["members"]:
        found = resolve(name, runs=stem.parents[2])
        if load_card(found).model.architecture == COMMITTEE:
            raise CheckpointError(f"{card.name} has a committee as its member: name the members of that one.")
        loaded = load(found, device=device)
        if set(loaded.card.classes.scored_names) != set(card.classes.scored_names):
            raise CheckpointError(f"{card.name} has the member {name}, which knows other classes by now: make it anew.")
        members.append(Member(loaded.model, loaded.card, card.classes.scored_names))
    made = Committee(
        members,
        weights=arguments["weights"],
        flips=bool(arguments["flips"]),
        scales=arguments["scales"],
        weigh=bool(arguments["weigh"]),
    )
    return made.to(device).eval()


def own_answers(loaded: Loaded) -> nn.Module:
    """The model in classes of its own, which `core.cards.mapping_of` maps to those of the data."""
    return loaded.model.model if isinstance(loaded.model, MappedModel) else loaded.model


def save(stem: Path, model: nn.Module, card: ModelCard) -> ModelCard:
    """Write STEM.safetensors and STEM.json, each aside and renamed. Gives the card back with its bytes filled in."""
    tensors = _weights(model)

    def write_both(aside: Path) -> None:
        # Written by Python, so that a full disk is an OSError like everywhere else.
        size = aside.write_bytes(save_tensors(tensors))
        text = replace(card, bytes=size).to_json()
        write_aside(beside(stem, ".json"), lambda path: path.write_text(text, encoding="utf-8"))

    weights = beside(stem, ".safetensors")
    # One inside the other, so that a card that cannot be written leaves the old weights beside the old card.
    write_aside(weights, write_both)
    return replace(card, bytes=weights.stat().st_size)


def file_size(model: nn.Module) -> int:
    """Bytes of the file that `save` writes of this model, whatever its weights are."""
    return len(save_tensors(_weights(model)))


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}


def load(stem: Path, *, device: torch.device | str = "cpu", to_begin: bool = False) -> Loaded:
    """Rebuild a model from its card alone and fill in its weights.

    Args:
        stem: Of the two files.
        device: Where the model is put.
        to_begin: A run begins with the weights, and gives them a last layer of its own where they have none.

    Raises:
        CheckpointError: The files are missing or do not fit each other, or it is a starting point, which answers
            nothing, and no run is to begin with it.
    """
    card = load_card(stem)
    if card.starting_point and not to_begin:
        raise CheckpointError(
            f"{stem.name} is a starting point, whose last layer was never trained: begin a run with it "
            f"(`--start-from {stem.name}`), or choose a model."
        )
    if card.model.architecture == COMMITTEE:
        return Loaded(_committee(stem, card, device), card)
    if card.model.architecture in KINDS:
        return Loaded(load_brought(stem.parent, card, torch.device(device)), card)
    weights = beside(stem, ".safetensors")
    if not weights.is_file():
        raise CheckpointError(f"The weights {weights.name} are missing beside their card in {weights.parent}.")
    try:
        tensors = load_file(weights)
        if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
            raise ModelError(f"{broken[0][:80]} holds values that are no numbers")
        # A card from elsewhere must not make this machine fetch anything.
        model = build_model(without_pretraining(card.model), outputs=card.classes.outputs, inputs=card.inputs)
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, ModelError, OSError) as error:
        # torch says in the first line that something is wrong, and in the second what.
        lines = str(error).splitlines()
        reason = textwrap.shorten(lines[min(1, len(lines) - 1)].rstrip(". "), 200)
        raise CheckpointError(
            f"The weights {weights.name} do not fit their card ({reason}): use two files that were saved together."
        ) from error
    return Loaded(model.to(device).to(memory_format=torch.channels_last).eval(), card)
