"""Which network is trained."""

from dataclasses import dataclass, field
from typing import Any

from core.config.fields import Setting, setting

FAMILIES = ("compact", "unet")
"""Architectures of which a `base` makes every size; the first is the usual one."""

BASE = Setting(
    "Base width",
    "Width of a compact or a unet: parameters and work grow with its square. 4 has about 120,000 parameters.",
    low=2,
    high=64,
    name="base",
)
"""The one argument that every family has."""


@dataclass(frozen=True)
class ModelConfig:
    """An architecture by its key in `core.models.MODELS`, and its arguments (plain JSON values)."""

    architecture: str = setting("compact", "Architecture", "The kind of network: compact, unet or smp.")
    arguments: dict[str, Any] = field(default_factory=lambda: {"base": 4})

    def problems(self) -> list[str]:
        """A sentence when the width of a family is out of range."""
        if self.architecture not in FAMILIES:
            return []
        base = self.arguments.get("base")
        problem = BASE.problem(base if isinstance(base, int) and not isinstance(base, bool) else f"{base}")
        return [problem] if problem else []
