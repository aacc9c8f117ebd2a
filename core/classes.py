"""What the classes of a dataset are: names, colours, and which index is not scored. Pure Python."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import ConfigError

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassMap:
    """Class names and mask colours, index by index.

    `ignore_index` is the index of pixels that nobody labelled: they are neither trained on nor scored by default.
    It must be the last index, so that a model has one output for each class before it. `void_colours` are further
    colours of masks that mean the ignored class, where they match exactly.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignore_index: int
    void_colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if len(self.names) != len(self.colours):
            problems.append(f"{len(self.names)} class names but {len(self.colours)} colours: give one colour a class.")
        if self.ignore_index != len(self.names) - 1:
            problems.append(
                f"The ignored class must be the last one, index {len(self.names) - 1}, not {self.ignore_index}."
            )
        if len(self.names) < 3:
            problems.append("At least two classes and the ignored one are needed.")
        if len(self.names) > 256:
            problems.append(f"A mask holds 256 classes at most, not {len(self.names)}.")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            problems.append(f"Class names must differ: {', '.join(twice)} is there twice.")
        if not all(0 <= channel <= 255 for colour in self.colours for channel in colour):
            problems.append("Colours must be red, green and blue from 0 to 255.")
        if problems:
            raise ConfigError(problems)

    @property
    def outputs(self) -> int:
        """How many channels a model's logits have: every class but the ignored one."""
        return self.ignore_index

    @property
    def scored_names(self) -> tuple[str, ...]:
        return self.names[: self.outputs]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ClassMap":
        try:
            return cls(
                names=tuple(str(name) for name in data["names"]),
                colours=_colours(data["colours"]),
                ignore_index=int(data["ignore_index"]),
                void_colours=_colours(data.get("void_colours", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"This class map cannot be read ({error}): it needs names, colours and ignore_index."
            ) from error


def _colours(values: Iterable[Iterable[int]]) -> tuple[Colour, ...]:
    return tuple((int(r), int(g), int(b)) for r, g, b in values)
