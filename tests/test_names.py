"""Names: one for each thing, words of the field, none of the standard library."""

import ast
import re
import sys
from collections import Counter

import pytest

from tests.architecture import Module, modules, named_things, within, words_in

SOURCE = modules("core", "app", "tools")
EVERYTHING = [*SOURCE, *modules("tests", "benchmarks")]


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    names = {m.name.rpartition(".")[2]: m.name for m in SOURCE if not m.name.endswith(".__main__")}
    assert {name: names[name] for name in names.keys() & sys.stdlib_module_names} == {}


# A page and a verb of the command line have the name of what they show or do, and a program begins in its `main`.
PAGES_AND_VERBS = ("app.views", "app.main", "core.cli", "tools")


def names_used_twice(source: list[Module]) -> list[str]:
    """Public classes by their name, and modules by the last part of theirs, of which there are several."""
    source = [m for m in source if not m.is_package]
    own = [m for m in source if not within(m.name, PAGES_AND_VERBS)]
    classes = [(m, node.name) for m in source for node in m.tree.body if isinstance(node, ast.ClassDef)]
    public = [(m, name) for m, name in classes if not name.startswith("_") and not within(m.name, ("tools",))]
    modules_named = Counter(m.name.rpartition(".")[2] for m in own)
    named = Counter(name for _, name in public)
    twice = [m.name for m in own if modules_named[m.name.rpartition(".")[2]] > 1]
    return sorted(twice + [f"{m.name}.{name}" for m, name in public if named[name] > 1])


def test_one_name_is_one_thing() -> None:
    assert names_used_twice(SOURCE) == []


def test_a_name_used_twice_is_seen() -> None:
    source = [Module("core.data.masks", "class Entry: ..."), Module("core.imagery.masks", "class Entry: ...")]
    assert names_used_twice(source) == [
        "core.data.masks",
        "core.data.masks.Entry",
        "core.imagery.masks",
        "core.imagery.masks.Entry",
    ]
    assert names_used_twice([Module("core.runs.x", "class _A: ..."), Module("app.views.x", "class _A: ...")]) == []


# Figures of speech that names once had; each has a word of the field.
FIGURES_OF_SPEECH = re.compile(
    "seats?|doubt(s|ed)?|bury|buried|buries|obituary|pulses?|crews?|couriers?|attendants?|desks?|doors?|ways?|"
    "listen(s|ed|ing)?|hear(s|d|ing)?|look(s|ed|ing)?|later|follow(s|ed|ing)?"
)


def figures_of_speech(module: Module) -> list[str]:
    """Names with a word in them that is a figure of speech."""
    named = (
        (name, line) for name, line in named_things(module) if any(map(FIGURES_OF_SPEECH.fullmatch, words_in(name)))
    )
    return [f"{name} (line {line})" for name, line in named]


def test_names_are_words_of_the_field() -> None:
    found = [(m.name, finding) for m in EVERYTHING for finding in figures_of_speech(m)]
    # The close look is a part of a page that people know by this name.
    assert [(name, finding) for name, finding in found if "close_look" not in finding] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.imagery.door", ""),
        ("core.x", "class LaterFiles: ..."),
        ("core.x", "def find(the_way): ..."),
        ("core.x", "for looked_at in (): ..."),
        ("core.x", "self.pulse = 1"),
    ],
)
def test_a_figure_of_speech_is_seen(name: str, text: str) -> None:
    assert figures_of_speech(Module(name, text))
    assert figures_of_speech(Module("core.lookup", "def wayland(doorway): ...")) == []
