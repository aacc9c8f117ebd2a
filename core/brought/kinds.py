"""The kinds of models that people bring: what each is called, how its files are read, and what runs it.

A new kind that is one file is an entry here, a module that reads it without running it, and one that runs it. A folder
that becomes a torch network is an entry here and a line in `core.models.external.torch_networks.TORCH_KINDS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from core.brought.found import FoundModel

Opener = Callable[..., Any]
"""A file, and the number of its threads by keyword → what maps arrays to arrays."""


@dataclass(frozen=True)
class BroughtKind:
    """One kind of model.

    Attributes:
        title: What people call it.
        suffix: How the name of its one file ends; empty where it is a folder, or has no file.
        reader: `module:function` that says what such a file holds, without running it.
        runner: `module:function` that imports the library and gives what opens a file in it (`Opener`).
        counter: `module:function` that counts the multiply-accumulates of a file for an input of a shape.
        on_gpu: Whether its library also works in this process, on the GPU.
    """

    title: str
    suffix: str = ""
    reader: str = ""
    runner: str = ""
    counter: str = ""
    on_gpu: bool = False

    def inspect(self, file: Path) -> FoundModel:
        """What a file of this kind says of itself. Raises `ModelError`."""
        read: Callable[[Path], FoundModel] = _named(self.reader)
        return read(file)

    def opener(self) -> Opener:
        """What opens a file; its library is imported now. Raises `ModelError` where that is not installed."""
        prepare: Callable[[], Opener] = _named(self.runner)
        return prepare()

    def macs(self, file: Path, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of one pass of a file over an input of this shape; 0 where they cannot be told."""
        count: Callable[[Path, tuple[int, ...]], int] = _named(self.counter)
        return count(file, shape)


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)


KINDS: dict[str, BroughtKind] = {
    "onnx": BroughtKind(
        "ONNX",
        ".onnx",
        "core.brought.onnx_file:inspect",
        "core.brought.onnx_session:opener",
        "core.brought.macs:onnx_macs",
        on_gpu=True,
    ),
    "openvino": BroughtKind(
        "OpenVINO",
        ".xml",
        "core.brought.openvino_file:inspect",
        "core.openvino_session:opener",
        "core.openvino_session:macs",
    ),
    "transformers": BroughtKind("transformers"),
    "smp-folder": BroughtKind("smp"),
    "committee": BroughtKind("committee"),
}
"""Every kind by its name in a model card."""

FILE_KINDS = tuple(name for name, kind in KINDS.items() if kind.suffix)
"""Models that a runtime of its own runs, from arrays to arrays, in a confined process."""


def kind_of_file(file: Path) -> BroughtKind:
    """The kind whose files end as this one does; the first kind for an ending that none has."""
    ending = file.suffix.lower()
    return next((KINDS[name] for name in FILE_KINDS if KINDS[name].suffix == ending), KINDS[FILE_KINDS[0]])
