"""Everything a run needs to go on from where it stopped, in one safetensors file that carries its own SHA-256.

FOLDER/state.safetensors is the newest, FOLDER/previous.safetensors the one before. A new one is written aside, read
back and compared with its sum before it takes the place of the newest, so there is at every moment one that is whole.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from core.errors import CheckpointError
from core.files import write_aside
from core.train.events import Emit, MessageEvent
from core.train.seal import SEAL, require_whole, seal

_FILE, _PREVIOUS = "state.safetensors", "previous.safetensors"
_HEADER = ("progress", "groups", "scaler")


@dataclass
class Progress:
    """Where a run is. `step` counts the steps of this epoch that are done; `way` is how the model is run
    (`core.train.translate`), where that was looked for."""

    epoch: int = 0
    step: int = 0
    epochs: int = 0
    seconds: float = 0.0
    best_miou5: float = -1.0
    best_epoch: int = 0
    best_scores: dict[str, Any] = field(default_factory=dict)
    collapsed: bool = False
    sums: dict[str, float] = field(default_factory=dict)
    way: str = ""


def save_state(
    folder: Path,
    *,
    progress: Progress,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    best: dict[str, Tensor],
) -> None:
    """Write FOLDER/state.safetensors in one piece; what it held before becomes FOLDER/previous.safetensors.

    Raises `DiskFullError`; the two files are then as they were.
    """
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    tensors |= {f"best.{key}": value for key, value in best.items()}
    optimiser_state = optimiser.state_dict()
    for index, slots in optimiser_state["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in slots.items()}
    tensors["random"] = torch.get_rng_state()
    header = {
        "progress": json.dumps(asdict(progress)),
        "groups": json.dumps(optimiser_state["param_groups"]),
        "scaler": json.dumps(scaler.state_dict()),
    }
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    data = seal(save(plain, header | SEAL))
    write_aside(
        folder / _FILE,
        lambda path: path.write_bytes(data),
        check=lambda path: require_whole(path.read_bytes()),
        keep=folder / _PREVIOUS,
    )


def load_state(
    folder: Path,
    *,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    emit: Emit = lambda _: None,
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Fill modules, optimiser, scaler and random state; None when there is nothing to go on from.

    A damaged newest file is told with `emit`, and the one before it is taken. Raises `CheckpointError` when that is
    damaged too.
    """
    damage = ""
    for path in (folder / _FILE, folder / _PREVIOUS):
        if not path.is_file():
            continue
        try:
            header, tensors = require_whole(path.read_bytes(), unsealed=_HEADER)
            found = _fill(header, tensors, modules, optimiser, scaler)
        except (SafetensorError, OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            damage = damage or f"The run's last checkpoint cannot be read ({str(error).splitlines()[0]})"
            continue
        if damage:
            epoch, step = found[0].epoch + 1, found[0].step
            instead = f"the one before it, of epoch {epoch}, step {step}, is whole and takes its place."
            emit(MessageEvent(f"{damage}: {instead}", "warning"))
        return found
    if damage:
        raise CheckpointError(f"{damage}, and there is no older one that can: delete {folder} to start over.")
    return None


def _fill(
    header: dict[str, str],
    tensors: dict[str, Tensor],
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[Progress, dict[str, Tensor]]:
    known = {key: json.loads(header[key]) for key in _HEADER}
    progress = Progress(**known["progress"])
    for name, module in modules.items():
        module.load_state_dict(_under(tensors, name))
    optimiser.load_state_dict({"state": _slots(tensors), "param_groups": known["groups"]})
    if known["scaler"]:
        scaler.load_state_dict(known["scaler"])
    torch.set_rng_state(tensors["random"])
    return progress, _under(tensors, "best")


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def _slots(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The optimiser's tensors by parameter index and slot name."""
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "optimiser").items():
        index, slot = key.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    return slots
