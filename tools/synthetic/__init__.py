"""Seeded aerial scenes with exact masks, drawn without a photograph.

From the question to the file: what kinds of place there are → `styles`; where things stand → `town` with `lots`,
`city`, `parks` and `works`, and `country` (they fill a `plan`); how things look → `terrain`, `water`, `areas`, `roads`,
`vegetation`, `blocks`, `buildings`; sun → `light`; sensor → `camera`; the order of it all → `compose`; the shipped
set → `samples`.
`python -m tools.synthetic --out sample_images --scenes 12` builds the shipped set again.
"""

from core.data.scene import Scene
from core.errors import ConfigError
from tools.synthetic.compose import render
from tools.synthetic.styles import STYLES

__all__ = ["synthesise"]


def synthesise(seed: int, *, size: int = 1024) -> Scene:
    """One scene of the shipped classes: image uint8 (size, size, 3), mask uint8 (size, size).

    The same seed gives the same scene; neighbouring seeds give different kinds of place. Raises `ConfigError` for a
    seed below 0 or a size outside 64..4096.
    """
    problems = []
    if seed < 0:
        problems.append(f"A scene's seed must be 0 or more, not {seed}.")
    if not 64 <= size <= 4096:
        problems.append(f"A scene must be from 64 to 4096 pixels wide, not {size}.")
    if problems:
        raise ConfigError(problems)
    rendering = render(seed, size, STYLES[seed % len(STYLES)])
    name = f"scene_{seed:02d}"
    return Scene(name, rendering.image, rendering.mask, tile=name)
