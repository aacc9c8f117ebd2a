"""Band numbers as people type them."""

from core.errors import ConfigError


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
