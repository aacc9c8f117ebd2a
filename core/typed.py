"""Whether values read from JSON have the types that a dataclass asks for, and how to say so. Pure Python."""

from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Literal: "text",
    bool: "true or false",
    type(None): "nothing",
}


def misfits(cls: type, values: dict[str, Any]) -> list[str]:
    """Which of these values, read from JSON, are not of the type that the field of a dataclass has."""
    hints = get_type_hints(cls)
    return [
        f"{cls.__name__}: {key} must be {_words(hints[key])}, not {_words(type(value))}."
        for key, value in values.items()
        if not _fits(value, hints[key])
    ]


def is_number(value: Any) -> bool:
    """True and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fits(value: Any, hint: Any) -> bool:
    """A whole number will do for a fraction, true and false for neither. What a Literal allows is checked later."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
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
        return f"{len(parts)} numbers" if parts else "a list"
    return _WORDS.get(kind, "an object")
