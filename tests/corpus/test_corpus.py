"""Every file of the corpus is read right or refused in one sentence: here and in the confined process."""

import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from core.cli.main import main
from core.errors import ImageError
from core.imagery.confined_picture import ConfinedPicture
from core.imagery.decode import open_here
from core.imagery.limits import Limits
from tests.corpus.everything import everything, hostile, valid
from tests.corpus.sample import Sample

LIMITS = Limits(pixels=500_000_000)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    if min(one.shape[:2]) < 7:
        return float(np.abs(one.astype(int) - other).mean() < 2)
    return float(structural_similarity(one, other, channel_axis=2, data_range=255))


def one_sentence(text: str) -> bool:
    return "\n" not in text and "Traceback" not in text and text.endswith((".", ")")) and len(text) < 300


def assert_as_made(sample: Sample, rgb: np.ndarray, valid_pixels: np.ndarray | None) -> None:
    assert sample.truth is not None
    shown = rgb if valid_pixels is None else np.where(valid_pixels[..., None], rgb, 0)
    truth = sample.truth if valid_pixels is None else np.where(valid_pixels[..., None], sample.truth, 0)
    assert shown.shape == truth.shape
    assert similarity(shown.astype(np.uint8), truth.astype(np.uint8)) >= 0.9


def test_the_corpus_is_as_large_as_it_claims() -> None:
    names = [sample.name for sample in everything()]
    assert len(valid()) >= 60
    assert len(hostile()) >= 60
    assert len(set(names)) >= 120


@pytest.mark.parametrize("sample", valid(), ids=lambda sample: sample.name)
def test_a_valid_file_is_read_as_it_was_made(sample: Sample) -> None:
    picture = open_here(sample.data, limits=LIMITS)
    rgb, known = picture.read(0, 0, picture.info.height, picture.info.width)
    assert_as_made(sample, rgb, known)
    if sample.note is not None:
        assert any(sample.note in note for note in picture.info.notes)
    picture.close()


@pytest.mark.parametrize("sample", hostile(), ids=lambda sample: sample.name)
def test_a_hostile_file_is_refused_in_a_sentence(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "scans" in sample.name or "nine_and_nine" in sample.name:
        pytest.skip("takes the limits of the child process: see the test of the confined process")
    refusal = None
    try:
        picture = open_here(sample.data, limits=LIMITS)
        picture.read(0, 0, min(picture.info.height, 2000), min(picture.info.width, 2000))
        picture.close()
    except ImageError as error:
        refusal = str(error)
    assert sample.either if refusal is None else one_sentence(f"It {refusal}")
    assert list(tmp_path.iterdir()) == []


def read_everything(folder: Path) -> tuple[list[float], int, float]:
    """Processor seconds of each file, how many were refused, and the most megabytes that a child held."""
    seconds, refused = [], 0
    for at, sample in enumerate(everything()):
        path = folder / f"{at:03d}"
        path.write_bytes(sample.data)
        before = _children_seconds()
        refusal = None
        try:
            with ConfinedPicture(path, name=sample.name, limits=LIMITS) as picture:
                rgb, known = picture.read(0, 0, min(picture.info.height, 9999), min(picture.info.width, 9999))
        except ImageError as error:
            refusal = str(error)
        seconds.append(_children_seconds() - before)
        if refusal is None and sample.truth is not None:
            assert_as_made(sample, rgb, known)
        elif refusal is None:
            assert sample.either, sample.name
        else:
            assert sample.truth is None, refusal
            assert one_sentence(refusal)
            assert refusal.startswith(sample.name)
            refused += 1
    return seconds, refused, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _children_seconds() -> float:
    """Processor seconds of all children that have ended: what others do on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_confined_process_reads_all_of_it_within_its_limits(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each file in a child of its own: no crash, p99 5 processor seconds, memory bounded, right pictures, none left.

    A fresh process starts the children: the memory that this one is told of is that of every child it ever had.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        seconds, refused, most = fresh.submit(read_everything, tmp_path).result()
    assert refused >= 60
    record_property("seconds_p50_p99", (float(np.median(seconds)), float(np.percentile(seconds, 99))))
    record_property("most_megabytes", most)
    assert np.median(seconds) > 0, "the children have ended"
    assert np.percentile(seconds, 99) <= 5
    assert most <= 1500
    assert len(list(tmp_path.iterdir())) == len(everything())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_line_takes_a_third_of_the_corpus_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a refusal, a mask for every valid file, exit code 1. Each file alone: see the confined process."""
    samples = [*valid()[::3], *hostile()[::3]]
    folder = tmp_path / "in"
    folder.mkdir()
    paths = []
    for at, sample in enumerate(samples):
        paths.append(folder / f"{at:03d}{Path(sample.name).suffix}")
        paths[-1].write_bytes(sample.data)
    code = main(["predict", *map(str, paths), "--model", "student", "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert code == 1
    assert "Traceback" not in out + err
    for path, sample in zip(paths, samples, strict=True):
        if sample.truth is not None:
            assert (tmp_path / "out" / f"{path.stem}.png").is_file(), sample.name
    refusals = [line for line in err.splitlines() if line.startswith("terrastill: ")]
    assert all(one_sentence(line) for line in refusals)
    assert len(out.splitlines()) >= len(valid()[::3])


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null"])
def test_devices_and_pipes_are_no_pictures(place: str, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.png")
    for path in (Path(place), tmp_path / "pipe.png"):
        with pytest.raises(ImageError, match="is no file"):
            ConfinedPicture(path)
