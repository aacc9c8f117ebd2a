"""The script that measures the house: what counts as holding a concept, and as a circle."""

import ast

import pytest

from tools import house


def trees(**texts: str) -> dict[str, ast.Module]:
    return {f"core/{name}.py": ast.parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    "text",
    ["hint = 1", "x.hint", "f(hint=1)", "def f(hint): ...", "class hint: ...", "import hint", "f('hint')", "a['hint']"],
)
def test_a_word_in_code_holds_a_concept(text: str) -> None:
    assert house.holders(trees(a=text), house.Concept("hint")) == ["core/a.py"]


@pytest.mark.parametrize("text", ["# hint", '"""hint"""', "def f():\n    'hint'", "hints = 1", "f('a hint')"])
def test_a_comment_a_docstring_and_another_word_do_not(text: str) -> None:
    assert house.holders(trees(a=text), house.Concept("hint")) == []


def test_a_part_of_a_string_counts_where_texts_are_given_and_a_path_where_it_is_meant() -> None:
    found = trees(a="f('a hint of it')", b="'a hint of it'")
    assert house.holders(found, house.Concept("x", texts="hint")) == ["core/a.py"]
    assert house.holders(found, house.Concept("x", texts="hint", where="app/")) == []


@pytest.mark.parametrize("text", ["overlap = 64", "overlap: int = 64", "f(overlap=64)", "def f(*, overlap=64): ..."])
def test_a_number_for_the_overlap_is_seen(text: str) -> None:
    assert house.givers(trees(a=text), house.OVERLAP) == ["core/a.py"]


@pytest.mark.parametrize(
    "text", ["overlap = other", "f(overlap=overlap)", "def f(overlap): ...", "def f(*, overlap=False): ..."]
)
def test_handing_the_overlap_on_is_none(text: str) -> None:
    assert house.givers(trees(a=text), house.OVERLAP) == []


def test_circles_are_found_between_modules_and_between_folders() -> None:
    texts = {
        "core/a/__init__.py": "",
        "core/a/one.py": "from core.b import two",
        "core/a/four.py": "from core.b.two import x",
        "core/b/two.py": "def f():\n    from core.a import one",
        "core/b/three.py": "import core.a.four",
    }
    edges = house.imports({path: ast.parse(text) for path, text in texts.items()})
    assert edges["core.a.one"] == {"core.b.two"}
    assert house.circles(edges) == []
    assert house.circles(house.folders(edges)) == [["core.a", "core.b"]]
    assert house.circles(edges | {"core.b.two": {"core.a.one"}}) == [["core.a.one", "core.b.two"]]


@pytest.mark.slow
def test_what_lies_here_is_measured_and_a_loss_is_two_files() -> None:
    if not (house.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    figures, behind = house.measure(house.sources(None))
    assert figures["files for a loss (standardised)"] == "2"
    assert behind["a loss (standardised)"] == ["core/losses/catalogue.py", "core/losses/standardised.py"]
    assert figures["import circles between modules"] == "0"


def test_a_package_with_a_docstring_alone_is_no_short_file() -> None:
    texts = {"core/__init__.py": '"""What core is."""\n', "core/a.py": "A = 1\n" * 70, "core/b.py": "B = 1\n" * 20}
    figures, _ = house.measure(texts)
    assert figures["files that hold code"] == "2"
    assert figures["share of files under 60 lines"] == "50 %"
    assert figures["median lines of a file"] == "45"
