"""Frozen dataclasses from plain JSON: whether its values have the types that the fields ask for. Pure Python."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from core.errors import ConfigError

_Class = TypeVar("_Class")

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Literal: "text",
    bool: "true or false",
    type(None): "nothing",
}


def build(cls: type[_Class], data: Any, *, nested: Mapping[str, type]) -> _Class:
    """Rebuild one frozen dataclass; `nested` gives the classes of fields that are dataclasses themselves.

    Raises `ConfigError` that names what does not belong there.
    """
    assert is_dataclass(cls)
    if not isinstance(data, dict):
        raise ConfigError(f"{cls.__name__} must be a JSON object, not {type(data).__name__}.")
    known = {field.name for field in fields(cls)}
    if unknown := sorted(set(data) - known):
        raise ConfigError(f"{cls.__name__} has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key in nested and value is not None:
            values[key] = build(nested[key], value, nested={})
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    if wrong := misfits(cls, values):
        raise ConfigError(wrong)
    return cls(**values)


def misfits(cls: type, values: dict[str, Any]) -> list[str]:
    """Which of these values, read from JSON, are not of the type that the field of a dataclass has."""
    hints = _hints(cls)
    return [
        f"{cls.__name__}: {key} must be {_words(hints[key])}, not {_words(type(value))}."
        for key, value in values.items()
        if not _fits(value, hints[key])
    ]


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def is_number(value: Any) -> bool:
    """True and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fits(value: Any, hint: Any) -> bool:
    """A whole number will do for a fraction, true and false for neither. What a Literal allows is checked later."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
    if kind is tuple and Ellipsis in parts:
        return isinstance(value, tuple) and all(_fits(item, parts[0]) for item in value)
    if kind is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, str if kind is Literal else kind)


def _words(hint: Any) -> str:
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        return " or ".join(map(_words, parts))
    if kind is tuple:
        return f"{len(parts)} numbers" if parts and Ellipsis not in parts else "a list"
    return _WORDS.get(kind, "an object")
