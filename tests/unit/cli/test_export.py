"""`export`: ONNX files and a zip in a folder; what cannot be exported is told in a sentence."""

import json
import zipfile
from pathlib import Path

import pytest

from core.cards import load_card, resolve
from core.models.committee import committee_card
from core.models.external.importer import keep_card

from .conftest import Run


@pytest.mark.slow
def test_files_and_parity_are_named(run: Run, model_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, _ = run("export", model_path, "--out", out, "--argmax", "--json")
    assert code == 0
    told = json.loads(said)
    assert {Path(name).name for name in told["bytes"]} == {"tiny.onnx", "tiny.zip"}
    assert all((out / Path(name).name).stat().st_size == size for name, size in told["bytes"].items())
    assert told["parity"]["model.onnx"]["agreement"] >= 0.9995
    assert told["parity"]["model.onnx"]["largest_difference"] is None
    with zipfile.ZipFile(out / "tiny.zip") as bundle:
        assert "mask, uint8" in bundle.read("README.txt").decode()


def test_an_unknown_model_is_refused(run: Run, tmp_path: Path) -> None:
    code, _, err = run("export", "nobody", "--out", tmp_path)
    assert code == 1
    assert "There is no model nobody" in err


def test_what_another_tool_needs_and_nobody_knows_is_asked_for(run: Run, model_path: Path, tmp_path: Path) -> None:
    code, _, err = run("export", model_path, "--for", "deepness", "--out", tmp_path / "out")
    assert code == 1
    assert "give it in centimetres a pixel (--resolution)" in err
    code, _, err = run("export", model_path, "--for", "deepness", "--int8", "--out", tmp_path / "out")
    assert code == 1
    assert "leave them out for deepness" in err
    code, _, err = run(
        "export", model_path, "--for", "deepness", "--resolution", "30", "--tile", "100", "--out", tmp_path
    )
    assert code == 1
    assert "a multiple of 32" in err
    assert not (tmp_path / "out").exists()


def test_every_format_is_offered_on_the_command_line() -> None:
    from core.cli.export import TARGETS
    from core.export.formats import FORMATS

    assert list(TARGETS) == ["onnx", *FORMATS]


@pytest.mark.parametrize("target", ["onnx", "deepness", "hub", "openvino", "stac"])
def test_of_a_model_that_was_brought_or_is_several_a_student_is_exported(
    run: Run, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    members = {name: load_card(resolve(name)) for name in ("student", "student-2")}
    keep_card("both", committee_card("both", members))
    code, _, err = run("export", "both", "--for", target, "--resolution", "30", "--out", tmp_path / "out")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "export a student of it" in err
    assert not (tmp_path / "out").exists()
