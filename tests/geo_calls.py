"""Finds calls into GDAL, PROJ and GEOS that stand outside `core.geo.calls`, by a module's syntax tree.

Such a call is one of a name that is imported from rasterio, pyogrio or shapely, and any use of an open file or a
coordinate system. It is inside when it stands in a `with geo.calls(…)` block, in a function that is decorated with it,
or in a private function that is only used inside.
"""

import ast
from collections.abc import Iterator

from tests.architecture import Module

LIBRARIES = ("rasterio", "pyogrio", "pyproj", "shapely", "osgeo", "fiona", "geopandas")
HANDLES = {"DatasetReader", "DatasetWriter", "MemoryFile", "CRS"}
"""Classes of objects whose every attribute may ask a library."""
HARMLESS = {"Window", "Affine", "ColorInterp", "MaskFlags", "GroundControlPoint", "Env", *HANDLES}
"""Plain values, and what can be made without asking a library."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def uses_libraries(module: Module) -> bool:
    return bool(_imported(module.tree))


def unguarded(module: Module) -> list[str]:
    """Calls that stand outside."""
    return _Scan(module.tree).findings()


class _Scan:
    def __init__(self, tree: ast.Module) -> None:
        self._tree, self._names = tree, _imported(tree)
        self._parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
        self._handles = self._find_handles()
        self._inside = {name for name, node in self._functions.items() if _decorated(node)}
        while more := {name for name in self._functions if name not in self._inside and self._only_used_inside(name)}:
            self._inside |= more

    def findings(self) -> list[str]:
        return [f"line {node.lineno}: {ast.unparse(node)[:60]}" for node in self._uses() if not self._is_inside(node)]

    def _uses(self) -> Iterator[ast.expr]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                used = _root(node.func) in self._names and _last(node.func) not in HARMLESS
            else:
                used = isinstance(node, ast.Attribute) and ast.unparse(node.value) in self._handles
            if used:
                yield node

    def _find_handles(self) -> set[str]:
        """Texts of expressions that hold an open file or a coordinate system: `file`, `self._file`."""
        found = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.arg) and node.annotation is not None and _mentions(node.annotation):
                found.add(node.arg)
            if isinstance(node, ast.withitem) and node.optional_vars is not None and self._gives(node.context_expr):
                found.add(ast.unparse(node.optional_vars))
            if isinstance(node, ast.Assign) and self._gives(node.value):
                found.update(ast.unparse(target) for target in node.targets)
        return found

    def _gives(self, value: ast.expr) -> bool:
        if not isinstance(value, ast.Call):
            return any(self._gives(part) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))
        made = self._functions.get(_last(value.func))
        if made is not None and made.returns is not None and _mentions(made.returns):
            return True
        return _root(value.func) in self._names and _last(value.func) in {"open", *HANDLES, "from_wkt"}

    def _is_inside(self, node: ast.AST) -> bool:
        while (parent := self._parents.get(node)) is not None:
            if isinstance(parent, Function) and parent.name in self._inside:
                return True
            if isinstance(parent, ast.With):
                items = parent.items
                before = items[: items.index(node)] if isinstance(node, ast.withitem) else items
                if any(self._guards(item.context_expr) for item in before):
                    return True
            node = parent
        return False

    def _guards(self, value: ast.expr) -> bool:
        """`geo.calls(…)`, a function of the module that gives one, or a name that one was given."""
        if isinstance(value, ast.Name):
            given = [n.value for n in ast.walk(self._tree) if isinstance(n, ast.Assign) and _is_name(n, value.id)]
            return bool(given) and all(self._guards(one) for one in given)
        if not isinstance(value, ast.Call):
            return False
        made = self._functions.get(ast.unparse(value.func))
        return _is_guard(value.func) or (made is not None and made.returns is not None and _is_guard(made.returns))

    def _only_used_inside(self, name: str) -> bool:
        if not name.startswith("_") or name.startswith("__") or _generates(self._functions[name]):
            return False
        uses = [
            node for node in ast.walk(self._tree) if isinstance(node, ast.Name | ast.Attribute) and _last(node) == name
        ]
        return bool(uses) and all(self._is_inside(use) for use in uses)


def _imported(tree: ast.Module) -> set[str]:
    """Names in a module that come from one of the libraries."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(a.asname or a.name).split(".")[0] for a in node.names if a.name.split(".")[0] in LIBRARIES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _decorated(node: Function) -> bool:
    """Not a generator: a decorator sees no more of that than its making."""
    calls = (one for one in node.decorator_list if isinstance(one, ast.Call))
    return any(_is_guard(one.func) for one in calls) and not _generates(node)


def _generates(node: Function) -> bool:
    return any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(node))


def _is_guard(node: ast.expr) -> bool:
    return ast.unparse(node) == "geo.calls"


def _is_name(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _mentions(annotation: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id in HANDLES for part in ast.walk(annotation))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
