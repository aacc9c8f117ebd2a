"""Public functions over arrays and tensors say what they take and give, with shapes; losses name their paper."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture import Module, modules

ARRAYS = re.compile(r"\b(NDArray|ndarray|Tensor|Mask|Valid|Floats|Answer)\b")
_SIDE = r"(…|\d+|\d? ?[A-Za-z]'?|[A-Z]/\d|classes|width|outputs|\w+_channels)"
SHAPE = re.compile(rf"\((…|{_SIDE},|{_SIDE}(, {_SIDE})+)?\)")
"""`(B, C, H, W)`, `(N,)`, `(…)` for any, `()` for a scalar."""
SOURCE = modules("core")


def public_functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of a module and methods of its public classes; neither private ones nor `__dunder__` methods."""
    for node in module.tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        for one in inner:
            if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                yield (one.name if one is node else f"{getattr(node, 'name', '')}.{one.name}"), one


def over_arrays(function: ast.FunctionDef) -> tuple[bool, bool]:
    """Whether it takes arrays, and whether it gives some."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    takes = any(one.annotation is not None and ARRAYS.search(ast.unparse(one.annotation)) for one in arguments)
    return takes, function.returns is not None and bool(ARRAYS.search(ast.unparse(function.returns)))


def lacking(function: ast.FunctionDef) -> list[str]:
    """What the docstring of a function over arrays does not say."""
    takes, gives = over_arrays(function)
    if not (takes or gives):
        return []
    said = ast.get_docstring(function) or ""
    found = ["Args"] if takes and "\nArgs:\n" not in said else []
    found += ["Returns"] if gives and not re.search(r"\n(Returns|Yields):\n", said) else []
    return found if found or SHAPE.search(said) else ["a shape such as (H, W)"]


def is_loss(function: ast.FunctionDef) -> bool:
    """Whether it compares a student's logits or features with a teacher's, in one number."""
    names = {one.arg for one in function.args.kwonlyargs}
    scalar = function.returns is not None and ast.unparse(function.returns) == "Tensor"
    return {"student", "teacher"} <= names and scalar and not function.name.startswith("__")


def test_functions_over_arrays_say_what_they_take_and_give() -> None:
    found = [(m.name, name, what) for m in SOURCE for name, one in public_functions(m) if (what := lacking(one))]
    assert found == []


def test_losses_name_their_paper() -> None:
    losses = [
        (m.name, one)
        for m in SOURCE
        if m.name.startswith("core.losses.")
        for one in m.tree.body
        if isinstance(one, ast.FunctionDef) and is_loss(one) and not one.name.startswith("_")
    ]
    assert len(losses) >= 10
    cited = re.compile(r"\nReference:\n.*\barXiv \d{4}\.\d{4,5}\b", re.DOTALL)
    assert [(name, one.name) for name, one in losses if not cited.search(ast.get_docstring(one) or "")] == []


@pytest.mark.parametrize(
    ("docstring", "missing"),
    [
        ("Nothing.", ["Args", "Returns"]),
        ("A.\n\n    Args:\n        x: (H, W).\n    ", ["Returns"]),
        ("A.\n\n    Args:\n        x: Some.\n\n    Returns:\n        More.\n    ", ["a shape such as (H, W)"]),
        ("A.\n\n    Args:\n        x: Some.\n\n    Returns:\n        (2 h, W), as it is.\n    ", []),
        ("A.\n\n    Args:\n        x: Of any shape (…).\n\n    Returns:\n        A scalar ().\n    ", []),
    ],
)
def test_what_a_docstring_lacks_is_seen(docstring: str, missing: list[str]) -> None:
    module = Module("core.x", f'def f(x: Tensor) -> "NDArray[np.uint8]":\n    """{docstring}"""\n')
    ((_, function),) = public_functions(module)
    assert lacking(function) == missing
