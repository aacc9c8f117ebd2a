"""Exit codes, one-line errors, and a help that does not wait for torch."""

import argparse
import resource
import subprocess
import sys

import pytest

from core import paths
from core.cli import main as cli
from core.errors import ConfigError, ImageError

from .conftest import Run

VERBS = ("data", "train", "distill", "evaluate", "predict", "benchmark", "models", "runs", "worker")


class Verb:
    """A verb whose work is `action`."""

    def __init__(self, action: BaseException | int) -> None:
        self.action = action

    def add(self, verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        verbs.add_parser("try").set_defaults(run=self.run)

    def run(self, args: argparse.Namespace) -> int:
        assert args is not None
        if isinstance(self.action, BaseException):
            raise self.action
        return self.action


@pytest.mark.parametrize(
    ("action", "code", "line"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (ImageError("a.png is damaged:\n  export it again."), 1, "terrastill: a.png is damaged: export it again.\n"),
        (ConfigError(["One.", "Two."]), 1, "terrastill: One. · Two.\n"),
        (KeyboardInterrupt(), 130, "terrastill: interrupted.\n"),
    ],
)
def test_every_end_has_its_exit_code_and_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, action: BaseException | int, code: int, line: str
) -> None:
    monkeypatch.setattr(cli, "VERBS", (Verb(action),))
    assert run("try") == (code, "", line)


def test_a_file_that_cannot_be_written_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", (Verb(PermissionError(13, "Permission denied", "/x/y.png")),))
    code, out, err = run("try")
    assert (code, out) == (1, "")
    assert err.startswith("terrastill: /x/y.png: Permission denied.")
    assert err.count("\n") == 1


def test_our_own_mistakes_are_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", (Verb(ZeroDivisionError()),))
    with pytest.raises(ZeroDivisionError):
        run("try")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("fly",),
        ("predict",),
        ("evaluate",),
        ("evaluate", "--model", "m", "--wings"),
        ("data",),
        ("train", "--epochs", "x"),
    ],
)
def test_wrong_usage_leaves_with_two(run: Run, argv: tuple[str, ...]) -> None:
    code, out, err = run(*argv)
    assert code == 2
    assert out == ""
    assert "usage:" in err


@pytest.mark.parametrize("verb", VERBS[:-1])
def test_each_verb_explains_itself(run: Run, verb: str) -> None:
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert f"python -m core {verb}" in out


def test_help_names_all_verbs_quickly_and_imports_nothing_heavy() -> None:
    heavy = ["torch", "numpy", "PIL", "rasterio", "sqlalchemy", "tqdm"]
    script = (
        "import sys\nfrom core.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=paths.ROOT, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5, "seconds of the processor, about 0.2"
    assert found.stdout.splitlines()[-1] == "[]"
    assert set(VERBS) <= set(found.stdout.split())


def test_the_module_itself_gives_the_exit_code() -> None:
    command = [sys.executable, "-m", "core", "fly"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT, check=False)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
