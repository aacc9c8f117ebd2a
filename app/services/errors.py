"""The errors that views may catch; they know core only through services."""

from core.errors import CheckpointError, ConfigError, DataError, ImageError, RunError, RunNotFoundError, TerrastillError

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ImageError",
    "RunError",
    "RunNotFoundError",
    "TerrastillError",
]
