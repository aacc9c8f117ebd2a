"""A checkpoint that is not as it was written is found, and the one before it takes its place."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from core.errors import CheckpointError
from core.events import Event, MessageEvent
from core.train.checkpointing import TrainState, read_verified
from tests.unit.train.test_checkpointing import Run


def _saved_twice(folder: Path) -> tuple[Run, Path]:
    """A run whose newest checkpoint is of epoch 2 and the one before it of epoch 1."""
    run = Run()
    run.save(folder, TrainState(epoch=0, step=4, epochs=3))
    run.step()
    run.save(folder, TrainState(epoch=1, step=5, epochs=3))
    return run, folder / "state.safetensors"


def test_the_one_before_stays_beside_the_newest(tmp_path: Path) -> None:
    run, newest = _saved_twice(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["previous.safetensors", "state.safetensors"]
    for path, epoch in ((newest, 1), (tmp_path / "previous.safetensors", 0)):
        header, _ = read_verified(path.read_bytes())
        assert json.loads(header["progress"])["epoch"] == epoch
    run.save(tmp_path, TrainState(epoch=2))
    assert json.loads(read_verified((tmp_path / "previous.safetensors").read_bytes())[0]["progress"])["epoch"] == 1


def _places(data: bytes | bytearray) -> list[int]:
    """Forty: in the length, in the header with its names, its notes and the sum itself, and in the numbers."""
    header = 8 + int.from_bytes(data[:8], "little")
    special = [0, 3, 7, data.find(b"sha256") + 2, data.find(b'"sha256":"') + 20, header - 1]
    inside = [8 + part * (header - 8) // 17 for part in range(17)]
    return [*special, *inside, *(header + part * (len(data) - header) // 17 for part in range(17))]


@pytest.mark.parametrize("offset", range(40))
def test_one_changed_bit_anywhere_is_found_and_the_one_before_is_taken(tmp_path: Path, offset: int) -> None:
    _, newest = _saved_twice(tmp_path)
    data = bytearray(newest.read_bytes())
    at = _places(data)[offset]
    data[at] ^= 1 << (offset % 8)
    newest.write_bytes(data)
    with pytest.raises((ValueError, KeyError, TypeError, SafetensorError)):
        read_verified(bytes(data), without_checksum=("progress", "groups", "scaler"))
    said: list[Event] = []
    found = Run(seed=5, steps=1).load(tmp_path, said.append)
    assert found is not None
    assert (found[0].epoch, found[0].step) == (0, 4)
    assert [type(event) for event in said] == [MessageEvent]
    assert "the one before it, of epoch 1, step 4, is whole" in str(said[0])


def test_what_is_whole_is_taken_without_a_word(tmp_path: Path) -> None:
    run, _ = _saved_twice(tmp_path)
    said: list[Event] = []
    other = Run(seed=5, steps=1)
    found = other.load(tmp_path, said.append)
    assert found is not None
    assert (found[0].epoch, said) == (1, [])
    assert torch.equal(run.weights(), other.weights())


def test_two_damaged_files_are_told_once(tmp_path: Path) -> None:
    _, newest = _saved_twice(tmp_path)
    for path in (newest, tmp_path / "previous.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="no older one"):
        Run().load(tmp_path)


def test_a_kill_between_two_renames_leaves_what_can_be_gone_on_from(tmp_path: Path) -> None:
    _, newest = _saved_twice(tmp_path)
    newest.unlink()
    found = Run(seed=5).load(tmp_path)
    assert found is not None
    assert found[0].epoch == 0


def test_a_file_of_before_there_were_seals_still_loads(tmp_path: Path) -> None:
    _, newest = _saved_twice(tmp_path)
    header, tensors = read_verified(newest.read_bytes())
    save_file(tensors, newest, {key: value for key, value in header.items() if key != "sha256"})
    found = Run(seed=5, steps=1).load(tmp_path)
    assert found is not None
    assert found[0].epoch == 1


def test_what_cannot_be_read_back_takes_nobodys_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that loses a bit while it writes."""
    run, newest = _saved_twice(tmp_path)
    before = newest.read_bytes()
    write = Path.write_bytes

    def lose_a_bit(path: Path, data: bytes) -> int:
        return write(path, data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(Path, "write_bytes", lose_a_bit)
    with pytest.raises(ValueError, match="SHA-256"):
        run.save(tmp_path, TrainState(epoch=2))
    assert newest.read_bytes() == before
