"""Texts that people type into forms, as values."""

from core.imagery.band_names import parse_bands as _parse_bands


def parse_bands(text: str) -> tuple[int, ...] | None:
    """`3,2,1` → (3, 2, 1), nothing → None. Raises `ConfigError`."""
    return _parse_bands(text.strip() or None)
