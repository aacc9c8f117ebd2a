"""`python -m tools.docs_site`: put together the pages of the docs site in .docs/, from which `make docs` builds it.

These are the pages of docs/, those of the project's folder that belong to the site, and a page of the API reference for
every part of core, made from its docstrings.
"""

import ast
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".docs"
SETTINGS = Path(__file__).with_suffix(".yml")
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
"""Pages of the project's folder that are part of the site too."""
INNER = ("__init__", "__main__", "cli")
"""Parts of core that are no library."""


def parts() -> list[str]:
    """The modules and packages right below `core`, in alphabetical order."""
    entries = (path for path in (ROOT / "core").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return sorted({path.stem for path in entries} - set(INNER))


def modules(part: str) -> list[str]:
    """Dotted names of the modules of one part of core that hold something, the package itself first."""
    folder = ROOT / "core" / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    named = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if path.read_text().strip()]
    return sorted(name.removesuffix(".__init__") for name in named)


def reference(part: str) -> str:
    """The page of one part: each module under a heading, from its docstrings."""
    return f"# core.{part}\n\n" + "\n".join(f"::: {name}\n" for name in modules(part))


def on_site(text: str) -> str:
    """A page with its links as they are on the site: those to code become plain text."""
    text = re.sub(r"\[([^\]]+)\]\((?:\.\./)*(?:app|benchmarks|core|tests)/[^)]*\)", r"`\1`", text)
    return text.replace("](docs/", "](")


def title_line(name: str) -> str:
    """The first line of a module's docstring; nothing where it has none."""
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def gather(folder: Path) -> None:
    """Write `mkdocs.yml` and `pages/` into a folder, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("recipes"))
    for page in pages.rglob("*.md"):
        page.write_text(on_site(page.read_text(encoding="utf-8")), encoding="utf-8")
    for name in OUTSIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        made = on_site(text) if name.endswith(".md") else f"# Licence\n\n```text\n{text}```\n"
        (pages / f"{Path(name).stem}.md").write_text(made, encoding="utf-8")
    (pages / "reference").mkdir()
    index = "".join(f"- [core.{part}]({part}.md): {title_line(f'core.{part}')}\n" for part in parts())
    (pages / "reference" / "index.md").write_text(f"# API reference\n\n{index}", encoding="utf-8")
    for part in parts():
        (pages / "reference" / f"{part}.md").write_text(reference(part), encoding="utf-8")
    entries = "".join(f"      - core.{part}: reference/{part}.md\n" for part in parts())
    settings = SETTINGS.read_text(encoding="utf-8").rstrip()
    (folder / "mkdocs.yml").write_text(f"{settings}\n{entries}", encoding="utf-8")


if __name__ == "__main__":
    gather(BUILD)
