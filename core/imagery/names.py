"""Which colour the description of a band names. Whole words only: "Red edge" and "near infrared" name no red."""

import re

COLOURS = ("red", "green", "blue")
_WORDS = {
    "red": {"red", "r", "rot", "rouge", "rojo", "rosso", "vermelho"},
    "green": {"green", "g", "grün", "gruen", "vert", "verde"},
    "blue": {"blue", "b", "blau", "bleu", "azul", "blu"},
    "alpha": {"alpha", "transparency", "opacity"},
}
# Beside one of these, a colour is a part of another name: "red edge", "far red", "green index", "coastal blue".
_OTHERS = {
    "edge", "rededge", "re", "far", "infra", "infrared", "ir", "near", "nir", "nearinfrared", "swir", "mwir", "lwir",
    "thermal", "tir", "coastal", "deep", "pan", "panchromatic", "yellow", "index", "ratio", "ndvi", "ndwi", "ndre",
    "excess", "difference", "variance", "texture", "refl", "not", "minus", "without",
}  # fmt: skip
# B2 to B4 are blue, green and red on Sentinel-2 and on Landsat 8 and 9; SR_B4 and the like are the same bands.
_CODE = re.compile(r"^(?:[a-z]\w{0,3}[_ ])?b0?([234])(?![0-9a-z])")
_NUMBERED = re.compile(r"^(?:band|channel|layer)?[\W_]*\d*$")
_BY_CODE = {"2": "blue", "3": "green", "4": "red"}


def named_bands(descriptions: tuple[str | None, ...]) -> dict[str, int]:
    """Band numbers, from 1, by the colour that their descriptions name: "red", "green", "blue" and "alpha".

    A colour that no band names, or several bands name equally well, is left out; "Red" names it better than "Red 650".
    Codes such as B04 count where no band is named by a word.
    """
    words = [_words(text or "") for text in descriptions]
    plain = [(text or "").strip().lower() for text in descriptions]
    found = {colour: _best(colour, words, plain) for colour in _WORDS}
    if not any(found[colour] for colour in COLOURS):
        codes = [_code(text or "") for text in descriptions]
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


def _code(text: str) -> str | None:
    found = _CODE.match(text.strip().lower())
    return _BY_CODE[found[1]] if found and not _OTHERS & set(_words(text)) else None
