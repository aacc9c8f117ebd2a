"""What a file says of the input and the output of its graph, read as a picture and as scores for its classes."""

from dataclasses import dataclass

from core.band_set import MOST_BANDS
from core.brought.found import LARGEST_TILE, SMALLEST
from core.classes import MOST_CLASSES
from core.errors import ModelError

_INPUTS = ("float32", "float16", "uint8")
_OUTPUTS = ("float32", "float16", "float64")
_WHOLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "bool")
_CLASS_NUMBERS = ("ArgMax", "TopK", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "GreaterEqual", "LessEqual")
"""Of ONNX and of OpenVINO: what comes of them is one class a pixel, whatever type it is turned into."""
PROBABILITIES = ("Softmax", "Sigmoid", "HardSigmoid", "SoftMax")
"""Operators that end a graph which gives probabilities."""


@dataclass(frozen=True)
class Value:
    """An input or output: its type, and its sides; None: free, and no sides at all: not said."""

    name: str
    kind: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """`float32 1 x 3 x any x any`."""
        sides = "" if self.shape is None else " x ".join("any" if side is None else str(side) for side in self.shape)
        return f"{self.kind} {sides}".strip()


def the_input(values: list[Value]) -> Value:
    """The only one of them. Raises `ModelError` unless it is a batch of pictures."""
    if len(values) != 1:
        raise ModelError(f"The model takes {len(values)} inputs: bring one that takes a picture and nothing else.")
    (value,) = values
    if value.kind not in _INPUTS:
        raise ModelError(f"The model takes {value.kind or 'no tensor'}: bring one that takes {', '.join(_INPUTS)}.")
    if value.shape is not None and len(value.shape) != 4:
        raise ModelError(
            f"The model's input has {len(value.shape)} sides: it must be a batch of pictures, of 4 (N, C, H, W)."
        )
    return value


def the_output(value: Value, last_operator: str) -> Value:
    """The same value. Raises `ModelError` unless it is a score for each class and pixel."""
    if last_operator in _CLASS_NUMBERS or value.kind in _WHOLE:
        raise ModelError(
            "The model gives the number of a class, and a student learns from probabilities: export it without the "
            "argmax or threshold at its end."
        )
    if value.kind not in _OUTPUTS:
        raise ModelError(f"The model gives {value.kind or 'no tensor'}: bring one that gives {', '.join(_OUTPUTS)}.")
    if value.shape is not None and len(value.shape) != 4:
        raise ModelError(
            f"The model's output has {len(value.shape)} sides: one for each class and pixel is needed, (N, C, H, W)."
        )
    return value


@dataclass(frozen=True)
class PictureInput:
    """What an input takes: `layout` and `bands` (None: not known), its side, and whether it takes no other."""

    layout: str | None = None
    bands: int | None = None
    tile: int | None = None
    fixed: bool = False


def picture_of(source: Value) -> PictureInput:
    """What pictures an input takes. Raises `ModelError`."""
    if source.shape is None:
        return PictureInput()
    _, one, two, three = source.shape
    layouts = {"nchw": one, "nhwc": three}
    fitting = [layout for layout, bands in layouts.items() if bands == 3] or [
        layout for layout, bands in layouts.items() if bands is not None and bands <= MOST_BANDS
    ]
    layout = fitting[0] if len(fitting) == 1 else None
    if layout is None and None not in (one, three):
        raise ModelError(
            f"The model takes {one} or {three} bands: pictures here have 1 to {MOST_BANDS}, red, green and blue for "
            "most. Bring one for as many."
        )
    sides = (two, three) if layout != "nhwc" else (one, two)
    if layout is None or sides == (None, None):
        return PictureInput(layout, layouts.get(layout or ""))
    if sides[0] != sides[1] or sides[0] is None or not SMALLEST <= sides[0] <= LARGEST_TILE:
        shown = " x ".join(str(side or "any") for side in sides)
        raise ModelError(
            f"The model takes pictures of {shown} pixels: bring one for squares of {SMALLEST} to {LARGEST_TILE}, or "
            "for any size."
        )
    return PictureInput(layout, layouts[layout], sides[0], fixed=True)


def check_channels(channels: int) -> None:
    """Raises `ModelError` for more classes than a mask can hold, or none."""
    if not 0 < channels <= MOST_CLASSES:
        raise ModelError(
            f"The model tells {channels} classes apart, and a mask holds 1 to {MOST_CLASSES}: bring one of fewer."
        )


def channels_of(result: Value, layout: str | None, names: int) -> int | None:
    """How many the output has, of which `names` are named; None where only a run can tell.

    Raises `ModelError` as `check_channels` does.
    """
    found = _channels(result, layout, names)
    if found is not None:
        check_channels(found)
    return found


def _channels(result: Value, layout: str | None, names: int) -> int | None:
    if result.shape is None:
        return None
    _, one, two, three = result.shape
    candidates = [side for side in (one, three) if side is not None]
    if names and names in candidates:
        return names
    if two is not None and three == two and one != two:
        return one
    if two is not None and one == two and three != two:
        return three
    if one is not None and three is None:
        return one
    if three is not None and one is None:
        return three
    return one if layout == "nchw" else None


def tile_in(side: float | None) -> int | None:
    """A side that a file names, where it can be that of a tile."""
    return int(side) if side and SMALLEST <= side <= LARGEST_TILE else None
