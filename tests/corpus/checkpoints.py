"""Checkpoints that mean harm: pickles under our names, headers without measure, weights that fit no model."""

import io
import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from core.cards import ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.models import build_model

MODEL = ModelConfig("unet", {"base": 2})
CARD = ModelCard("m", MODEL, AERIAL, (127.0,) * 3, (128.0,) * 3, parameters=1, macs_256=1)


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (self.path,)


def weights() -> dict[str, torch.Tensor]:
    return {key: value.contiguous() for key, value in build_model(MODEL, outputs=AERIAL.outputs).state_dict().items()}


def header(tensors: dict[str, Any], data: bytes = b"", *, size: int | None = None) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def malicious(canary: Path) -> Iterator[tuple[str, bytes, str]]:
    """Name, weights and card; every one must be refused, and the canary must not appear."""
    good = weights()
    card = CARD.to_json()
    torch_file = io.BytesIO()
    torch.save({"weight": Canary(canary)}, torch_file)
    yield "pickle", pickle.dumps(Canary(canary)), card
    yield "torch_zip", torch_file.getvalue(), card
    yield "pickle_behind_a_header", header({"a": Canary.__name__}) + pickle.dumps(Canary(canary)), card
    yield "header_of_exabytes", header({}, size=2**63 - 1), card
    yield "header_longer_than_the_file", header({}, bytes(10), size=90_000_000), card
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    yield "header_without_bottom", struct.pack("<Q", len(deep)) + deep, card
    entry = {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 4]}
    yield "shape_of_exabytes", header({"a": entry}, bytes(4)), card
    two = {key: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for key in "ab"}
    yield "tensors_over_one_another", header(two, bytes(4)), card
    first = next(iter(good))
    yield "wrong_shape", save({**good, first: torch.zeros(7, 7)}), card
    yield "tensor_missing", save({key: value for key, value in good.items() if key != first}), card
    yield "tensor_too_many", save({**good, "more": torch.zeros(3)}), card
    yield "not_a_number", save({**good, first: torch.full_like(good[first], torch.nan)}), card
    yield "infinite", save({**good, first: torch.full_like(good[first], torch.inf)}), card
    yield "card_is_a_pickle", save(good), pickle.dumps(Canary(canary)).decode("latin-1")
    yield "card_without_bottom", save(good), "[" * 100_000
    yield "card_names_a_module", save(good), card.replace('"unet"', '"os.system"')
    huge = {"architecture": "unet", "encoder": "resnet18", "decoder_channels": [60_000] * 5}
    smp = ModelCard("m", ModelConfig("smp", huge), AERIAL, (127.0,) * 3, (128.0,) * 3, parameters=1, macs_256=1)
    yield "card_asks_for_terabytes", save(good), smp.to_json()
    yield "card_scales_by_nought", save(good), card.replace("128.0", "0.0")
