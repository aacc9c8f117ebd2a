"""Where tensors are worked on, in which number format, and in which memory order."""

import platform

import torch

from core.errors import DeviceError


def available() -> list[str]:
    """Names of the devices of this machine, best first: `cuda:0` … > `mps` > `cpu`."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def choose(name: str = "auto") -> torch.device:
    """The best device for `auto`, else the one named. Raises `DeviceError` with the names that exist."""
    names = available()
    if name == "auto":
        return torch.device(names[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in names:
        raise DeviceError(f"There is no device {name} here; choose one of auto, {', '.join(names)}.")
    return torch.device(wanted)


def share_of(device: torch.device, *, rank: int, devices: int) -> torch.device:
    """Where process number `rank` of `devices` works: on GPUs that follow `device`, or all together on the CPU.

    Raises `DeviceError` where there are not as many GPUs.
    """
    if devices == 1 or device.type == "cpu":
        return device
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if there < devices:
        raise DeviceError(f"There are not {devices} GPUs here but {there}: choose fewer devices, or --device cpu.")
    return torch.device(device.type, ((device.index or 0) + rank) % there)


def describe(device: torch.device) -> str:
    """What a person calls it, for tables of latency: `NVIDIA H200`, `Intel Xeon, 2 threads`."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or "CPU"
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def autocast_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """The dtype for autocast; float32 means none.

    `auto` takes bfloat16 only where the processor has instructions for it: emulated, it is slower than float32
    (docs/LOG.md).
    """
    if precision != "auto":
        dtype: torch.dtype = getattr(torch, precision)
        if dtype == torch.float16 and device.type == "cpu":
            raise DeviceError("float16 needs a GPU: choose auto, bfloat16 or float32 on a CPU.")
        return dtype
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return torch.bfloat16 if has.get("avx512_bf16") or has.get("amx_bf16") else torch.float32
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
