"""The one rule for a path that comes from a visitor: it leads below the folder that the operator opened, or nowhere.

The app asks it of every such path (`app/services/access.py`), and the readers of datasets ask it again of every file,
also when a run starts long after it was launched. Nothing in an answer tells whether something exists outside.
"""

from pathlib import Path

from core.errors import DatasetNotFoundError


def inside(text: str, opened: Path) -> Path:
    """The real path of what a visitor named.

    Args:
        text: A path below `opened`; an absolute one must begin with `opened`.
        opened: The folder that the operator opened.

    Returns:
        An absolute path without links, of something that exists.

    Raises:
        DatasetNotFoundError: It is not there, leads out, or goes through a link that leads out; one sentence for all.
    """
    refusal = DatasetNotFoundError("There is no such folder or file below the one that is opened here: check the path.")
    try:
        root = opened.expanduser().resolve(strict=True)
        wanted = Path(text.strip())
        if wanted.is_absolute():
            wanted = wanted.relative_to(root if wanted.is_relative_to(root) else opened.expanduser().absolute())
        # `..` behind a link is not the folder before it: so a path could tell whether a link exists outside.
        if ".." in wanted.parts:
            raise refusal
        found = root
        for part in wanted.parts:
            found = (found / part).resolve(strict=True)
            if not found.is_relative_to(root):
                raise refusal
    except (OSError, ValueError, RuntimeError) as error:
        raise refusal from error
    return found


def is_inside(path: Path, opened: Path | None) -> bool:
    """Whether a path, its links followed, exists and lies below `opened`. None: every path does (a command's owner)."""
    if opened is None:
        return True
    try:
        return path.resolve(strict=True).is_relative_to(opened.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):
        return False


def is_file_inside(path: Path, opened: Path | None) -> bool:
    """The same of a regular file: a pipe or a device would never come to an end, or never begin."""
    return is_inside(path, opened) and (opened is None or path.is_file())


def called(path: Path, opened: Path | None) -> str:
    """How a message may name a path: below the opened folder, never where that folder lies on the server."""
    if opened is None:
        return str(path)
    try:
        below = path.resolve().relative_to(opened.resolve())
    except (OSError, ValueError, RuntimeError):
        return "this folder"
    return "The opened folder" if below == Path() else f"The folder {below}"
