"""Which network is trained."""

from dataclasses import dataclass, field
from typing import Any

FAMILIES = ("compact", "unet")
"""Architectures of which a `base` makes every size; the first is the usual one."""


@dataclass(frozen=True)
class ModelConfig:
    """An architecture by its key in `core.models.MODELS`, and its arguments (plain JSON values)."""

    architecture: str = "compact"
    arguments: dict[str, Any] = field(default_factory=lambda: {"base": 4})

    def problems(self) -> list[str]:
        base = self.arguments.get("base")
        if self.architecture in FAMILIES and not (isinstance(base, int) and 2 <= base <= 64):
            return [f"The base width of {self.architecture} must be a whole number from 2 to 64, not {base}."]
        return []
