"""No model of a situation has seen a picture that its name says it has not; student and control cost the same."""

import hashlib
from pathlib import Path

import pytest

from benchmarks import situations
from benchmarks.situations import Budget, Situation, control_run, link_folders, situation, student_run, teacher_run
from core.config import DataConfig, RunConfig
from core.data import open_dataset, open_split
from core.errors import ConfigError
from core.runs.execution import _training, _transfer
from tests.unit.data.pictures import save_pair

CASES = {
    "given 0": situation("given", labelled=0),
    "given 4": situation("given", labelled=4),
    "given all": situation("given"),
    "new place": situation("new-place", tile=3),
    "few 8": situation("few", labelled=8),
}
GIVEN = [name for name in CASES if name.startswith("given")]


@pytest.fixture(scope="module")
def dubai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dubai")
    for tile in range(1, 9):
        for part in range(1, 10):
            save_pair(root / f"Tile {tile}", f"image_part_{part:03}", seed=10 * tile + part)
    return root


def linked(asked: Situation, dubai: Path, folder: Path) -> tuple[RunConfig, RunConfig, RunConfig]:
    """Teacher, student and control of a situation, with their folders made."""
    link_folders(folder, dubai, asked.pictures)
    student = student_run(asked, folder, Budget(), 0, "teacher")
    return teacher_run(asked, folder, Budget()), student, control_run(student, "run", Budget())


def digests(config: RunConfig, *, labels: bool) -> set[str]:
    """Of the pictures that a run learns from: of those with labels, or of all."""
    split = open_split(config.data)[1]
    scenes = [*_training(config, split.train, print), *_transfer(config, split, print)]
    return {hashlib.sha256(scene.image).hexdigest() for scene in scenes if scene.mask is not None or not labels}


def held_out(folder: Path) -> set[str]:
    config = DataConfig(dataset="folder", root=str(folder / "scores"))
    return {hashlib.sha256(scene.image).hexdigest() for scene in open_dataset(config).scenes}


@pytest.mark.parametrize("name", CASES)
def test_nobody_learns_from_what_scores_or_from_part_9(name: str, dubai: Path, tmp_path: Path) -> None:
    asked = CASES[name]
    ninth = {hashlib.sha256(s.image).hexdigest() for s in open_split(DataConfig("folder", str(dubai)))[1].test}
    for config in linked(asked, dubai, tmp_path):
        assert not digests(config, labels=False) & (held_out(tmp_path) | ninth)


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_teacher_shares_no_picture_with_its_client(name: str, dubai: Path, tmp_path: Path) -> None:
    teacher, student, control = linked(CASES[name], dubai, tmp_path)
    for config in (student, control):
        assert not digests(teacher, labels=False) & digests(config, labels=False)
    assert len(digests(student, labels=False)) == 24


def test_of_a_new_place_nobody_has_a_label_and_the_student_alone_the_pictures(dubai: Path, tmp_path: Path) -> None:
    asked = CASES["new place"]
    teacher, student, control = linked(asked, dubai, tmp_path)
    place = {
        hashlib.sha256(scene.image).hexdigest()
        for scene in open_split(DataConfig("folder", str(dubai)))[1].train
        if scene.tile == "Tile 3"
    }
    assert len(place) == 7
    assert place <= digests(student, labels=False)
    for config in (teacher, control):
        assert not place & digests(config, labels=False)
    assert not place & digests(student, labels=True)
    assert digests(teacher, labels=True) == digests(control, labels=True) == digests(student, labels=True)


def test_few_labels_are_the_same_for_all_three(dubai: Path, tmp_path: Path) -> None:
    teacher, student, control = linked(CASES["few 8"], dubai, tmp_path)
    assert digests(teacher, labels=False) == digests(student, labels=True) == digests(control, labels=False)
    assert len(digests(control, labels=False)) == 8
    assert len(digests(student, labels=False)) == 56


@pytest.mark.parametrize("name", CASES)
def test_student_and_control_differ_by_the_teacher_alone(name: str, dubai: Path, tmp_path: Path) -> None:
    _, student, control = linked(CASES[name], dubai, tmp_path)
    assert (control.train, control.model) == (student.train, student.model)
    assert control.distill is None
    assert digests(control, labels=True) == digests(student, labels=True)


def test_without_labels_the_teacher_alone_speaks(tmp_path: Path) -> None:
    student = student_run(CASES["given 0"], tmp_path, Budget(), 0, "teacher")
    assert student.distill is not None
    assert (student.distill.alpha, student.distill.alpha_at(1.0)) == (0.0, 0.0)


@pytest.mark.parametrize("wrong", [{"labelled": 25}, {"labelled": -1}])
def test_a_number_that_it_cannot_have_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give 0 to 24"):
        situation("given", **wrong)
    with pytest.raises(ConfigError, match="needs its tile"):
        situation("new-place")
    with pytest.raises(ConfigError, match="choose given"):
        situations.situation("moon")
