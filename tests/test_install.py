"""The project as an installable package: its command, its version, its dependencies, its files."""

import importlib
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from core.cli import main
from core.paths import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]


def test_the_command_is_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module, attribute = PROJECT["scripts"]["terrastill"].split(":")
    start = getattr(importlib.import_module(module), attribute)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/terrastill", "--help"])
    with pytest.raises(SystemExit) as left:
        start()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: terrastill ")
    monkeypatch.setattr(sys, "argv", ["core/__main__.py"])
    assert main.parser().prog == "python -m core"


def test_dependencies_are_those_of_requirements_txt() -> None:
    assert PROJECT["dynamic"] == ["dependencies"]
    assert SETTINGS["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    assert all(Requirement(line) for line in lines if line), "setuptools reads plain requirements only"


def test_each_version_has_its_part_of_the_changelog() -> None:
    """A version that is not marked as being developed has a heading, and the newest heading is that version."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [re.fullmatch(r"(\d+\.\d+\.\d+) – \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(released)
    version = Version(PROJECT["version"])
    if not version.is_prerelease:
        assert released
        assert released[0] is not None
        assert released[0][1] == str(version)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_all_files_of_the_app_are_packed() -> None:
    packed = {pattern.rsplit(".", 1)[1] for pattern in SETTINGS["tool"]["setuptools"]["package-data"]["app"]}
    files = [path for path in (ROOT / "app").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix[1:] for path in files} - {"py"} == packed
