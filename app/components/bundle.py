"""JavaScript modules and styles below app/components/, made into the one of each that a component takes."""

import re
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def bundle(modules: tuple[str, ...]) -> str:
    """Modules as one, in this order: each after those it imports. Only the last may have a default export."""
    texts = [read(name) for name in modules]
    alone = [re.sub(r"^import .*\n", "", text, flags=re.MULTILINE) for text in texts]
    return "\n".join(re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE) for text in alone)


def read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
