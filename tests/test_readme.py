"""README says what is true: its commands are understood, its paths are there, nothing important is missing."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from core.cli.main import VERBS, parser
from core.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
CORE_LINES = [shlex.split(line)[3:] for line in LINES if line.startswith("python -m core ")]
TARGETS = sorted(set(re.findall(r"\bmake ([a-z]+)", " ".join([*LINES, *SPANS]))))

# Not in a fresh clone: the project makes them when it is used.
MADE_BY_USE = {"runs/", "data/dubai/"}


def _make(*arguments: str) -> str:
    command = ["make", "--dry-run", "--always-make", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_first_block_is_the_two_commands() -> None:
    assert [line.split("#")[0].strip() for line in BLOCKS[0].splitlines()] == ["make app", "make test"]


def test_make_app_installs_the_requirements_then_serves() -> None:
    recipe = _make("app", "CONSTRAINTS=")
    assert recipe.index("-r requirements.txt") < recipe.index("streamlit run app/main.py")
    assert "requirements-dev" not in recipe
    assert (ROOT / "app" / "main.py").is_file()


def test_make_test_installs_what_tests_need_then_runs_pytest() -> None:
    recipe = _make("test", "CONSTRAINTS=")
    assert recipe.index("-r requirements-dev.txt") < recipe.index("-m pytest")
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text()


def test_the_lines_without_make_are_what_make_runs() -> None:
    plain = [line for line in LINES if line.startswith(".venv/bin/")]
    assert {".venv/bin/pip install -r requirements.txt", ".venv/bin/pip install -r requirements-dev.txt"} <= set(plain)
    served = next(line for line in plain if "streamlit" in line)
    assert served in _make("app")
    assert ".venv/bin/python -m pytest" in plain


@pytest.mark.parametrize("target", TARGETS)
def test_each_make_target_exists(target: str) -> None:
    assert _make(target)


@pytest.mark.parametrize("arguments", CORE_LINES, ids=" ".join)
def test_each_command_is_understood(arguments: list[str]) -> None:
    """The whole line is parsed as if it were to run; argparse leaves with SystemExit where it does not understand."""
    parsed, rest = parser().parse_known_args(arguments)
    assert callable(parsed.run)
    assert rest == []


def test_each_verb_is_shown() -> None:
    assert {arguments[0] for arguments in CORE_LINES} == {verb.__name__.split(".")[-1] for verb in VERBS}


def test_each_path_named_exists() -> None:
    rows = re.findall(r"^\| `([^`]+)`", README.split("| in `core/`")[1], re.MULTILINE)
    spans = {span for span in SPANS if re.fullmatch(r"\w[\w./-]*(/|\.(py|md|txt|toml))", span)} - {*rows, *MADE_BY_USE}
    named = [*(f"core/{row}" for row in rows), *spans]
    assert len(named) > 25
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_folder_and_every_part_of_core_has_its_line() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout, so what is made by use cannot be told from what is ours")
    tracked = [Path(name).parts for name in listing.stdout.splitlines()]
    folders = {f"{parts[0]}/" for parts in tracked if len(parts) > 1 and not parts[0].startswith(".")}
    inner = {f"{parts[1]}/" if len(parts) > 2 else parts[1] for parts in tracked if parts[0] == "core"}
    assert folders | inner - {"__init__.py"} == set(re.findall(r"^\| `([^`]+)`", README, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_each_variable_named_is_read_somewhere() -> None:
    source = "".join(path.read_text() for folder in ("core", "app") for path in (ROOT / folder).rglob("*.py"))
    named = set(re.findall(r"TERRASTILL_[A-Z_]+", README))
    assert named
    assert [name for name in named if name not in source] == []
