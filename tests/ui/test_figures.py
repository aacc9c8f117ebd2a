"""One truth for every number: what is kept of a model on this machine, and what a picture was for it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import caching
from app.components.benchmark_table import table_rows as benchmark_rows
from app.components.forecast import size_figures
from app.components.score_table import table_html, table_rows
from app.services import artifacts, datasets, estimates, figure_texts, inference, picture_use, scene_figures, speeds
from app.services.artifacts import Model, TrainedOn, describe
from app.services.datasets import Picture
from core import paths
from core.benchmark import machine, results
from core.benchmark.plan import Plan
from core.benchmark.results import Result, Row
from core.data.scene import digest
from tests.ui.conftest import MASKS, TRUTH, make_model

STUDENT = make_model("student")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "processor", lambda: "A CPU")
    monkeypatch.setattr(speeds, "weights", lambda model: f"weights of {model.identity}")


def keep(number: int, milliseconds: float, **changes: Any) -> None:
    """A benchmark on this machine, the higher its number the newer."""
    row = {"weights": "weights of student@1", "others": 0.0, "low_ms": milliseconds - 1, "high_ms": milliseconds + 1}
    row |= {name: changes.pop(name) for name in list(changes) if name in Row.__dataclass_fields__}
    case = {"model": "student", "runtime": "pytorch", "size": 512, "batch": 1, "threads": 1, "p50_ms": milliseconds}
    facts = {"processor": changes.pop("processor", "A CPU")}
    made = Result(f"2026-{number}", Plan(("student",), **changes), facts, (Row(**{**case, **row}),), load_before=0.0)
    results.save(made)


def kept_ms() -> float | None:
    found = speeds.kept(STUDENT)
    return found["pytorch"].latency_ms if "pytorch" in found else None


def test_the_newest_figure_of_an_idle_machine_is_kept() -> None:
    assert kept_ms() is None
    keep(1, 40.0, others=1.5)
    assert kept_ms() == 40
    assert speeds.kept(STUDENT)["pytorch"].disturbed
    keep(2, 30.0)
    keep(3, 31.0)
    keep(4, 90.0, others=0.8)
    assert kept_ms() == 31
    assert not speeds.kept(STUDENT)["pytorch"].disturbed


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "others"},
        {"size": 256},
        {"threads": 2},
        {"batch": 4},
        {"processor": "Another"},
        {"device": "cuda:0"},
    ],
)
def test_a_figure_of_anything_else_is_not_taken_for_it(change: dict[str, Any]) -> None:
    keep(1, 30.0, **change)
    assert kept_ms() is None


def test_only_what_is_missing_or_was_disturbed_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(speeds, "_run", lambda models, runtimes: asked.append([*models, *runtimes]))
    monkeypatch.setattr(speeds, "_tried", {})
    monkeypatch.setattr(speeds, "_idle", lambda: True)
    speeds.measure([STUDENT])
    assert asked == [["student", "pytorch"]]
    keep(1, 40.0, others=2.0)
    speeds.measure([STUDENT], training=True)
    speeds.measure([STUDENT])
    assert len(asked) == 1
    monkeypatch.setattr(speeds, "_tried", {})
    speeds.measure([STUDENT], training=True)
    assert len(asked) == 1
    speeds.measure([STUDENT])
    assert len(asked) == 2
    keep(2, 30.0)
    monkeypatch.setattr(speeds, "_tried", {})
    speeds.measure([STUDENT])
    assert len(asked) == 2


def test_a_figure_says_where_and_how_well_it_was_measured() -> None:
    keep(1, 40.0)
    found = speeds.kept(STUDENT)["pytorch"]
    assert (found.where, found.within) == ("PyTorch, one thread of A CPU", "± 2 %")
    long = replace(found, processor="Intel(R) Xeon(R) CPU @ 2.20GHz")
    assert long.where == "PyTorch, one thread of Intel Xeon"


def picture(value: int, **changes: Any) -> Picture:
    made = Picture("scene_01", str(value), np.full((2, 4, 3), value, np.uint8), TRUTH, dataset="samples")
    return replace(made, **changes)


def trained_on(**uses: list[Picture]) -> Model:
    listed = tuple((use, frozenset(digest(one.image) for one in pictures)) for use, pictures in uses.items())
    return make_model("student", trained_on=TrainedOn("folder", "by-image", listed))


def test_a_picture_is_known_by_its_pixels_whatever_it_is_called() -> None:
    model = trained_on(train=[picture(1)], val=[picture(2)], test=[picture(3)])
    found = {value: picture_use.use_of(picture(value, name="other", private=True), model) for value in (1, 2, 3, 4)}
    assert found == {1: "train", 2: "val", 3: "test", 4: "new"}
    assert [picture_use.is_test(use) for use in found.values()] == [False, False, True, True]


@pytest.mark.parametrize(
    ("dataset", "split", "shown", "expected"),
    [
        ("dubai", "by-image", picture(1), "new"),
        ("dubai", "by-image", picture(1, dataset="dubai", use="train"), "train"),
        ("dubai", "by-image", picture(1, dataset="dubai", use="val"), "val"),
        ("dubai", "leaky-patches", picture(1, dataset="dubai", use="test"), "train"),
        ("samples", "by-image", picture(1), "val"),
        ("folder", "by-image", picture(1), ""),
        ("", "", picture(1), ""),
        ("dubai", "by-image", picture(1, dataset="", private=True), ""),
    ],
)
def test_cards_that_list_nothing_are_read_by_their_dataset(
    dataset: str, split: str, shown: Picture, expected: str
) -> None:
    model = make_model("student", trained_on=TrainedOn(dataset, split))
    assert picture_use.use_of(shown, model, drawn={"scene_01": "val"}) == expected


def test_what_is_said_of_a_picture_names_the_model() -> None:
    told = picture_use.sentence("train", STUDENT)
    assert told.startswith("Training picture of student: student learned from it")
    assert picture_use.sentence("", STUDENT) == ""


def test_the_typical_scene_is_the_one_of_median_agreement_and_pixels_count_alike() -> None:
    figures = {
        f"scene_{at}": scene_figures.SceneFigure(agreed, pixels, None, None)
        for at, (agreed, pixels) in enumerate([(1, 10), (90, 100), (5, 10), (6, 10)])
    }
    found = scene_figures.summary(figures, STUDENT)
    assert found.typical == "scene_2"
    assert found.agreement == pytest.approx(102 / 130)
    assert found.retained is None


def test_scores_are_of_all_pixels_together_and_kept_on_disk() -> None:
    asked = []

    def masks(one: Picture) -> tuple[Any, Any]:
        asked.append(one.name)
        return MASKS["teacher"], MASKS["student"]

    pictures = [picture(1), picture(2, name="scene_02")]
    for _ in range(2):
        found = scene_figures.measured(pictures, teacher=make_model("teacher"), student=STUDENT, masks=masks)
    assert asked == ["scene_01", "scene_02"]
    pair = scene_figures.summary(found, STUDENT)
    assert (pair.teacher_miou5, pair.student_miou5) == (1.0, pytest.approx((1 / 2 + 2 / 3 + 1 + 1) / 4))
    assert pair.retained == pair.student_miou5
    other = make_model("student", identity="student@2")
    scene_figures.measured(pictures, teacher=make_model("teacher"), student=other, masks=masks)
    assert len(asked) == 4


def test_those_of_the_shipped_models_come_with_the_project() -> None:
    """The first visitor waits for one scene, and not for all of them: `python -m benchmarks.scene_figures`."""
    models = artifacts.models(None)
    teacher = models.pop("teacher")
    assert len(models) >= 4
    for student in models.values():
        scenes = caching.test_scenes(teacher=teacher, student=student)
        assert scenes
        found = scene_figures.measured(scenes, teacher=teacher, student=student, masks=pytest.fail)
        assert found.keys() == {scene.name for scene in scenes}


@pytest.mark.slow
def test_they_are_what_the_models_give_here() -> None:
    models = artifacts.models(None)
    teacher, student = models["teacher"], models["student"]
    scene = datasets.load_scene(datasets.scene_names()[0])
    known = scene_figures.measured([scene], teacher=teacher, student=student, masks=pytest.fail)[scene.name]
    here = scene_figures.figure(
        teacher=caching.mask(scene, teacher),
        student=caching.mask(scene, student),
        truth=scene.mask,
        classes=len(teacher.classes),
    )
    assert here.agreement == pytest.approx(known.agreement, abs=0.001)
    for one, other in ((here.teacher, known.teacher), (here.student, known.student)):
        assert np.abs(np.array(one) - np.array(other)).sum() < 0.002 * here.pixels


def test_a_damaged_file_of_figures_is_measured_anew(tmp_path: Path) -> None:
    def masks(_: Picture) -> tuple[Any, Any]:
        return MASKS["teacher"], MASKS["student"]

    def once() -> Any:
        return scene_figures.measured([picture(1)], teacher=make_model("teacher"), student=STUDENT, masks=masks)

    first = once()
    (file,) = (tmp_path / "scene-figures").glob("*.json")
    for text in ("[]", "{", '{"schema": 1, "scenes": {"1": [1, 2]}}', '{"schema": 9}'):
        file.write_text(text, encoding="utf-8")
        assert once() == first


@pytest.mark.parametrize(
    ("count", "text"),
    [(4_100, "0.0041 MB"), (512_345, "0.512 MB"), (15_529_876, "15.5 MB"), (355_123_456, "355 MB"), (0, "0 MB")],
)
def test_a_size_has_three_digits_and_one_unit_in_texts_and_in_tables(count: int, text: str) -> None:
    assert figure_texts.size_of_model(count) == text
    assert figure_texts.FORMATS["megabytes"] % (count / 1e6) == text.removesuffix(" MB")


def test_one_module_alone_decides_how_figures_are_written() -> None:
    """Shares, milliseconds and ratios with digits: only `figure_texts` decides how many. A ± has its own sentence."""
    own = re.compile(r"(?<![%±] )(?<!%)\{[^{}\"]*:\.[1-9]f\} ?(?:%|ms\b|×)|\"%\.1f ?(?:%%|×)\"")
    found = {str(path): own.findall(path.read_text(encoding="utf-8")) for path in (paths.ROOT / "app").rglob("*.py")}
    assert [path for path, lines in found.items() if lines] == [figure_texts.__file__]


@pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here")
def test_a_student_has_the_size_that_distill_foretold_and_the_same_text_on_every_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    student = describe("student", paths.CHECKPOINTS / "student")
    teacher = describe("teacher", paths.CHECKPOINTS / "teacher")
    foretold = estimates.student_size(4, outputs=student.ignore_index)
    assert (foretold.bytes, foretold.parameters, foretold.macs_256) == (
        student.bytes,
        student.parameters,
        student.macs_256,
    )
    text = figure_texts.size_of_model(student.bytes)
    drawn: list[str] = []
    monkeypatch.setattr("app.components.say.own_markup", drawn.append)
    size_figures(foretold, teacher)
    assert f"**{text}**" in drawn[0]
    quality = inference.Quality(1.0, None, {})
    compared = table_html(table_rows((teacher, student), {"teacher": quality, "student": quality}, None))
    assert f"<td>{text}</td>" in compared
    macs = student.macs_256 * 4
    row = Row("student", "pytorch", 512, 1, 1, bytes=student.bytes, parameters=student.parameters, macs=macs)
    shown = benchmark_rows([row], {})[0]
    assert figure_texts.FORMATS["megabytes"] % shown["File (MB)"] + " MB" == text
    assert shown["MACs (G), 256²"] == pytest.approx(student.macs_256 / 1e9)
