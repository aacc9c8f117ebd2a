"""Devices by name, and number formats only where the hardware has them."""

import pytest
import torch

from core import device
from core.errors import DeviceError


def pretend(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, mps: bool = False, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_the_best_device_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2, mps=True)
    assert device.available() == ["cuda:0", "cuda:1", "mps", "cpu"]
    assert device.choose() == torch.device("cuda:0")
    pretend(monkeypatch, mps=True)
    assert device.choose("auto") == torch.device("mps")
    pretend(monkeypatch)
    assert device.choose("auto") == torch.device("cpu")


def test_a_device_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2)
    assert device.choose("cuda") == torch.device("cuda:0")
    assert device.choose("cuda:1") == torch.device("cuda:1")
    assert device.choose("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "gpu", "", "cpu:0; rm"])
def test_a_device_that_is_not_there_names_those_that_are(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch)
    with pytest.raises(DeviceError, match="choose one of auto, cpu"):
        device.choose(name)


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({}, torch.float32),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_bfloat16_on_a_cpu_only_with_the_instructions(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert device.autocast_dtype(torch.device("cpu")) == dtype


def test_half_precision_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=1)
    assert device.autocast_dtype(torch.device("cuda:0")) == torch.bfloat16
    pretend(monkeypatch, gpus=1, bf16=False)
    assert device.autocast_dtype(torch.device("cuda:0")) == torch.float16
    assert device.autocast_dtype(torch.device("cuda:0"), "float16") == torch.float16
    assert device.autocast_dtype(torch.device("mps")) == torch.float32


def test_a_precision_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert device.autocast_dtype(torch.device("cpu"), "float32") == torch.float32
    with pytest.raises(DeviceError, match="choose auto, bfloat16 or float32"):
        device.autocast_dtype(torch.device("cpu"), "float16")


@pytest.mark.parametrize(("dtype", "inside"), [(torch.float32, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_autocast_in_the_dtype_given(dtype: torch.dtype, inside: torch.dtype) -> None:
    with device.autocast(torch.device("cpu"), dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == inside


def test_a_person_is_told_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert device.describe(torch.device("cpu")).endswith(", 1 thread")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert device.describe(torch.device("cpu")).endswith(", 8 threads")
    assert not device.describe(torch.device("cpu")).startswith(",")
