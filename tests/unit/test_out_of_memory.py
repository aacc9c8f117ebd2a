"""Out of memory: how it is found, and a batch reduced to half without changing what is learned."""

import errno
import signal
from pathlib import Path
from typing import get_args

import pytest
import torch

from core.config import RunConfig, TrainConfig
from core.errors import DeviceError, DiskFullError, ImageError, TerrastillError
from core.out_of_memory import (
    ExitWatch,
    Work,
    count_kernel_kills,
    ended_at_limit,
    is_out_of_memory,
    lacking,
    out_of_memory_as,
    plan_retry,
    raise_as_memory_error,
    reduce_batch,
    too_large,
)
from core.runs.store.records import QUICK_KINDS


def _config(batch: int, parts: int = 1) -> RunConfig:
    return RunConfig(kind="train", train=TrainConfig(batch_size=batch, accumulate=parts))


@pytest.mark.parametrize(("batch", "parts", "after"), [(16, 1, 8), (16, 2, 4), (12, 2, 3), (6, 1, 3), (5, 1, 1)])
def test_at_most_half_as_many_pictures_at_once_in_the_same_batch(batch: int, parts: int, after: int) -> None:
    smaller = reduce_batch(_config(batch, parts))
    assert smaller is not None
    assert smaller.train.batch_size == batch
    assert smaller.train.images_at_once == after <= _config(batch, parts).train.images_at_once / 2
    assert smaller.validate() == smaller


def test_one_picture_cannot_be_halved() -> None:
    assert reduce_batch(_config(1)) is None
    message = "Ran out of memory at batch 1 on cpu; try a smaller crop or a smaller student."
    assert plan_retry(_config(1), "cpu", 0) == (None, message)


def test_the_sentence_names_batch_device_and_what_to_try() -> None:
    assert plan_retry(_config(16), "cuda:0", 0)[1] == "Ran out of memory at batch 16 on cuda:0; try 8."


def test_a_batch_is_reduced_once_and_then_the_run_fails() -> None:
    assert plan_retry(_config(16), "cpu", 0)[0] == reduce_batch(_config(16))
    assert plan_retry(_config(16), "cpu", 1)[0] is None


def test_a_failed_allocation_on_this_machine_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


class CPLE_OutOfMemoryError(Exception):  # noqa: N801
    """As GDAL calls its own."""


@pytest.mark.parametrize(
    "reason",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), OSError(errno.ENOMEM, "Cannot allocate memory")],
    ids=repr,
)
def test_a_lack_of_memory_becomes_the_error_of_what_was_done(reason: Exception) -> None:
    wanted = ImageError(lacking("masking", name="a.tif"))
    with pytest.raises(ImageError, match=r"^a\.tif needs more memory") as caught, out_of_memory_as(wanted):
        raise reason
    assert caught.value.__cause__ is reason


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        OSError(errno.ENOSPC, "No space left"),
        ValueError("x"),
        ImageError("is empty"),
        DiskFullError("The disk is full."),
        DeviceError("The memory of cuda:0 is full: use smaller tiles."),
    ],
    ids=repr,
)
def test_every_other_failure_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, out_of_memory_as(TerrastillError("another")):
        raise error
    assert caught.value is error


def test_an_error_of_a_library_becomes_pythons_own() -> None:
    with pytest.raises(MemoryError, match="the grid"):
        raise_as_memory_error(CPLE_OutOfMemoryError("malloc"), "the grid")
    raise_as_memory_error(ValueError("another"), "the grid")


def test_each_kind_of_work_has_a_whole_sentence_that_says_what_to_do() -> None:
    for work in get_args(Work):
        told = lacking(work, name="a.tif", during=" (reading)", memory=512 * 1024**2)
        assert "{" not in told
        assert "memory" in told or "512 MB" in told
        # What the labels of a picture lack is the reason in a list of misfits.
        assert work == "labels" or ((": " in told or "Use " in told) and told.endswith("."))
    assert all(too_large(kind).endswith(".") for kind in QUICK_KINDS)


@pytest.mark.parametrize(
    ("code", "at_limit"), [(-signal.SIGKILL, True), (-signal.SIGABRT, True), (-signal.SIGSEGV, False), (1, False)]
)
def test_a_confined_process_that_is_killed_or_aborts_was_at_its_limit(code: int, at_limit: bool) -> None:
    assert ended_at_limit(code) == at_limit


def test_the_kernels_count_is_read_from_any_of_its_files(tmp_path: Path) -> None:
    events, stat = tmp_path / "memory.events", tmp_path / "vmstat"
    assert count_kernel_kills([events, stat]) == 0
    events.write_text("low 0\noom 5\noom_kill 3\noom_group_kill 9\n")
    stat.write_text("pgfault 77\noom_kill 2\n")
    assert count_kernel_kills([events, stat]) == 3
    events.write_text("oom_kill many\n")
    assert count_kernel_kills([events, stat]) == 2


@pytest.mark.parametrize(
    ("code", "lines", "kills", "short"),
    [
        (-9, [], 1, True),
        (137, [], 1, True),
        (-9, [], 0, False),
        (-15, [], 1, False),
        (1, ["RuntimeError: odd"], 1, False),
        (1, ["numpy.exceptions._ArrayMemoryError: Unable to allocate 3.1 GiB"], 0, True),
        (0, ["Warning: CUDA out of memory, tried again."], 1, False),
    ],
)
def test_the_end_of_a_process_shows_whether_memory_ran_out(
    code: int, lines: list[str], kills: int, short: bool
) -> None:
    counted = iter([5, 5 + kills])
    assert ExitWatch(lambda: next(counted)).ended_out_of_memory(code, lines) == short
