"""The docs site: every part of core has its page, and every picture that a page shows is there and small."""

import re
from pathlib import Path

import pytest

from core.paths import ROOT
from tests.architecture import modules as sources
from tools import docs_site

TASKS = sorted((ROOT / "docs" / "tasks").glob("*.md"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    docs_site.gather(folder)
    return folder / "pages"


def test_the_reference_names_every_module_of_core_that_is_a_library(pages: Path) -> None:
    told = set(re.findall(r"^::: (\S+)$", "\n".join(page.read_text() for page in pages.glob("reference/*.md")), re.M))
    expected = {module.name for module in sources("core") if module.text.strip()}
    inner = {name for name in expected if name.split(".")[1:2] in (["cli"], ["__main__"])}
    assert told == expected - inner
    settings = (pages.parent / "mkdocs.yml").read_text()
    assert all(f"reference/{part}.md" in settings for part in docs_site.parts())


def test_no_link_leads_out_of_the_site(pages: Path) -> None:
    for page in pages.rglob("*.md"):
        targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        local = [target for target in targets if not target.startswith("http")]
        assert [target for target in local if not (page.parent / target).exists()] == [], page.name


@pytest.mark.parametrize("page", TASKS, ids=lambda page: page.stem)
def test_each_task_is_listed_on_the_first_page_and_in_the_navigation(page: Path) -> None:
    assert f"](tasks/{page.name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert f"- tasks/{page.name}\n" in docs_site.SETTINGS.read_text(encoding="utf-8")


def test_pictures_are_small_and_all_are_shown() -> None:
    text = "\n".join(
        page.read_text(encoding="utf-8") for page in [ROOT / "README.md", ROOT / "docs" / "index.md", *TASKS]
    )
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert {picture.name for picture in pictures} == set(re.findall(r"pictures/([\w.-]+)\)", text))
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
