"""What `.ci/run` tries again: a test that fails with an error of Playwright, once, and never one of a wrong value."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from benchmarks.serving import CHROMIUM, ROOT

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here")]

# A fixture of the module, as servers and browsers are, and tests that fail the first time in different ways.
_TESTS = """
import json, os, pathlib, pytest
from playwright.sync_api import Error, TimeoutError
said = json.loads(os.environ["SAID"])
here = pathlib.Path(os.environ["COUNTS"])
def count(name):
    with (here / name).open("a") as file:
        file.write("x")
    return (here / name).stat().st_size
@pytest.fixture(scope="module")
def server():
    count("set up")
    yield
    count("torn down")
@pytest.mark.parametrize("kind", sorted(said))
def test_the_page(server, kind):
    if count(kind) == 1:
        kinds = {kind.__name__: kind for kind in (Error, TimeoutError, AssertionError)}
        raise kinds[said[kind][0]](said[kind][1])
def test_a_value(server):
    assert count("value") == 2
"""


def options() -> list[str]:
    """Those of `.ci/run` that try a test again."""
    found = re.search(r"^again=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert found is not None
    return shlex.split(found[1])


def told_by_playwright(page: Page) -> dict[str, tuple[str, str]]:
    """Real errors: a control that is there twice, one that does not come, a text and an address that are others."""
    page.set_content("<button>Save</button><button>Save</button><p>one</p>")
    acts = {
        "twice": lambda: page.get_by_role("button", name="Save").click(timeout=50),
        "gone": lambda: page.get_by_role("button", name="Send").click(timeout=50),
        "text": lambda: expect(page.locator("p")).to_have_text("two", timeout=50),
        "address": lambda: expect(page).to_have_url("http://localhost/other", timeout=50),
        "never": lambda: page.wait_for_function("() => false", timeout=50),
    }
    found = {}
    for name, act in acts.items():
        with pytest.raises((Error, AssertionError)) as caught:
            act()
        found[name] = (type(caught.value).__name__, str(caught.value))
    return found


def test_what_playwright_says_is_tried_once_more_and_a_wrong_value_is_not(page: Page, tmp_path: Path) -> None:
    said = told_by_playwright(page)
    (tmp_path / "test_pages.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadfile", *options(), tmp_path / "test_pages.py"]
    environment = {**os.environ, "SAID": json.dumps(said), "COUNTS": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    tried = {name: (tmp_path / name).stat().st_size for name in (*said, "value")}
    assert tried == {**dict.fromkeys(said, 2), "value": 1}, done.stdout[-3000:]
    assert f"1 failed, {len(said)} passed, {len(said)} rerun" in done.stdout
    assert all(f"RERUN test_pages.py::test_the_page[{name}]" in done.stdout for name in said)
    assert {(tmp_path / name).stat().st_size for name in ("set up", "torn down")} == {1}
