"""What docs, docstrings, comments and messages name, exists: files, tests, modules and what lies in these."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "app", "tests", "docs", "benchmarks", "tools")
# What was true when it was written.
HISTORY = {"CHANGELOG.md", "docs/LOG.md"}
# Programs of others that a message advises.
PROGRAMS = {"gdal_edit.py"}

_PATH = re.compile(rf"(?<![\w./<-])((?:{'|'.join(FOLDERS)}|checkpoints|sample_images)/[\w./*-]*[\w*/])")
_TEST = re.compile(r"(?<![\w.])(test_\w+)(?!\w*[(*.])(?:\.py)?")
_NAME = re.compile(r"(?<![\w./<-])((?:core|app|tests)(?:\.\w+)+)")
_FILE = re.compile(r"(?<![\w./*{<-])([A-Za-z]\w*\.(?:py|mjs|md))\b(?!\.)")
_PLACEHOLDER = re.compile(r"\b[A-Z]{1,}\b|\*")


@functools.cache
def _texts() -> list[tuple[str, str]]:
    return list(_read_texts())


def _read_texts() -> Iterator[tuple[str, str]]:
    """(where, text) of every doc, and of every docstring, comment and string in the code."""
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        where = path.relative_to(ROOT).as_posix()
        if where not in HISTORY:
            yield where, path.read_text(encoding="utf-8")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(__file__).resolve():
                yield path.relative_to(ROOT).as_posix(), "\n".join(_told(path.read_text(encoding="utf-8")))
        for path in sorted((ROOT / folder).rglob("*.mjs")):
            lines = path.read_text(encoding="utf-8").splitlines()
            comments = [line for line in lines if line.lstrip().startswith(("//", "*", "/*"))]
            yield path.relative_to(ROOT).as_posix(), "\n".join(comments)


def _told(source: str) -> Iterator[str]:
    """Comments, docstrings and what a longer string says; short strings are names that a test makes up."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") >= 3:
            yield node.value


def missing_files(text: str) -> list[str]:
    """Paths of the repository that a text names and that are not there; NAME and N stand for anything."""
    found = []
    for named in _PATH.findall(text):
        pattern = _PLACEHOLDER.sub("*", named.rstrip("/."))
        if not any(ROOT.glob(pattern)) and not (ROOT / named).exists():
            found.append(named)
    return found


def missing_file_names(text: str) -> list[str]:
    """The same of files that are named without their folder."""
    return [named for named in _FILE.findall(text) if named not in _known_files()]


@functools.cache
def _known_files() -> set[str]:
    files = [*ROOT.glob("*.*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.*"))]
    return PROGRAMS | {path.name for path in files}


def missing_names(text: str) -> list[str]:
    """Modules, and what lies in them, that a text names and that are not there."""
    return [named for named in _NAME.findall(text) if not _is_there(named.split("."))]


def _is_there(parts: list[str]) -> bool:
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        module = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if count == len(parts) and (place.is_dir() or module.is_file()):
            return True
        if module.is_file():
            return parts[count] in ("py", "md", "json", "mjs") or bool(
                re.search(rf"\b{parts[count]}\b", module.read_text(encoding="utf-8"))
            )
    return False


def missing_tests(text: str) -> list[str]:
    """Tests that a text names and that are not there."""
    known = _known_tests()
    return [named for named in _TEST.findall(text) if named not in known]


@functools.cache
def _known_tests() -> set[str]:
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        found |= {path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    return found


@pytest.mark.parametrize("find", [missing_files, missing_file_names, missing_names], ids=lambda find: find.__name__)
def test_what_docs_docstrings_and_messages_name_is_there(find: Callable[[str], list[str]]) -> None:
    # Tests make up files and paths of all kinds.
    texts = [(where, text) for where, text in _texts() if find is missing_files or not where.startswith("tests/")]
    assert [f"{where}: {named}" for where, text in texts for named in find(text)] == []


def test_every_test_that_a_doc_names_is_there() -> None:
    assert [
        f"{where}: {named}" for where, text in _texts() if where.endswith(".md") for named in missing_tests(text)
    ] == []


def test_what_is_not_there_is_noticed() -> None:
    assert missing_files("see tests/unit/runs/contract.py and core/paths.py.") == ["tests/unit/runs/contract.py"]
    assert missing_files("docs/recipes/NAME.json, core/losses/*.py") == []
    assert missing_files("docs/recipes/NAME.yaml") == ["docs/recipes/NAME.yaml"]
    assert missing_names("`core.runs.store.run_store.RunStore`, core.runs.shop, core.runs.store.run_store.Shop") == [
        "core.runs.shop",
        "core.runs.store.run_store.Shop",
    ]
    assert missing_tests("test_references and test_that_nobody_wrote") == ["test_that_nobody_wrote"]
