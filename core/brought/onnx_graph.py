"""What an ONNX file holds, read without running it and without reading its weights: nodes, inputs, outputs, metadata.

Field numbers are those of onnx.proto (github.com/onnx/onnx). What could do harm is refused here: operators that are
no part of ONNX, files outside the model's folder, graphs of too many nodes.
"""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.brought.picture_values import Value
from core.brought.protobuf import VARINT, Fields, WireField, signed
from core.errors import ModelError
from core.files import size_text

MOST_BYTES = 2**31 - 1
"""A protocol buffer can be no larger; weights beside it (external data) count on their own."""
MOST_EXTERNAL_BYTES = 16 * 10**9
MOST_NODES = 50_000
_MOST_WEIGHTS = 50_000
_DEEPEST = 8
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Operators that ONNX Runtime has itself; others come from libraries that are never loaded."""
_NAMES_OF_TYPES = (
    *("float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "text", "bool"),
    *("float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
)
TYPES = dict(enumerate(_NAMES_OF_TYPES, start=1))
"""Types of values by their numbers in a file."""
_EXTERNAL = 1
_MOST_NUMBERS_PER_BYTE = 4
"""Of a tensor: the smallest numbers of ONNX have 2 bits."""
_CARRYING = (
    "Identity",
    "Cast",
    "Transpose",
    "Resize",
    "Upsample",
    "Reshape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
)
"""Operators that leave the kind of a value as it is: a probability, a logit, the number of a class."""


@dataclass
class OnnxGraph:
    """What was found. `made_by` gives the operator and the first input of what makes a value, by its name."""

    ir_version: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    nodes: int = 0
    operators: set[str] = field(default_factory=set)
    parameters: int = 0
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    made_by: dict[str, tuple[str, str]] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)

    @property
    def last_operator(self) -> str:
        """What makes the first output, but for operators that only carry values on."""
        name = self.outputs[0].name
        for _ in range(32):
            operator, source = self.made_by.get(name, ("", ""))
            if operator not in _CARRYING:
                return operator
            name = source
        return ""


def read_graph(path: Path) -> OnnxGraph:
    """Read a file and the names of those beside it that hold its weights.

    Raises:
        ModelError: It is no ONNX file, is damaged, or holds what is not run here.
    """
    size = path.stat().st_size
    if not 0 < size <= MOST_BYTES:
        raise ModelError(
            f"{path.name} has {size_text(size)}: an ONNX file has 1 byte to 2 GB, and keeps more weights beside it."
        )
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(Fields(data))
        reader.model(0, size)
    found = reader.found
    if not found.inputs or not found.outputs:
        raise ModelError(f"{path.name} holds no graph with an input and an output: it is no ONNX model.")
    for name, needed in found.external.items():
        _check_external(path.parent, name, needed)
    return found


def _check_external(folder: Path, name: str, needed: int) -> None:
    """A file of weights must lie in the model's folder itself, and be as long as the model says."""
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or "\0" in name:
        raise ModelError(
            f"The model keeps weights in {name[:80]!r}, outside its own folder: export it with weights inside the "
            "file, or beside it."
        )
    path = folder / pure
    if not path.is_file() or path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"The model keeps weights in {name[:80]!r}, which is not beside it: bring that file too.")
    if not needed <= path.stat().st_size <= MOST_EXTERNAL_BYTES:
        raise ModelError(f"{name[:80]!r} is shorter than the model says, or larger than 16 GB: export the model anew.")


class _Reader:
    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.found = OnnxGraph()

    def model(self, start: int, end: int) -> None:
        found, fields = self.found, self._fields
        for item in fields.of(start, end):
            if item.number == 1 and item.kind == VARINT:
                found.ir_version = item.value
            elif item.number == 2:
                found.producer = fields.text(item)[:80]
            elif item.number == 7:
                self._graph(item, depth=0)
            elif item.number == 8:
                self._opset(item)
            elif item.number == 14:
                parts = {part.number: fields.text(part) for part in self._inside(item)}
                found.metadata[parts.get(1, "")] = parts.get(2, "")
            elif item.number == 25:
                raise ModelError(
                    "The model has functions of its own: write it out with them inlined "
                    "(onnx.inliner.inline_local_functions)."
                )

    def _inside(self, item: WireField) -> Iterator[WireField]:
        return self._fields.of(item.start, item.end)

    def _opset(self, item: WireField) -> None:
        domain, version = "", 0
        for part in self._inside(item):
            if part.number == 1:
                domain = self._fields.text(part)
            elif part.number == 2:
                version = part.value
        # An unused domain may stand here; a node of it is refused where it stands.
        self.found.opsets[domain] = version

    def _graph(self, item: WireField, *, depth: int) -> None:
        if depth > _DEEPEST:
            raise ModelError("The model holds graphs within graphs within graphs: export it anew without branches.")
        for part in self._inside(item):
            if part.number == 1:
                self._node(part, depth)
            elif part.number == 5:
                self._tensor(part)
            elif part.number == 11 and depth == 0:
                self.found.inputs.append(self._value(part))
            elif part.number == 12 and depth == 0:
                self.found.outputs.append(self._value(part))
        if depth == 0:
            self.found.inputs = [value for value in self.found.inputs if value.name not in self.found.weights]

    def _node(self, item: WireField, depth: int) -> None:
        found, fields = self.found, self._fields
        found.nodes += 1
        if found.nodes > MOST_NODES:
            raise ModelError(f"The model has more than {MOST_NODES:,} nodes: simplify it (onnxsim), or export it anew.")
        source, made, operator, domain = "", [], "", ""
        for part in self._inside(item):
            if part.number == 1 and not source:
                source = fields.text(part)
            elif part.number == 2:
                made.append(fields.text(part))
            elif part.number == 4:
                operator = fields.text(part)
            elif part.number == 7:
                domain = fields.text(part)
            elif part.number == 5:
                self._attribute(part, depth)
        if domain not in _DOMAINS:
            raise ModelError(
                f"The model uses the operator {operator[:40]!r} of {domain[:40]!r}, which is no part of ONNX and is "
                "never loaded: export it with operators of ONNX alone."
            )
        found.operators.add(operator[:60])
        if depth == 0:
            found.made_by.update((name, (operator, source)) for name in made)

    def _attribute(self, item: WireField, depth: int) -> None:
        for part in self._inside(item):
            if part.number in (5, 10):
                self._tensor(part, counted=False)
            elif part.number in (6, 11):
                self._graph(part, depth=depth + 1)

    def _tensor(self, item: WireField, *, counted: bool = True) -> None:
        found, fields = self.found, self._fields
        sides, kind, name, place, told = [], 0, "", 0, {}
        for part in self._inside(item):
            if part.number == 1:
                sides += [part.value] if part.kind == VARINT else self._packed(part)
            elif part.number == 2:
                kind = part.value
            elif part.number == 8:
                name = fields.text(part)
            elif part.number == 14:
                place = part.value
            elif part.number == 13:
                pair = {inner.number: fields.text(inner) for inner in self._inside(part)}
                told[pair.get(1, "")] = pair.get(2, "")
        found.weights.add(name)
        if len(found.weights) > _MOST_WEIGHTS:
            raise ModelError(f"The model has more than {_MOST_WEIGHTS:,} tensors of weights: export it anew.")
        outside = self._external(told) if place == _EXTERNAL or told else 0
        numbers = math.prod(sides)
        if numbers > _MOST_NUMBERS_PER_BYTE * (item.end - item.start + outside):
            raise ModelError(
                "The model says that a tensor of weights has more numbers than are there: it is damaged, or made up. "
                "Export it anew."
            )
        if counted and kind != 7:
            found.parameters += numbers

    def _packed(self, item: WireField) -> list[int]:
        """Sides that are written side by side, without a tag each: a message of one field could not tell them."""
        sides, at = [], item.start
        while at < item.end:
            value, at = self._fields.varint(at, item.end)
            sides.append(value)
            if len(sides) > 64:
                raise ModelError("The model has a tensor of more than 64 sides: export it anew.")
        return sides

    def _external(self, told: dict[str, str]) -> int:
        """Note that weights lie in another file; gives how many bytes they can have there."""
        try:
            offset, length = int(told.get("offset") or 0), int(told.get("length") or 0)
        except ValueError as error:
            raise ModelError("The model says wrongly where its weights lie: export it anew.") from error
        name = told.get("location", "")
        if offset < 0 or length < 0:
            raise ModelError("The model says wrongly where its weights lie: export it anew.")
        self.found.external[name] = max(self.found.external.get(name, 0), offset + length)
        if len(self.found.external) > 1000:
            raise ModelError("The model keeps its weights in more than 1,000 files: export it anew.")
        return length or MOST_EXTERNAL_BYTES

    def _value(self, item: WireField) -> Value:
        name, kind, shape = "", "", None
        for part in self._inside(item):
            if part.number == 1:
                name = self._fields.text(part)
            elif part.number == 2:
                for inner in self._inside(part):
                    if inner.number == 1:
                        kind, shape = self._tensor_type(inner)
        return Value(name, kind, shape)

    def _tensor_type(self, item: WireField) -> tuple[str, tuple[int | None, ...] | None]:
        kind, shape = "", None
        for part in self._inside(item):
            if part.number == 1:
                kind = TYPES.get(part.value, f"type {part.value}")
            elif part.number == 2:
                shape = tuple(self._side(side) for side in self._inside(part) if side.number == 1)
        return kind, shape

    def _side(self, item: WireField) -> int | None:
        values = [signed(part.value) for part in self._inside(item) if part.number == 1 and part.kind == VARINT]
        return values[0] if values and values[0] > 0 else None
