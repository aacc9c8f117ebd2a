"""Results in other colours: the same classes and pixels, with other colours in tables and columns.

For files of ours alone (`core/infer/outputs/geotiff.py`, `core/infer/outputs/vectors.py`): palette PNGs, GeoTIFFs with
a colour table, and polygons with the columns `class` and `colour`. Everything else in them stays as it is.
"""

import base64
import io
import json
import re
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from core.classes import Colour
from core.files import write_aside
from core.infer.outputs.map_report import MASK_ADDRESS, SWATCH
from core.infer.outputs.qgis_style import recoloured_qml

_COLOUR_MAP = 320
"""The TIFF tag: three times 2^bits numbers of 16 bits, all reds first."""
_GPKG_FUNCTIONS = {"ST_IsEmpty": 1, "ST_MinX": 1, "ST_MaxX": 1, "ST_MinY": 1, "ST_MaxY": 1}


def recolour(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    """Write `source` as `target` with `colours[i]` for class i; classes behind them keep theirs. Raises `OSError`.

    A file without colours (probabilities, say) comes out as it was.
    """
    change = _CHANGES[source.suffix]
    write_aside(target, lambda aside: change(source, aside, colours))


def _png(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    with source.open("rb") as given, target.open("wb") as made:
        _repaint(given, made, colours)


def _repaint(given: BinaryIO, made: BinaryIO, colours: Sequence[Colour]) -> None:
    """A palette PNG with other colours."""
    made.write(given.read(8))
    while head := given.read(8):
        length, kind = struct.unpack(">I4s", head)
        body = given.read(length + 4)
        if kind == b"PLTE":
            table = bytearray(body[:length])
            new = bytes(channel for colour in colours for channel in colour)[:length]
            table[: len(new)] = new
            body = bytes(table) + struct.pack(">I", zlib.crc32(kind + table))
        made.write(head + body)


def _html(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    """The mask of a report (`core.infer.outputs.map_report`), and the swatches of its table."""

    def mask(found: re.Match[str]) -> str:
        made = io.BytesIO()
        _repaint(io.BytesIO(base64.b64decode(found[1])), made, colours)
        return MASK_ADDRESS + base64.b64encode(made.getvalue()).decode()

    def swatch(found: re.Match[str]) -> str:
        index = int(found[2])
        return found[1] + (_hex(colours[index]) if index < len(colours) else found[3])

    text = re.sub(re.escape(MASK_ADDRESS) + "([A-Za-z0-9+/=]+)", mask, source.read_text(encoding="utf-8"))
    text = re.sub(rf'(data-class="(\d+)" {re.escape(SWATCH)})(#[0-9a-f]{{6}})', swatch, text)
    target.write_text(text, encoding="utf-8")


def _tiff(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    """Tables of the picture and of its overviews, in place: no offset moves, so that a COG stays one."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        order = "<" if file.read(2) == b"II" else ">"
        big = struct.unpack(order + "H", file.read(2))[0] == 43
        file.seek(8 if big else 4)
        next_at = _number(file, order + ("Q" if big else "I"))
        while next_at:
            next_at = _directory(file, next_at, order, colours, big=big)


def _directory(file: BinaryIO, start: int, order: str, colours: Sequence[Colour], *, big: bool) -> int:
    """Change the colour table of one directory; gives where the next is, 0 behind the last."""
    file.seek(start)
    count = _number(file, order + ("Q" if big else "H"))
    entry = order + ("HHQQ" if big else "HHII")
    rows = file.read(count * struct.calcsize(entry))
    next_at = _number(file, order + ("Q" if big else "I"))
    for tag, _, values, offset in struct.iter_unpack(entry, rows):
        if tag != _COLOUR_MAP:
            continue
        entries = values // 3
        for channel in range(3):
            file.seek(offset + 2 * channel * entries)
            shown = [257 * colour[channel] for colour in colours[:entries]]
            file.write(struct.pack(f"{order}{len(shown)}H", *shown))
    return next_at


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def _geojson(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    """A feature a line, as `write_geojson` leaves them."""
    with source.open(encoding="utf-8") as given, target.open("w", encoding="utf-8") as made:
        for line in given:
            made.write(_feature(line, colours) if line.startswith('{"type": "Feature",') else line)


def _feature(line: str, colours: Sequence[Colour]) -> str:
    text = line.rstrip("\n").removesuffix(",")
    feature = json.loads(text)
    own = feature["properties"]
    if own["class"] < len(colours):
        own["colour"] = _hex(colours[own["class"]])
    return json.dumps(feature) + line[len(text) :]


def _gpkg(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    shutil.copyfile(source, target)
    with closing(sqlite3.connect(target)) as base:
        # The triggers of the spatial index name them; they are asked only where a geometry changes.
        for name, arguments in _GPKG_FUNCTIONS.items():
            base.create_function(name, arguments, lambda *_: None)
        pairs = [(_hex(colour), index) for index, colour in enumerate(colours)]
        base.executemany('UPDATE classes SET colour = ? WHERE "class" = ?', pairs)
        for number, style in base.execute("SELECT id, styleQML FROM layer_styles").fetchall():
            base.execute("UPDATE layer_styles SET styleQML = ? WHERE id = ?", (recoloured_qml(style, colours), number))
        base.commit()


def _qml(source: Path, target: Path, colours: Sequence[Colour]) -> None:
    target.write_text(recoloured_qml(source.read_text(encoding="utf-8"), colours), encoding="utf-8")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


_CHANGES: dict[str, Callable[[Path, Path, Sequence[Colour]], None]] = {
    ".png": _png,
    ".tif": _tiff,
    ".geojson": _geojson,
    ".gpkg": _gpkg,
    ".qml": _qml,
    ".html": _html,
}
ENDINGS = tuple(_CHANGES)
