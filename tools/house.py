"""`python -m tools.house [COMMIT …]`: how many files hold each concept, import circles, and lengths of files.

A file holds a concept where its code, without comments and docstrings, uses one of the concept's words: as a name, an
attribute, an argument, an imported module or a whole string; or where a string says what the concept's `texts` say. The
words of each concept are in `CONCEPTS`; those for a loss, a widget and a runtime are of one example each. The overlap
is counted where a number is given to it. Counted are the Python files of core and app that git tracks, as they lie here
and at each commit. A circle is one of the imports at the top of files; between folders it may be closed by different
files.
"""

import argparse
import ast
import functools
import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
Trees = Mapping[str, ast.Module]
"""Syntax trees by path, `core/losses/hints.py`."""


@dataclass(frozen=True)
class Concept:
    """What a file must say to count as one to open.

    Attributes:
        words: A regular expression for a whole word.
        texts: A regular expression for a part of a string; empty for none.
        where: A regular expression for the beginning of the file's path.
    """

    words: str
    texts: str = ""
    where: str = ""


CONCEPTS: dict[str, Concept] = {
    "a loss (standardised)": Concept(r"(core\.losses\.)?standardised(:\w+)?|standardised_kl"),
    # Where it is described and drawn; the files of core that act on it are opened to change what it does.
    "a widget of Distill (average_flips)": Concept("average_flips", where="app/|core/config/|core/cli/"),
    "what that setting does (average_flips)": Concept("average_flips", where="core/(?!config/|cli/)"),
    # Who finds it out, decides what follows, or words it; not who calls the module that does.
    "out of memory": Concept(
        r"MemoryError|CPLE_OutOfMemoryError|plan_retry",
        r"(?i)memory ran out|(more|out of|not enough) memory|The memory of",
    ),
    "a dataset (AERIAL)": Concept("AERIAL"),
    "a runtime (openvino)": Concept(r"(?i)(core\.)?(\w*_)?openvino(_\w*|model)?"),
}
OVERLAP = r"(?i)\w*overlap|_?margin"
SHORT = 60


def words(tree: ast.Module) -> Iterator[str]:
    """Every name, attribute, argument, imported module and whole string of a file; no docstring."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            yield str(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.alias):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def holders(trees: Trees, concept: Concept) -> list[str]:
    """Paths of the files whose code uses one of the concept's words, or says one of its texts."""
    return [path for path, tree in trees.items() if re.match(concept.where, path) and _holds(tree, concept)]


def _holds(tree: ast.Module, concept: Concept) -> bool:
    return any(_is_of(concept, word) for word in _said(tree))


@functools.cache
def _is_of(concept: Concept, word: str) -> bool:
    """Files say much the same words, each of which is matched once."""
    return bool(re.fullmatch(concept.words, word) or (concept.texts and re.search(concept.texts, word)))


@functools.lru_cache(maxsize=1000)
def _said(tree: ast.Module) -> frozenset[str]:
    """The words of a file, gathered once for all concepts."""
    return frozenset(words(tree))


def givers(trees: Trees, pattern: str) -> list[str]:
    """Paths of the files that give a number, by assignment, default or argument, to a name that matches."""
    wanted = re.compile(pattern)
    return [path for path, tree in trees.items() if any(wanted.fullmatch(name) for name in _given(tree))]


def _given(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_number(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            tuples = [target.elts for target in node.targets if isinstance(target, ast.Tuple)]
            both = [pair for names in tuples for pair in zip(names, node.value.elts, strict=False)]
            yield from (name.id for name, value in both if isinstance(name, ast.Name) and _is_number(value))
        elif isinstance(node, ast.keyword) and node.arg and _is_number(node.value):
            yield node.arg
        elif isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            pairs = [*zip(plain[::-1], node.defaults[::-1], strict=False)]
            pairs += [(arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value]
            yield from (arg.arg for arg, value in pairs if _is_number(value))


def _is_number(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def module(path: str) -> str:
    """`core/losses/__init__.py` → `core.losses`."""
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def imports(trees: Trees) -> dict[str, set[str]]:
    """The modules of core and app that each one imports when it is itself imported (not inside a function)."""
    known = {module(path) for path in trees}
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        named = set()
        for node in tree.body:
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named |= {
                    full if (full := f"{node.module}.{alias.name}") in known else node.module for alias in node.names
                }
        found[module(path)] = named & known - {module(path)}
    return found


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that all reach each other, sorted."""
    reach = {start: _reached(edges, start) for start in edges}
    groups = {frozenset({one, *(other for other in reach[one] if one in reach.get(other, ()))}) for one in edges}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for node in edges.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def folders(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same imports between folders (`core.train`) and single modules right below core and app."""
    found: dict[str, set[str]] = {}
    for name, others in edges.items():
        own = _room(name)
        found.setdefault(own, set()).update(room for other in others if (room := _room(other)) != own)
    return found


def _room(name: str) -> str:
    return ".".join(name.split(".")[:2])


def sources(commit: str | None) -> dict[str, str]:
    """Texts by path of what git tracks in core and app: as it lies there, or at a commit."""
    if commit is None:
        paths = _git("ls-files", "core", "app").decode().split()
        return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths if path.endswith(".py")}
    packed = _git("archive", commit, "core", "app")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [(entry.name, archive.extractfile(entry)) for entry in archive if entry.name.endswith(".py")]
        return {name: file.read().decode() for name, file in files if file}


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _holds_code(tree: ast.Module) -> bool:
    """Whether there is more than a docstring, which is all that many packages have."""
    return any(not isinstance(node, ast.Expr) for node in tree.body)


def measure(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The figures by their titles, and the names behind them."""
    trees = {path: ast.parse(text) for path, text in texts.items()}
    edges = imports(trees)
    behind = {title: holders(trees, concept) for title, concept in CONCEPTS.items()}
    behind["the window overlap"] = givers(trees, OVERLAP)
    figures = {f"files for {title}": str(len(found)) for title, found in behind.items()}
    for title, found in (("modules", circles(edges)), ("folders", circles(folders(edges)))):
        figures[f"import circles between {title}"] = str(len(found))
        behind[f"circles between {title}"] = [" ↔ ".join(group) for group in found]
    lengths = [text.count("\n") for path, text in texts.items() if _holds_code(trees[path])]
    figures["files that hold code"] = str(len(lengths))
    figures[f"share of files under {SHORT} lines"] = f"{100 * sum(n < SHORT for n in lengths) / len(lengths):.0f} %"
    figures["median lines of a file"] = f"{statistics.median(lengths):g}"
    return figures, behind


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.house", description=__doc__)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="also measure these, before what lies here")
    parser.add_argument("--names", action="store_true", help="also list the files and circles of what lies here")
    chosen = parser.parse_args(arguments)
    columns = [measure(sources(commit)) for commit in (*chosen.commits, None)]
    lines = [f"| | {' | '.join([*chosen.commits, 'here'])} |", "|---|" + "---|" * len(columns)]
    lines += [f"| {title} | {' | '.join(figures[title] for figures, _ in columns)} |" for title in columns[-1][0]]
    if chosen.names:
        for title, found in columns[-1][1].items():
            lines += ["", f"{title}:", *(f"  {name}" for name in found)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
