"""Lists of classes among pictures and masks: classes.json, labelmap.txt, class_dict.csv, data.yaml and so on."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from core.classes import Colour
from core.data.readers.source import Listed
from core.data.readers.tree import MOST_SETTINGS_BYTES, Tree, read_text
from core.errors import DataError

_NAMES = re.compile(
    r"^(?:.*[_-])?(?:class|label|categor|legend|obj|color|colour|dataset|data|palette|codes|id2label|id_to_label|model)",
    re.IGNORECASE,
)
_HEX = re.compile(r"^(?:#|0x)([0-9a-f]{6})(?:[0-9a-f]{2})?$", re.IGNORECASE)
_PLAIN_HEX = re.compile(r"^[0-9a-f]{6}$", re.IGNORECASE)
_TITLE = ("name", "title", "label", "class", "category", "class_name", "class_names", "label_name", "value")
_VALUE = (
    "id",
    "idx",
    "index",
    "value",
    "code",
    "class_id",
    "label_id",
    "trainid",
    "pixel",
    "pixel_value",
    "pixel value",
    "gray",
    "grey",
)
_COLOUR = ("color", "colour", "rgb", "hex", "color_hex_code")
_LISTS = ("classes", "names", "labels", "categories", "class_names", "items")
_LONGEST_NAME = 100
_MOST, _MOST_FILES, _LONGEST_LINE = 1000, 50, 300


def find_list(tree: Tree) -> tuple[list[Listed], str]:
    """The first list of classes among the files, those nearest the root first, and the name of its file.

    What looks like one and cannot be read is passed over. Gives an empty list and an empty name where there is none.
    """
    named = [path for path in tree.files if path.suffix.lower() in _READERS and _NAMES.match(path.stem)]
    for path in sorted(named, key=lambda path: len(path.parts))[:_MOST_FILES]:
        if path.stat().st_size > MOST_SETTINGS_BYTES:
            continue
        try:
            found = _tidy(_READERS[path.suffix.lower()](tree, path))
        except DataError:
            continue
        if found:
            return found, path.name
    return [], ""


def listed_names(value: Any) -> list[Listed]:
    """The classes in a value from JSON or YAML, whichever of the usual forms it has; empty where it has none."""
    if isinstance(value, Mapping):
        value = {str(key).lower() if str(key).lower() in _LISTS else key: item for key, item in value.items()}
        for key in _LISTS:
            if isinstance(value.get(key), (list, Mapping)) and (found := listed_names(value[key])):
                return found
        pairs = [_of_pair(str(key), item) for key, item in value.items()]
        # Settings of another kind hold a number here and there; a list of classes holds nothing else.
        return [] if None in pairs else [entry for entry in pairs if entry is not None]
    if isinstance(value, list):
        plain = all(isinstance(item, str) for item in value)
        if plain:
            return [Listed(item, at) for at, item in enumerate(value)]
        return [entry for item in value if (entry := _of_item(item)) is not None]
    return []


def parse_colour(value: Any) -> Colour | None:
    """`#3C1098`, `0x3C1098`, `60,16,152`, `[60, 16, 152]` or with alpha behind; None for anything else."""
    if isinstance(value, str):
        if found := _HEX.match(value.strip()):
            code = int(found[1], 16)
            return code >> 16, code >> 8 & 255, code & 255
        value = re.findall(r"\d+", value) if re.fullmatch(r"\D{0,5}\d+(\D+\d+){2,3}\D?", value.strip()) else None
    if isinstance(value, (list, tuple)) and len(value) in (3, 4):
        try:
            red, green, blue = (int(part) for part in value[:3])
        except (TypeError, ValueError):
            return None
        return (red, green, blue) if all(0 <= part <= 255 for part in (red, green, blue)) else None
    return None


def read_label_map(path: Path) -> list[Listed]:
    """CVAT's labelmap.txt: `name:r,g,b:parts:actions` a line. Raises `DataError`."""
    found = []
    for line in read_text(path).splitlines():
        name, _, rest = line.strip().partition(":")
        if name and not name.startswith("#"):
            found.append(Listed(name, None, parse_colour(rest.split(":")[0])))
    return found


def _of_pair(key: str, item: Any) -> Listed | None:
    """`"3": "Water"`, `"Water": 3`, `"Water": [0, 0, 255]`, `"#0000FF": "Water"`, `"3": {"name": "Water"}`."""
    value, colour = int(key) if key.strip().isdecimal() and len(key) < 10 else None, parse_colour(key)
    if isinstance(item, Mapping):
        entry = _of_item(item)
        name = entry.name if entry else "" if value is not None or colour else key
        known = (entry.value if entry and entry.value is not None else value), (entry and entry.colour) or colour
        if name == key and not entry:
            known = _number(item), _colour(item)
        return Listed(name, *known) if name and known != (None, None) else None
    if isinstance(item, str) and (value is not None or colour):
        return Listed(item, value, colour)
    if isinstance(item, int) and not isinstance(item, bool):
        return Listed(key, item)
    if other := parse_colour(item):
        return Listed(key, value, other)
    return None


def _of_item(item: Any) -> Listed | None:
    if not isinstance(item, Mapping):
        return None
    known = {str(key).lower(): value for key, value in item.items()}
    name = next((known[key] for key in _TITLE if isinstance(known.get(key), str)), None)
    return Listed(name, _number(known), _colour(known)) if name else None


def _number(item: Mapping[Any, Any]) -> int | None:
    known = (item.get(key) for key in _VALUE)
    for value in known:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
            return int(value)
    return None


def _colour(item: Mapping[Any, Any]) -> Colour | None:
    told = [f"#{value}" if _PLAIN_HEX.match(str(value)) else value for key in _COLOUR if (value := item.get(key))]
    found = next((colour for value in told if (colour := parse_colour(value))), None)
    letters = next((keys for keys in (("r", "g", "b"), ("red", "green", "blue")) if set(keys) <= set(item)), None)
    return found or (parse_colour([item[key] for key in letters]) if letters else None)


def _of_csv(path: Path) -> list[Listed]:
    text = read_text(path)
    mark = max(",;\t", key=text.splitlines()[0].count) if text.strip() else ","
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=mark))[:_MOST]
    except csv.Error:
        return []
    tidy = (
        {(key or "").strip().lower(): value for key, value in row.items() if isinstance(value, str)} for row in rows
    )
    return [entry for row in tidy if (entry := _of_item(row)) is not None]


def _of_text(path: Path) -> list[Listed]:
    """`labelmap.txt` of CVAT, or a line a class: `Water`, `3 Water`, `3: Water`, `0 0 255 Water`, `Water 0,0,255`."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) > _MOST or any(len(line) > _LONGEST_LINE for line in lines):
        return []
    if all(re.fullmatch(r"[^:]+:\d+,\d+,\d+:.*", line) for line in lines):
        return read_label_map(path)
    if lines and len(lines[0].split("\t")) > 1 and set(lines[0].lower().split("\t")) & set(_TITLE):
        return _of_csv(path)
    found = []
    for at, line in enumerate(lines):
        if of_colour := re.fullmatch(r"(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;:]+(\D.*)", line):
            found.append(Listed(of_colour[4], None, parse_colour(list(of_colour.groups()[:3]))))
        elif colour_last := re.fullmatch(r"(.*\D)[\s,;:]+\(?(\d+)[\s,;]+(\d+)[\s,;]+(\d+)\)?", line):
            found.append(Listed(colour_last[1].strip(" ,;:"), None, parse_colour(list(colour_last.groups()[1:]))))
        elif numbered := re.fullmatch(r"(\d{1,5})\s*[\s,;:=]\s*(\D.*)", line):
            found.append(Listed(numbered[2], int(numbered[1])))
        elif number_last := re.fullmatch(r"(\D.*?)\s*[\s,;:=]\s*(\d{1,5})", line):
            found.append(Listed(number_last[1], int(number_last[2])))
        else:
            found.append(Listed(line, at))
    return found


def _tidy(found: Iterable[Listed]) -> list[Listed]:
    """Without empty and endless names; nothing where fewer than one is left or names could be any text."""
    kept = []
    for entry in found:
        name = " ".join("".join(letter if letter.isprintable() else " " for letter in entry.name).split())
        if name and len(name) <= _LONGEST_NAME:
            kept.append(Listed(name, entry.value, entry.colour))
    return kept if len(kept) <= _MOST else []


def _of_document(tree: Tree, path: Path) -> list[Listed]:
    return listed_names(tree.document(path))


_READERS: dict[str, Callable[[Tree, Path], list[Listed]]] = {
    **dict.fromkeys((".json", ".yaml", ".yml", ".emd"), _of_document),
    ".csv": lambda _, path: _of_csv(path),
    **dict.fromkeys((".txt", ".names"), lambda _, path: _of_text(path)),
}
