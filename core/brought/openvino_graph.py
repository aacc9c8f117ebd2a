"""What an OpenVINO IR holds: its XML read element by element, nothing of it run, its weights (`.bin`) not read.

What could do harm is refused here: a document type (entities that grow), operators that are no part of OpenVINO,
weights outside the file beside it, graphs of too many layers.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from core.brought.picture_values import Value
from core.errors import ModelError
from core.files import size_text

MOST_BYTES = 256 * 10**6
MOST_WEIGHT_BYTES = 16 * 10**9
MOST_LAYERS = 50_000
_DEEPEST = 64
_MOST_SIDES = 64
_LONGEST_TEXT = 100_000
_BLOCK = 2**20
_TYPES = {"fp32": "float32", "fp16": "float16", "boolean": "bool"} | {
    f"{letter}{bits}": f"{name}{bits}"
    for letter, name, sizes in (
        ("f", "float", (16, 32, 64)),
        ("i", "int", (8, 16, 32, 64)),
        ("u", "uint", (8, 16, 32, 64)),
    )
    for bits in sizes
}
_CARRYING = ("Convert", "Transpose", "Interpolate", "Reshape", "Squeeze", "Unsqueeze", "StridedSlice", "Slice")
_DAMAGED = "The file is damaged, or no OpenVINO model: save it anew (openvino.save_model)."
_ELSEWHERE = "The model has operators of {}, which are no part of OpenVINO: save it anew with those alone."


@dataclass
class _Layer:
    kind: str
    name: str
    element: str = ""
    sides: list[int | None] | None = None
    source: str = ""


@dataclass
class OpenvinoGraph:
    """What was found; `weights` is how many bytes the `.bin` has to have, `facts` is what `model_info` says."""

    version: str = ""
    inputs: list[Value] = field(default_factory=list)
    output: Value | None = None
    outputs: int = 0
    last_operator: str = ""
    layers: int = 0
    parameters: int = 0
    weights: int = 0
    facts: dict[str, str] = field(default_factory=dict)


def read_ir(path: Path) -> OpenvinoGraph:
    """Read a .xml, and see that the .bin beside it is as long as it says.

    Raises:
        ModelError: It is no OpenVINO IR, is damaged, or holds what is not run here.
    """
    size = path.stat().st_size
    if not 0 < size <= MOST_BYTES:
        raise ModelError(f"{path.name} has {size_text(size)}: the .xml of a model has 1 byte to 256 MB.")
    reader = _Reader()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                reader.parser.Parse(block)
            reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ModelError(_DAMAGED) from error
    found = reader.finished()
    weights = path.with_suffix(".bin")
    if not weights.is_file() or weights.is_symlink():
        raise ModelError(f"{weights.name} is not beside {path.name}: bring both, in a folder or a zip.")
    if not found.weights <= weights.stat().st_size <= MOST_WEIGHT_BYTES:
        raise ModelError(f"{weights.name} is shorter than the model says, or larger than 16 GB: save the model anew.")
    return found


class _Reader:
    """Layers of the model itself and what `model_info` says; layers of loops and branches only count."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._path: list[str] = []
        self._words = ""
        self._layers: dict[str, _Layer] = {}
        self._now: _Layer | None = None
        self._found = OpenvinoGraph()

    def _refuse(self, *_: object) -> None:
        raise ModelError("The model's .xml declares a document type, which no OpenVINO model has: save it anew.")

    def _start(self, tag: str, told: dict[str, str]) -> None:
        self._path.append(tag)
        if len(self._path) > _DEEPEST:
            raise ModelError("The model holds graphs within graphs within graphs: export it anew without branches.")
        self._words = ""
        path = tuple(self._path)
        if path == ("net",):
            self._found.version = told.get("version", "")[:20]
        elif tag == "layer":
            self._layer(told, own=path == ("net", "layers", "layer"))
        elif tag == "data" and self._path[-2] == "layer":
            self._data(told)
        elif path == ("net", "edges", "edge"):
            self._edge(told)
        elif path[:3] == ("net", "rt_info", "model_info") and len(path) == 4 and len(self._found.facts) < 200:
            self._found.facts[tag[:60]] = told.get("value", "")[:_LONGEST_TEXT]
        elif self._now is not None and path[:3] == ("net", "layers", "layer"):
            self._port(path[3:], told)

    def _end(self, tag: str) -> None:
        if self._path[3:] in (["output", "port", "dim"], ["input", "port", "dim"]) and self._now is not None:
            sides = self._now.sides if self._now.kind != "Parameter" else None
            if sides is not None and len(sides) < _MOST_SIDES:
                sides.append(_side(self._words))
        if self._path == ["net", "layers", "layer"]:
            self._now = None
        self._path.pop()
        del tag

    def _text(self, words: str) -> None:
        if len(self._words) < 40:
            self._words += words

    def _layer(self, told: dict[str, str], *, own: bool) -> None:
        found, kind = self._found, told.get("type", "")
        found.layers += 1
        if found.layers > MOST_LAYERS:
            raise ModelError(f"The model has more than {MOST_LAYERS:,} layers: simplify it, or export it anew.")
        if not told.get("version", "").startswith("opset"):
            raise ModelError(_ELSEWHERE.format(repr(told.get("version", "")[:40])))
        if own:
            self._now = self._layers[told.get("id", "")] = _Layer(kind, told.get("name", "")[:80])

    def _data(self, told: dict[str, str]) -> None:
        """Constants say where they lie in the .bin, inputs what they take."""
        if "offset" in told or "size" in told:
            try:
                offset, size = int(told.get("offset", "0")), int(told.get("size", "0"))
                sides = [int(side) for side in told.get("shape", "").split(",") if side.strip()]
            except ValueError as error:
                raise ModelError(_DAMAGED) from error
            if min(offset, size, *sides, 0) < 0 or len(sides) > _MOST_SIDES:
                raise ModelError(_DAMAGED)
            self._found.weights = max(self._found.weights, offset + size)
            if told.get("element_type", "").startswith(("f", "bf")):
                self._found.parameters += math.prod(sides)
        elif (
            self._now is not None
            and self._now.kind == "Parameter"
            and self._path[:4] == ["net", "layers", "layer", "data"]
        ):
            self._now.element = told.get("element_type", "")
            self._now.sides = [_side(side) for side in told.get("shape", "").split(",")][:_MOST_SIDES]

    def _port(self, below: tuple[str, ...], told: dict[str, str]) -> None:
        """The type and the sides of what a layer gives, or of what a result takes."""
        assert self._now is not None
        wanted = "input" if self._now.kind == "Result" else "output"
        if below == (wanted, "port") and self._now.kind != "Parameter" and self._now.sides is None:
            self._now.element, self._now.sides = told.get("precision", ""), []

    def _edge(self, told: dict[str, str]) -> None:
        layer = self._layers.get(told.get("to-layer", ""))
        if layer is not None and not layer.source:
            layer.source = told.get("from-layer", "")

    def finished(self) -> OpenvinoGraph:
        """What was read. Raises `ModelError` where it has no input or no output."""
        found, layers = self._found, list(self._layers.values())
        found.inputs = [_value(layer) for layer in layers if layer.kind == "Parameter"]
        results = [layer for layer in layers if layer.kind == "Result"]
        if not found.inputs or not results:
            raise ModelError("The .xml holds no graph with an input and an output: it is no OpenVINO model.")
        first = results[0]
        found.output, found.outputs = _value(first), len(results)
        found.last_operator = self._last_operator(first)
        return found

    def _last_operator(self, result: _Layer) -> str:
        """What makes the first output, but for operators that only carry values on."""
        layer = self._layers.get(result.source)
        for _ in range(32):
            if layer is None or layer.kind not in _CARRYING:
                break
            layer = self._layers.get(layer.source)
        return "" if layer is None else layer.kind


def _value(layer: _Layer) -> Value:
    element = layer.element.lower()
    return Value(layer.name, _TYPES.get(element, element[:20]), None if not layer.sides else tuple(layer.sides))


def _side(text: str) -> int | None:
    """A number above 0; None for a side that is free (`?`, `-1`, `1..8`)."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0 else None
