"""Everything a run needs to go on from where it stopped, in one safetensors file that is written aside and renamed."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import CheckpointError
from core.files import write_aside

_FILE = "state.safetensors"


@dataclass
class Progress:
    """Where a run is. `step` counts the steps of this epoch that are done; `steps` is the total of the whole run."""

    epoch: int = 0
    step: int = 0
    epochs: int = 0
    seconds: float = 0.0
    best_miou5: float = -1.0
    best_epoch: int = 0
    best_scores: dict[str, Any] = field(default_factory=dict)
    collapsed: bool = False
    sums: dict[str, float] = field(default_factory=dict)


def save_state(
    folder: Path,
    *,
    progress: Progress,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    best: dict[str, Tensor],
) -> None:
    """Write FOLDER/state.safetensors in one piece."""
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
    write_aside(folder / _FILE, lambda path: save_file(plain, path, header))


def load_state(
    folder: Path,
    *,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Fill modules, optimiser, scaler and random state; None when there is nothing to go on from."""
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        progress = Progress(**header["progress"])
        for name, module in modules.items():
            module.load_state_dict(_under(tensors, name))
        optimiser.load_state_dict({"state": _slots(tensors), "param_groups": header["groups"]})
        if header["scaler"]:
            scaler.load_state_dict(header["scaler"])
        torch.set_rng_state(tensors["random"])
    except (SafetensorError, OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"The run's last checkpoint cannot be read ({reason}): delete {path} to start over."
        ) from error
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
