"""`python -m tools.breaks [WORD …]`: break one line at a time, and see whether the tests notice.

The lines stand in tools/breaks.toml, each with the law that it keeps and the test files that hold the law. The files
of the project, as git lists them, are copied to a folder of their own, so that nothing here is touched. The tests must
pass there as the files are, and fail with each broken line. With words, only the breaks whose law or file holds one of
them. Exits with 1 when a break stayed unnoticed, or a test failed without one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "breaks.toml"


@dataclass(frozen=True)
class Break:
    """One line of the project and what is put in its place.

    Attributes:
        law: What must hold, as a sentence without a full stop.
        file: Where the line stands, from the root of the project.
        sound: The text as it is; it occurs once in the file.
        broken: The text that breaks the law.
        tests: Files, folders or single tests of which one at least must then fail.
    """

    law: str
    file: str
    sound: str
    broken: str
    tests: tuple[str, ...]

    def put_into(self, root: Path) -> str:
        """Break the file below `root`; gives its text as it was."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(self.sound, self.broken), encoding="utf-8")
        return text


def read_breaks(path: Path = LIST) -> list[Break]:
    """All breaks, in order."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["break"]
    return [Break(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def copy_project(root: Path, target: Path) -> None:
    """Copy the files of the project, as git lists them, into a repository of their own: some tests ask git too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def failure(root: Path, tests: Sequence[str]) -> str:
    """The first test that fails below `root`; empty where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    # Python compares the second and the length of a file with what it compiled: a break could change neither.
    told = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=root, env=told, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return ""
    lines = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0] if lines else f"pytest ended with {found.returncode}"


def try_all(breaks: Sequence[Break], root: Path) -> tuple[int, int]:
    """Try breaks in a copy of the project at `root`, one after the other, and print what came of each.

    Returns:
        How many were noticed, and how many were tried.
    """
    noticed = 0
    for number, one in enumerate(breaks, start=1):
        text = one.put_into(root)
        red = failure(root, one.tests)
        (root / one.file).write_text(text, encoding="utf-8")
        noticed += bool(red)
        _tell(f"{number:3} {red or 'NOT NOTICED'}\n    {one.law} ({one.file})")
    return noticed, len(breaks)


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only breaks whose law or file holds one of these words")
    wanted = parser.parse_args(argv).words
    breaks = [one for one in read_breaks() if not wanted or any(word in f"{one.law} {one.file}" for word in wanted)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_project(ROOT, root)
        tests = sorted({test for one in breaks for test in one.tests})
        if red := failure(root, tests):
            _tell(f"A test fails without any break: {red}")
            return 1
        noticed, tried = try_all(breaks, root)
    _tell(f"{noticed} of {tried} breaks were noticed.")
    return 0 if noticed == tried else 1


if __name__ == "__main__":
    sys.exit(main())
