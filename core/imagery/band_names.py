"""Bands by what people write: the numbers that they type, and the colours that descriptions name.

Of a description whole words count: "Red edge" and "near infrared" name no red.
"""

import re

from core.errors import ConfigError

COLOURS = ("red", "green", "blue")
_WORDS = {
    "red": {"red", "r", "rot", "rouge", "rojo", "roja", "rosso", "rossa", "vermelho", "vermelha", "rood"},
    "green": {"green", "g", "grün", "gruen", "vert", "verte", "verde", "groen"},
    "blue": {"blue", "b", "blau", "bleu", "bleue", "azul", "blu", "azzurro", "blauw"},
    "alpha": {"alpha", "transparency", "opacity"},
}
# Beside one of these, a colour is a part of another name: "red edge", "far red", "green index", "coastal blue".
_OTHERS = {
    "edge", "rededge", "re", "far", "infra", "infrared", "ir", "near", "nir", "nearinfrared", "swir", "mwir", "lwir",
    "thermal", "tir", "coastal", "deep", "pan", "panchromatic", "yellow", "index", "ratio", "ndvi", "ndwi", "ndre",
    "excess", "difference", "variance", "texture", "refl", "not", "minus", "without",
}  # fmt: skip
# B2 to B4 are blue, green and red on Sentinel-2 and on Landsat 8 and 9; SR_B4 and the like are the same bands, and so
# is what ends in _B04 or _B04_10m.
_CODE = re.compile(r"^(?:[a-z]\w{0,3}[_ ])?b0?([1-7])(?![0-9a-z])|[_ ]b0?([1-7])(?:_\d+m)?$")
_NUMBERED = re.compile(r"^(?:band|channel|layer)?[\W_]*\d*$")
_BY_CODE = {"2": "blue", "3": "green", "4": "red"}
_BY_EARLY_CODE = {"1": "blue", "2": "green", "3": "red"}
"""On Landsat 4 to 7, which have no surface reflectance of a band 6."""
_EARLY = re.compile(r"^l[emt]0?[4-7](?![0-9])")
_EARLY_BANDS = {"1", "2", "3", "4", "5", "7"}


def named_bands(descriptions: tuple[str | None, ...]) -> dict[str, int]:
    """Band numbers, from 1, by the colour that their descriptions name: "red", "green", "blue" and "alpha".

    A colour that no band names, or several bands name equally well, is left out; "Red" names it better than "Red 650".
    Codes such as B04 count where no band is named by a word.
    """
    words = [_words(text or "") for text in descriptions]
    plain = [(text or "").strip().lower() for text in descriptions]
    found = {colour: _best(colour, words, plain) for colour in _WORDS}
    if not any(found[colour] for colour in COLOURS):
        codes = _colours_by_code([text or "" for text in descriptions])
        found |= {colour: codes.index(colour) + 1 for colour in COLOURS if codes.count(colour) == 1}
    return {colour: number for colour, number in found.items() if number is not None}


def any_named(descriptions: tuple[str | None, ...]) -> bool:
    """Whether any band is described by more than a number; "Band 4" is no name."""
    return any(not _NUMBERED.match((text or "").strip().lower()) for text in descriptions)


def other_than_alpha(description: str | None) -> bool:
    """Whether a description names something that transparency cannot be: near infrared, a colour, an index."""
    words = set(_words(description or ""))
    return bool(words & _OTHERS) or any(words & _WORDS[colour] for colour in COLOURS)


def _words(text: str) -> list[str]:
    """The words of a description in small letters: "RedEdge-717" → ["red", "edge"]; "B4" is a code and no word."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return [word for word, digits in re.findall(r"([^\W\d_]+)(\d*)", parts) if not digits or len(word) > 2]


def _best(colour: str, words: list[list[str]], plain: list[str]) -> int | None:
    """The one band whose words name the colour and nothing else that has one; a bare name comes first."""
    naming = []
    for number, spoken in enumerate(words, start=1):
        named = {each for each, names in _WORDS.items() if names & set(spoken)}
        if named == {colour} and not _OTHERS & set(spoken):
            naming.append(number)
    if len(naming) > 1:
        naming = [number for number in naming if plain[number - 1] in _WORDS[colour]]
    return naming[0] if len(naming) == 1 else None


def _colours_by_code(descriptions: list[str]) -> list[str | None]:
    """The colour of each band by its number, as the satellite counts that the descriptions tell of."""
    numbers = [_code(text) for text in descriptions]
    early = any(_EARLY.match(text.strip().lower()) for text in descriptions)
    reflectances = all(text.strip().lower().startswith("sr_b") for text in descriptions)
    early |= reflectances and {number for number in numbers if number} == _EARLY_BANDS
    colours = _BY_EARLY_CODE if early else _BY_CODE
    return [colours.get(number or "") for number in numbers]


def _code(text: str) -> str | None:
    """The number of a band code from 1 to 7, or None."""
    found = _CODE.search(text.strip().lower())
    return (found[1] or found[2]) if found and not _OTHERS & set(_words(text)) else None


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """`3,2,1` → (3, 2, 1); one number is a grey band; None stays None. Raises `ConfigError`."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(_is_band(part.strip()) for part in parts):
        raise ConfigError(f"Bands are one number or three, such as 3,2,1 for red, green and blue, not {text[:40]!r}.")
    return tuple(int(part) for part in parts)


def _is_band(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text[:4]) < 1000 and len(text) < 4
