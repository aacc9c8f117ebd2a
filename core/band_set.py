"""The bands of pictures: their names in order, the type of their values, and which are shown as red, green and blue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError

RGB = ("red", "green", "blue")
DEPTHS = ("uint8", "uint16", "float32")
"""The types of values that models are trained on."""
MOST_BANDS = 16
LEFT_OUT = "-"
"""In place of a name: a band of a file that is not taken."""
_BYTES = {"uint8": 1, "uint16": 2, "float32": 4}
_LONGEST_NAME = 60


@dataclass(frozen=True)
class BandSet:
    """The channels of a picture, or those of it that a model takes.

    Attributes:
        names: 1 to 16 different names, in the order of the channels.
        depth: one of `DEPTHS`. Red, green and blue in uint8 are colours: a deeper file is stretched to them.
        shown: names of the three bands that a person sees as red, green and blue, or of the one that is seen as
            grey. Empty: those called red, green and blue, else the first three, else the first.

    Raises:
        ConfigError: A value is out of range; with every problem.
    """

    names: tuple[str, ...] = RGB
    depth: str = "uint8"
    shown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ConfigError(problems)

    def _problems(self) -> list[str]:
        names: Any = self.names
        shown: Any = self.shown
        if not isinstance(names, tuple) or not names or not all(_is_name(name) for name in names):
            return ['The bands must be names, as in bands = ["red", "green", "blue"].']
        problems = []
        if len(names) > MOST_BANDS:
            problems.append(f"Pictures have at most {MOST_BANDS} bands, not {len(names)}: leave some out.")
        if len(set(names)) < len(names):
            problems.append("The bands need different names.")
        if self.depth not in DEPTHS:
            problems.append(f"There is no depth {str(self.depth)[:40]!r}: choose {', '.join(DEPTHS)}.")
        if not isinstance(shown, tuple) or len(shown) not in (0, 1, 3) or set(shown) - set(names):
            problems.append("The bands that are shown must be one or three of the bands, by name.")
        return problems

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return ", ".join(self.names)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel, of all bands."""
        return len(self.names) * _BYTES[self.depth]

    @property
    def is_colours(self) -> bool:
        """Whether they are red, green and blue in 8 bits, as every photograph has them."""
        return self.names == RGB and self.depth == "uint8"

    @property
    def colours(self) -> tuple[int, ...]:
        """Where the three bands are that are shown as red, green and blue; one where it is shown as grey."""
        if self.shown:
            return tuple(self.names.index(name) for name in self.shown)
        if set(RGB) <= set(self.names):
            return tuple(self.names.index(name) for name in RGB)
        return (0, 1, 2) if len(self.names) >= len(RGB) else (0,)

    def only(self, wanted: Sequence[str]) -> "BandSet":
        """Some of the bands, in the order of `wanted`. Raises `ConfigError` for one that is not there."""
        if absent := [name for name in wanted if name not in self.names]:
            raise ConfigError(f"There is no band {', '.join(absent)[:200]}: the pictures have {self}.")
        shown = self.shown if set(self.shown) <= set(wanted) else ()
        return BandSet(tuple(wanted), self.depth, shown)

    def places_of(self, other: "BandSet", whose: str = "The model") -> tuple[int, ...]:
        """Where the bands that `whose` model takes lie in these; empty where it takes all of them, in order.

        Raises:
            ConfigError: The pictures have not all of them, or values of another type.
        """
        if absent := [name for name in other.names if name not in self.names]:
            raise ConfigError(
                f"{whose} sees the bands {other}, and these pictures have {self}: choose pictures with "
                f"{', '.join(absent)}, or another model."
            )
        if other.depth != self.depth:
            raise ConfigError(
                f"{whose} takes {other.depth} values, and these pictures hold {self.depth}: choose pictures of that "
                "depth, or another model."
            )
        return () if other.names == self.names else tuple(self.names.index(name) for name in other.names)

    def serves(self, other: "BandSet") -> bool:
        """Whether a picture that was read in these bands can be given to a model that takes `other`.

        Colours are given as long as there are red, green and blue: deeper values are stretched to them.
        """
        if other.is_colours:
            return set(RGB) <= set(self.names)
        return other.depth == self.depth and set(other.names) <= set(self.names)

    @classmethod
    def from_json(cls, data: Any) -> "BandSet":
        """From what `dataclasses.asdict` gave. None stands for colours. Raises `ConfigError`."""
        if data is None:
            return cls()
        if not isinstance(data, dict) or set(data) - {"names", "depth", "shown"}:
            raise ConfigError("The bands of a model need names, a depth, and which of them are shown.")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        return cls(**values)


def serving_all(wanted: Sequence[BandSet]) -> BandSet | None:
    """The bands of that model whose picture serves all of them; None where none does, colours where there is none."""
    return next((bands for bands in wanted or (COLOURS,) if all(bands.serves(other) for other in wanted)), None)


def parse_names(text: str | None) -> tuple[str, ...]:
    """`red, green,blue` → ("red", "green", "blue"); none for None and an empty text."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable() and bool(value.strip())


COLOURS = BandSet()
"""Red, green and blue in 8 bits."""
