"""Everything a run needs to go on from where it stopped, in one safetensors file that carries its own SHA-256.

FOLDER/state.safetensors is the newest, FOLDER/previous.safetensors the one before. A new one is written aside, read
back and compared with its checksum before it takes the place of the newest, so at every moment one of them is whole.

The checksum stands in the header's metadata. It is that of the whole file with 64 zeros in its own place, so there is
one file to write and to rename, and none that could belong to another.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from core.errors import CheckpointError
from core.events import Emit, MessageEvent
from core.files import write_aside

_FILE, _PREVIOUS = "state.safetensors", "previous.safetensors"
_HEADER = ("progress", "groups", "scaler")


@dataclass
class TrainState:
    """Where a run is. `step` counts the steps of this epoch that are done; `mode` is how the model is run
    (`core.train.compiling`), where that was tried."""

    epoch: int = 0
    step: int = 0
    epochs: int = 0
    seconds: float = 0.0
    best_miou5: float = -1.0
    best_epoch: int = 0
    best_scores: dict[str, Any] = field(default_factory=dict)
    collapsed: bool = False
    sums: dict[str, float] = field(default_factory=dict)
    mode: str = ""


def save_state(
    folder: Path,
    *,
    progress: TrainState,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    best: dict[str, Tensor],
) -> None:
    """Write FOLDER/state.safetensors in one piece; what it held before becomes FOLDER/previous.safetensors.

    Args:
        folder: Of the run.
        progress: How far it is.
        modules: What trains, by name.
        optimiser: With its moments.
        scaler: With its scale.
        best: The weights of the best model, of any shapes (…), by name.

    Raises:
        DiskFullError: There is no space; the two files are then as they were.
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
    data = add_checksum(save(plain, header | CHECKSUM))
    write_aside(
        folder / _FILE,
        lambda path: path.write_bytes(data),
        check=lambda path: read_verified(path.read_bytes()),
        keep=folder / _PREVIOUS,
    )


def load_state(
    folder: Path,
    *,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    emit: Emit = lambda _: None,
) -> tuple[TrainState, dict[str, Tensor]] | None:
    """Fill modules, optimiser, scaler and random state from what `save_state` wrote.

    A damaged newest file is reported by `emit`, and the one before it is taken.

    Args:
        folder: Of the run.
        modules: What trains, by name.
        optimiser: Gets its moments.
        scaler: Gets its scale.
        emit: Takes the warning.

    Returns:
        How far the run was, and the weights of its best model, of any shapes (…), by name; None when there is nothing
        to go on from.

    Raises:
        CheckpointError: Both files are damaged.
    """
    damage = ""
    for path in (folder / _FILE, folder / _PREVIOUS):
        if not path.is_file():
            continue
        try:
            header, tensors = read_verified(path.read_bytes(), without_checksum=_HEADER)
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
) -> tuple[TrainState, dict[str, Tensor]]:
    known = {key: json.loads(header[key]) for key in _HEADER}
    progress = _state_of(known["progress"])
    for name, module in modules.items():
        module.load_state_dict(_under(tensors, name))
    optimiser.load_state_dict({"state": _slots(tensors), "param_groups": known["groups"]})
    if known["scaler"]:
        scaler.load_state_dict(known["scaler"])
    torch.set_rng_state(tensors["random"])
    return progress, _under(tensors, "best")


def _state_of(saved: dict[str, Any]) -> TrainState:
    """From its JSON; older files call `mode` `way`."""
    return TrainState(**{"mode" if name == "way" else name: value for name, value in saved.items()})


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def _slots(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The optimiser's tensors by parameter index and slot name."""
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "optimiser").items():
        index, slot = key.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    return slots


_KEY = "sha256"
_MARK = f'"{_KEY}":"'.encode()
_LENGTH = 64
CHECKSUM = {_KEY: "0" * _LENGTH}
"""The metadata that a file needs before its checksum is filled in."""


def add_checksum(data: bytes) -> bytes:
    """The bytes of a safetensors file with `CHECKSUM` in its metadata → the same with its sum filled in."""
    at = _place(data)
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + _LENGTH :]


def read_verified(data: bytes, *, without_checksum: Collection[str] = ()) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file with a checksum.

    Args:
        data: Bytes of a safetensors file.
        without_checksum: A file from before there were checksums passes: its metadata has these keys and no other.

    Returns:
        Texts by name, and tensors of any shapes (…) by name.

    Raises:
        ValueError: A bit of it is not as it was written.
    """
    header: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    if set(header) != set(without_checksum):
        at = _place(data)
        plain = b"".join((data[:at], b"0" * _LENGTH, data[at + _LENGTH :]))
        if hashlib.sha256(plain).hexdigest().encode() != data[at : at + _LENGTH]:
            raise ValueError("its SHA-256 is not the one it was written with")
    return header, load(data)


def _place(data: bytes) -> int:
    """Where the sum stands. Inside other texts the quotes of `_MARK` would have backslashes before them."""
    at = data.find(_MARK, 8)
    if at < 0:
        raise ValueError("it has no place for a SHA-256")
    return at + len(_MARK)
