"""Reads the project's own source by its syntax tree, so that tests can state the laws of the house."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.paths import ROOT

UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BROAD = {"Exception", "BaseException"}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name (`core.data`, for a package's `__init__.py`), its text and its tree."""

    name: str
    text: str
    is_package: bool = False

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @functools.cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))


def modules(*folders: str) -> list[Module]:
    """Every module below these folders of the project."""
    return [_module(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@functools.cache
def _module(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"), is_package)


def imports(module: Module) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever it says so: `from core import image` is `core.image`."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    levels = node.level - 1 if module.is_package else node.level
    kept = module.name.split(".")[: len(module.name.split(".")) - levels]
    return ".".join([*kept, *([node.module] if node.module else [])])


def within(name: str, rooms: tuple[str, ...] | frozenset[str]) -> bool:
    """Whether a dotted name is one of these modules, or lies inside one of these packages."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in module.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def named_things(module: Module) -> Iterator[tuple[str, int]]:
    """Every name that a module gives, with its line: functions, classes, arguments, variables, attributes, its own."""
    yield module.name.rpartition(".")[2], 1
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, 1


def words_in(name: str) -> set[str]:
    """The words of a name in small letters: `LookAtDoor` and `look_at_door` → look, at, door."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def long_functions(module: Module, limit: int) -> list[str]:
    """Functions of more than `limit` lines, docstring included, decorators not."""
    lengths = ((node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions(module))
    return [f"{name} has {length} lines" for name, length in lengths if length > limit]


def broad_catches(module: Module) -> list[int]:
    """Lines that catch everything: bare `except`, `except Exception`, `suppress(Exception)`."""
    found = []
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _names(node.type) & BROAD):
            found.append(node.lineno)
        if isinstance(node, ast.Call) and _called(node).split(".")[-1] == "suppress":
            found.extend(node.lineno for argument in node.args if _names(argument) & BROAD)
    return found


def prints(module: Module) -> list[int]:
    return [node.lineno for node in module.nodes if isinstance(node, ast.Call) and _called(node) == "print"]


def unpickling(module: Module) -> list[str]:
    """What could run code hidden in a file. `torch.load` is let pass in one module only, with `weights_only=True`."""
    found = [f"imports {name}" for name in imports(module) if name.split(".")[0] in UNPICKLERS]
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "torch" and any(a.name == "load" for a in node.names):
            found.append(f"line {node.lineno}: takes load out of torch")
        if not isinstance(node, ast.Call):
            continue
        if _called(node) == "torch.load":
            if module.name != "core.models.pretrained":
                found.append(f"line {node.lineno}: torch.load")
            elif not _is_true(node, "weights_only"):
                found.append(f"line {node.lineno}: torch.load without weights_only=True")
        if _called(node) in ("np.load", "numpy.load") and _is_true(node, "allow_pickle"):
            found.append(f"line {node.lineno}: allow_pickle=True")
    return found


def swappable(module: Module) -> list[str]:
    """Functions that take both a student and a teacher, and not both by keyword only."""
    found = []
    for node in functions(module):
        by_position = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args)}
        everything = by_position | {argument.arg for argument in node.args.kwonlyargs}
        if {"student", "teacher"} <= everything and by_position & {"student", "teacher"}:
            found.append(node.name)
    return found


def _called(node: ast.Call) -> str:
    """What is called, as it is written: the commonest are read from the tree, which is much sooner done."""
    parts, part = list[str](), node.func
    while isinstance(part, ast.Attribute):
        parts.append(part.attr)
        part = part.value
    return ".".join([part.id, *parts[::-1]]) if isinstance(part, ast.Name) else ast.unparse(node.func)


def _is_true(node: ast.Call, keyword: str) -> bool:
    return any(k.arg == keyword and isinstance(k.value, ast.Constant) and k.value.value is True for k in node.keywords)


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
