"""Zips and checkpoints that mean harm: all refused in a sentence, nothing written outside, no canary."""

import tracemalloc
from pathlib import Path

import pytest

from core import checkpoint
from core.errors import CheckpointError, ImageError
from core.imagery.archives import ZipLimits, extract
from tests.corpus.checkpoints import malicious, weights
from tests.corpus.test_corpus import one_sentence
from tests.corpus.zips import PICTURE, end, end64, hostile, large_tables, packed

ZIPS, TABLES = dict(hostile()), dict(large_tables())


@pytest.mark.parametrize("name", ZIPS)
def test_a_hostile_zip_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    place = tmp_path / "in" / "place"
    place.mkdir(parents=True)
    path = tmp_path / "given.zip"
    path.write_bytes(ZIPS[name])
    with pytest.raises(ImageError) as refusal:
        extract(path, place, name="given.zip")
    assert one_sentence(str(refusal.value))
    assert str(refusal.value).startswith("given.zip ")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_a_good_zip_gives_its_pictures_under_numbers(tmp_path: Path) -> None:
    path = tmp_path / "given.zip"
    path.write_bytes(
        packed(("a/b.png", PICTURE), ("__MACOSX/._b.png", b"x"), ("notes.txt", b"x"), ("ü<b>.PNG", PICTURE))
    )
    found = extract(path, tmp_path)
    assert [(entry.name, entry.path.name) for entry in found] == [("b.png", "0001"), ("ü<b>.PNG", "0004")]
    assert all(entry.path.read_bytes() == PICTURE for entry in found)


def test_what_streams_out_is_counted_together(tmp_path: Path) -> None:
    path = tmp_path / "given.zip"
    path.write_bytes(packed(*((f"{at}.png", PICTURE) for at in range(5))))
    limits = ZipLimits(total_bytes=3 * len(PICTURE))
    with pytest.raises(ImageError, match="more than it may"):
        extract(path, tmp_path, limits=limits)
    assert [file.name for file in tmp_path.iterdir()] == ["given.zip"]


@pytest.mark.parametrize("name", TABLES)
def test_no_record_of_a_zip_makes_a_large_table_be_read(name: str, tmp_path: Path) -> None:
    """Refused at a fraction of the memory that the table of contents would take, whichever record tells its size."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "given.zip"
    path.write_bytes(TABLES[name])
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as refusal:
            extract(path, tmp_path / "in", name="given.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert one_sentence(str(refusal.value))
    assert peak < 4 * 1024**2
    assert not list((tmp_path / "in").iterdir())


def test_a_good_zip64_is_read(tmp_path: Path) -> None:
    """Some programs write its records into every zip."""
    data = packed(("a.png", PICTURE))
    at, stop = data.find(b"PK\1\2"), data.find(b"PK\5\6")
    path = tmp_path / "given.zip"
    path.write_bytes(data[:stop] + end64(1, stop - at, at) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
    assert [entry.name for entry in extract(path, tmp_path)] == ["a.png"]


def test_no_malicious_checkpoint_runs_or_loads(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    count = 0
    for name, data, card in malicious(canary):
        stem = tmp_path / name
        stem.with_name(name + ".safetensors").write_bytes(data)
        stem.with_name(name + ".json").write_text(card, encoding="utf-8")
        with pytest.raises(CheckpointError, match=r".") as refusal:
            checkpoint.load(stem)
        assert "\n" not in str(refusal.value), name
        count += 1
    assert count >= 10
    assert not canary.exists()


def test_the_canary_sings_when_it_is_unpickled(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    import pickle

    from tests.corpus.checkpoints import Canary

    pickle.loads(pickle.dumps(Canary(tmp_path / "canary")))  # noqa: S301
    assert (tmp_path / "canary").exists()


def test_good_weights_still_load(tmp_path: Path) -> None:
    from safetensors.torch import save

    from tests.corpus.checkpoints import CARD

    (tmp_path / "m.safetensors").write_bytes(save(weights()))
    (tmp_path / "m.json").write_text(CARD.to_json())
    assert checkpoint.load(tmp_path / "m").card.name == "m"
