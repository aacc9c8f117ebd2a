"""Who may write into the folder of a run: the newest attempt alone, however late an earlier one continues.

Attempt N prepares all its files in `.attempt-N/` and renames them out of it (core/files.py). A later claim takes that
folder away, in one rename, before its own process starts: a process of attempt N that was stopped at any point before
finds no such folder when it goes on, and ends with `FencedError`. The two files that are only appended to are copied
for the new attempt; what a late process still adds goes into the old copy, which nobody reads.
"""

import secrets
import shutil
from pathlib import Path

from core.errors import FencedError
from core.runs.store.run_files import APPENDED, whole_lines

_STAGE = ".attempt-"


def stage(folder: Path, attempt: int) -> Path:
    """Where this attempt prepares its files."""
    return folder / f"{_STAGE}{attempt}"


def take(folder: Path, attempt: int) -> Path:
    """Make `attempt` the only one that may write into `folder`; gives its stage. Raises `FencedError`, `OSError`."""
    folder.mkdir(exist_ok=True)
    mine = stage(folder, attempt)
    # Made before looking for others: of two that do this at once, at least the later attempt sees the earlier one.
    mine.mkdir(exist_ok=True)
    attempts = {_number(path): path for path in folder.glob(f"{_STAGE}*")}
    if newest := max((number for number in attempts if number > attempt), default=0):
        shutil.rmtree(mine, ignore_errors=True)
        raise FencedError(f"Attempt {attempt} at run {folder.name} is too late: attempt {newest} has begun.")
    for number, path in attempts.items():
        if number < attempt:
            _revoke(path)
    try:
        for name in APPENDED:
            if (folder / name).is_file():
                copy = mine / name
                copy.write_bytes(whole_lines(folder / name))
                copy.replace(folder / name)
    except FileNotFoundError as error:
        raise FencedError(f"Attempt {attempt} at run {folder.name} is too late: a later one has begun.") from error
    return mine


def close(folder: Path, attempt: int) -> None:
    """Take the right to write from `attempt`: nobody holds the run now. Earlier attempts lost it to a later claim."""
    _revoke(stage(folder, attempt))


def _revoke(path: Path) -> None:
    gone = path.with_name(f".gone-{secrets.token_hex(4)}")
    try:
        path.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def _number(path: Path) -> int:
    text = path.name.removeprefix(_STAGE)
    return int(text) if text.isdecimal() else 0
