"""Every error that Terrastill raises on purpose. Each message says what happened and what to do next.

TerrastillError
├── ConfigError              settings out of range; `.problems` lists each of them
├── DataError
│   ├── DatasetNotFoundError
│   ├── PairError            an image/mask pair that cannot be used; `.problems` lists each of them
│   ├── ImageError           a picture from outside that cannot be read, or is over a limit
│   ├── GeoError             GDAL, PROJ or GEOS could not do what was asked of them
│   └── DownloadError
├── ModelError               an unknown or impossible model
│   ├── PictureRefusedError  a brought model fails on pictures of this size
│   ├── CheckpointError      a card or weights file that cannot be read
│   └── ExportError          a model that cannot be written in another format, or answers differently in it
├── BenchmarkError           a benchmark that cannot be read, started or stopped
├── DeviceError
├── DiskFullError            a file could not be written for want of space; the one before it stands
└── RunError
    ├── RunNotFoundError
    ├── MemoryRanOutError    another process of the run lacked memory
    ├── RunStateError        what was asked does not fit the state of the run
    │   └── FencedError      another attempt holds the run: this one may write nothing more
    └── StoreError
"""

from collections.abc import Sequence


class TerrastillError(Exception):
    """Base of all errors that are meant for a person to read."""


class _ListedError(TerrastillError):
    """An error that collects several problems, so that all are shown at once."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(" · ".join(self.problems))


class ConfigError(_ListedError):
    """Settings that cannot be run."""


class DataError(TerrastillError):
    """Something is wrong with images or masks."""


class DatasetNotFoundError(DataError):
    """A dataset is not where it was searched."""


class PairError(_ListedError, DataError):
    """Image/mask pairs that cannot be used, each by name and reason."""


class ImageError(DataError):
    """A picture from outside cannot be read, or is over a limit."""


class GeoError(DataError):
    """GDAL, PROJ or GEOS could not do what was asked of them (`core.geo`)."""


class DownloadError(DataError):
    """A file could not be fetched, or is not the file that was expected."""


class ModelError(TerrastillError):
    """An unknown or impossible model."""


class PictureRefusedError(ModelError):
    """A brought model was opened, and fails on pictures of this size."""


class CheckpointError(ModelError):
    """A model card or a weights file cannot be read."""


class ExportError(ModelError):
    """A model cannot be written in another format, or answers differently in it."""


class BenchmarkError(TerrastillError):
    """A benchmark cannot be read, started or stopped."""


class DeviceError(TerrastillError):
    """A device that is not there."""


class DiskFullError(TerrastillError):
    """There is no space left to write a file; what was there before still stands."""


class NoRoomError(DiskFullError):
    """The disk has less space than what is to be written will take; nothing was written."""


class RunError(TerrastillError):
    """Something about a run."""


class RunNotFoundError(RunError):
    """No run has this id."""


class MemoryRanOutError(RunError):
    """Memory was missing in another process of the run, which can no longer say so itself."""


class RunStateError(RunError):
    """What was asked does not fit the state of the run."""


class FencedError(RunStateError):
    """Another attempt at this run has begun: whoever worked on an earlier one may write nothing more."""


class StoreError(RunError):
    """The run store cannot be read or written."""
