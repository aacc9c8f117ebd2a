"""What the trials of one search share, in its folder: the teacher's score, and its answers to the training pictures.

Each is named by all that decides about it, so that no trial takes what it would not have worked out itself.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from core.config import RunConfig

_SCORE, _ANSWERS = "teacher_score_", "teacher_answers_"


def search_folder(config: RunConfig, runs: Path) -> Path | None:
    """Where a trial finds what others left; None for a run that is no trial, and where its search was deleted."""
    folder = None if config.trial_of is None else runs / config.trial_of
    return folder if folder is not None and folder.is_dir() else None


def score_file(search: Path, decides: Iterable[str]) -> Path:
    """Where the teacher's score lies that all of `decides` leads to."""
    return search / f"{_SCORE}{_digest(decides)}.json"


class SharedAnswers:
    """The teacher's answers that all of `decides` leads to: made by one trial, read by all.

    A trial makes them aside, in a folder that is its own, and puts them into place in one rename: so there is no half.
    Where two make them at once, the first holds, and the other goes on with its own, which are the same.
    """

    def __init__(self, search: Path, decides: Iterable[str]) -> None:
        self._place = search / f"{_ANSWERS}{_digest(decides)}"
        self._aside: Path | None = None

    def folder(self) -> Path:
        """Where they are read, or made by this trial."""
        if self._place.is_dir():
            return self._place
        if self._aside is None:
            self._aside = Path(tempfile.mkdtemp(prefix=f".{self._place.name}.", dir=self._place.parent))
        return self._aside

    @property
    def ready(self) -> bool:
        """Whether an earlier trial made them."""
        return self._place.is_dir()

    def put_into_place(self) -> None:
        """Those that this trial made are whole. What it has opened stays open."""
        if self._aside is None:
            return
        with suppress(OSError):
            # Fails where another trial was first.
            self._aside.rename(self._place)
        self.drop()

    def drop(self) -> None:
        """Remove what this trial made aside and did not put into place."""
        if self._aside is not None:
            shutil.rmtree(self._aside, ignore_errors=True)


def sharing_works() -> bool:
    """Whether files can be renamed and removed while they are open."""
    return os.name == "posix"


def discard_answers(search: Path) -> None:
    """Free the disk of the teacher's answers, and of those that trials which were killed left aside."""
    for folder in [*search.glob(f"{_ANSWERS}*"), *search.glob(f".{_ANSWERS}*")]:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
