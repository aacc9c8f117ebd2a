"""A tiny model on disk, folders of small scenes, and the command line called in this process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import checkpoint
from core.checkpoint import ModelCard
from core.cli.main import main
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.data.palette import to_rgb
from core.models import build_model, count_macs, count_parameters

Run = Callable[..., tuple[int, str, str]]
MakeFolder = Callable[..., Path]


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    """The stem of a saved unet(2) with random weights."""
    torch.manual_seed(0)
    config = ModelConfig("unet", {"base": 2})
    model = build_model(config, outputs=AERIAL.outputs)
    card = ModelCard(
        name="tiny",
        model=config,
        classes=AERIAL,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        parameters=count_parameters(model),
        macs_256=count_macs(model),
    )
    stem = tmp_path / "models" / "tiny"
    checkpoint.save(stem, model, card)
    return stem


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes scenes of random pixels; `parts` makes the tile layout, `names` the flat one."""

    def make(*, parts: tuple[int, ...] = (), names: tuple[str, ...] = (), tiles: tuple[int, ...] = (1, 2)) -> Path:
        root = tmp_path / f"data{len(list(tmp_path.iterdir()))}"
        places = [(root / f"Tile {tile}", f"image_part_{part:03d}") for tile in tiles for part in parts]
        places += [(root, name) for name in names]
        rng = np.random.default_rng(0)
        for place, stem in places:
            for folder in ("images", "masks"):
                (place / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (33, 40, 3), dtype=np.uint8)).save(place / "images" / f"{stem}.png")
            mask = rng.integers(0, 6, (33, 40), dtype=np.uint8)
            Image.fromarray(to_rgb(mask, AERIAL)).save(place / "masks" / f"{stem}.png")
        return root

    return make


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(*argv)` gives (exit code, stdout, stderr)."""

    def call(*argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(item) for item in argv])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call
