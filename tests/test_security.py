"""docs/SECURITY.md is true: each threat names a test that is there, and the settings it speaks of are set."""

import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from app.services.access import Access
from core import checkpoint
from core.cards import ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError
from core.paths import ROOT

PAGE = (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]
SETTINGS = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


def test_each_threat_names_a_test_that_is_there() -> None:
    assert len(ROWS) >= 20
    for threat, test in ((row[0], test) for row in ROWS for test in row[2].split(",")):
        file, name = test.strip(" `").split("::")
        functions = {
            node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, f"{threat}: {test}"


def test_visitors_see_no_traceback() -> None:
    assert SETTINGS["client"]["showErrorDetails"] == "none"


def test_requests_of_other_sites_are_refused() -> None:
    assert SETTINGS["server"]["enableXsrfProtection"] is True
    assert SETTINGS["server"]["enableCORS"] is True


def test_the_upload_limit_of_the_server_is_that_of_the_page() -> None:
    from app.services import datasets, workspaces

    assert SETTINGS["server"]["maxUploadSize"] == workspaces.UPLOAD_MEGABYTES >= datasets.UPLOAD_MEGABYTES


def test_the_operators_file_is_told_in_full() -> None:
    shown = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    assert shown.keys() == {field.name for field in fields(Access)}


def test_a_card_never_makes_this_machine_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that asks for pretrained weights is built without them."""
    import segmentation_models_pytorch as smp

    asked = []

    def create(*_: object, **options: object) -> torch.nn.Module:
        asked.append(options["encoder_weights"])
        return torch.nn.Conv2d(3, 5, 1)

    monkeypatch.setattr(smp, "create_model", create)
    config = ModelConfig("smp", {"architecture": "unet", "encoder": "resnet18", "weights": "imagenet"})
    card = ModelCard("m", config, AERIAL, (127.0,) * 3, (128.0,) * 3, parameters=1, macs_256=1)
    checkpoint.save(tmp_path / "m", torch.nn.Conv2d(3, 5, 1), card)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "m")
    assert asked == [None]
