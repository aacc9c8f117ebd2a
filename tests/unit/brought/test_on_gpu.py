"""An ONNX model on the GPU, with stand-ins for what ONNX Runtime offers: no GPU is needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import nn

from core.brought.found import ModelAnswers
from core.brought.onnx_session import OnnxSession
from core.cards import load_card, resolve
from core.models.external import load_brought, running_note
from core.models.external.importer import import_model
from tests.unit.brought.graphs import NAMES, batch, bright, picture

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SAID = ModelAnswers(classes=NAMES, mean=(0, 0, 0), std=(1, 1, 1), scale=1)
Offer = Callable[..., list[list[str]]]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Make ONNX Runtime offer these providers; gives the lists with which sessions are opened, as they are opened."""
    real = onnxruntime.InferenceSession

    class OnGpu:
        """A session that says it runs on the GPU; the processor answers for it."""

        def __init__(self, file: str, options: object) -> None:
            self._real = real(file, options, providers=[CPU])

        def get_providers(self) -> list[str]:
            return [CUDA, CPU]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    def offering(*providers: str, fails: Exception | None = None, silent: bool = False) -> list[list[str]]:
        opened: list[list[str]] = []

        def session(file: str, options: object, *, providers: list[str]) -> Any:
            opened.append(providers)
            if CUDA in providers and fails is not None:
                raise fails
            return OnGpu(file, options) if CUDA in providers and not silent else real(file, options, providers=[CPU])

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(providers))
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        return opened

    return offering


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return bright(tmp_path / "net.onnx", source=("n", 3, "h", "w"), result=("n", 3, "h", "w"))


def test_the_gpu_is_taken_where_it_is_offered_and_asked_for(source: Path, offer: Offer) -> None:
    opened = offer(CUDA, CPU)
    assert OnnxSession(source, cuda=True).note == ""
    OnnxSession(source)
    assert opened == [[CUDA, CPU], [CPU]]


@pytest.mark.parametrize(
    ("offered", "more", "words"),
    [
        ((CPU,), {}, "pip install onnxruntime-gpu"),
        ((CUDA, CPU), {"silent": True}, "could not start CUDA"),
        ((CUDA, CPU), {"fails": RuntimeError("CUDA failure 35: driver too old\nat line 1")}, "35: driver too old"),
    ],
)
def test_one_that_fails_there_runs_on_the_processor_and_a_sentence_says_so(
    source: Path, offer: Offer, offered: tuple[str, ...], more: dict[str, Any], words: str
) -> None:
    opened = offer(*offered, **more)
    session = OnnxSession(source, cuda=True)
    assert words in session.note
    assert "\n" not in session.note
    assert opened[-1] == [CPU]
    images = batch(picture(32)).numpy()
    assert session(images) == pytest.approx(0.02 * images)


def test_what_its_owner_imported_runs_on_the_gpu_and_what_a_visitor_brought_never(
    source: Path, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, confined in (("own", False), ("visitors", True)):
        import_model(source, name, SAID, confined=confined)
    opened = offer(CUDA, CPU, fails=RuntimeError("no kernel image"))
    monkeypatch.setattr(nn.Module, "to", lambda self, *_, **__: self)
    models = {}
    for name in ("own", "visitors"):
        stem = resolve(name)
        models[name] = load_brought(stem.parent, load_card(stem), torch.device("cuda"))
    assert opened == [[CUDA, CPU], [CPU]]
    assert "no kernel image" in running_note(nn.Sequential(models["own"]))
    assert running_note(models["visitors"]) == ""
