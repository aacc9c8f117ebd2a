"""Calls into GDAL, PROJ and GEOS: every failure of theirs comes out as an error of ours.

Their Python sides (rasterio, pyogrio, shapely) hand on what the C libraries tell in classes that share no base:
`rasterio._err.CPLE_NotSupportedError`, for one, is no `RasterioError`. So each call stands inside `geo.calls(…)`, as a
`with` block or as a decorator; tests/test_architecture.py sees that none stands outside.
"""

import errno
import shutil
import sys
from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType

from core.errors import DiskFullError, GeoError, TerrastillError
from core.out_of_memory import raise_as_memory_error

_CLASSES = {
    "rasterio.errors": ("RasterioError", "CRSError", "RPCError", "DriverRegistrationError", "WindowEvaluationError"),
    "rasterio._err": ("CPLE_BaseError",),
    "pyogrio.errors": ("DataSourceError", "DataLayerError"),
    "pyogrio._err": ("CPLE_BaseError",),
    "shapely.errors": ("ShapelyError",),
}
# What the libraries raise of Python's own for values that they cannot take.
_PLAIN = (ValueError, LookupError, ArithmeticError, RuntimeError, OSError)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("no space left", "disk is full", "disk quota", "file too large")


class calls(ContextDecorator):  # noqa: N801 (used like a function)
    """Within it whatever GDAL, PROJ or GEOS raise becomes `error` with one `sentence`.

    Args:
        sentence: what a person reads; or the end of a sentence, where `error` is given a beginning later.
        error: the class that is raised.
        target: the file that is written, if one is. A full disk is then told as `DiskFullError`.
        needs: bytes that writing it may take. Where GDAL does not say why it failed, less free space says it.

    Raises:
        GeoError: or another `error`, for a failure of the libraries.
        DiskFullError: there is no space for `target`.
        MemoryError: a library asked for more memory than there is.
    """

    def __init__(
        self,
        sentence: str,
        error: type[TerrastillError] = GeoError,
        *,
        target: Path | None = None,
        needs: int = 256 * 1024,
    ) -> None:
        self._sentence, self._error, self._target, self._needs = sentence, error, target, needs

    def __enter__(self) -> "calls":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or isinstance(error, TerrastillError) or not isinstance(error, failures()):
            return
        raise_as_memory_error(error, self._sentence)
        if self._target is not None and _is_full(error, self._target.parent, self._needs):
            raise disk_full(self._target) from error
        raise self._error(self._sentence) from error


def failures() -> tuple[type[BaseException], ...]:
    """All classes that the libraries raise, of those libraries that this process has loaded: none is loaded for it."""
    loaded = ((sys.modules.get(module), names) for module, names in _CLASSES.items())
    return (*_PLAIN, *(getattr(module, name) for module, names in loaded if module is not None for name in names))


def disk_full(target: Path) -> DiskFullError:
    return DiskFullError(f"The disk is full: {target.name} could not be written in {target.parent}. Free some space.")


def _is_full(error: BaseException, folder: Path, needs: int) -> bool:
    """By what the failure and its causes say, or, where they say nothing of it, by what is free in `folder`."""
    told: BaseException | None = error
    while told is not None:
        if getattr(told, "errno", None) in _FULL or any(word in str(told).lower() for word in _FULL_WORDS):
            return True
        told = told.__cause__ or told.__context__
    try:
        return shutil.disk_usage(folder).free < needs
    except OSError:
        return False
