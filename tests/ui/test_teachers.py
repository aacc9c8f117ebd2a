"""From one's own labels to a small model on one page: a teacher, its student behind it, and classes that differ."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.services import access, estimates, launch, runs, teachers, waiting_runs
from app.services.stores import open_store
from core import paths
from core.config import DataConfig, RunConfig
from core.errors import DatasetNotFoundError, ModelError
from core.runs import checks
from tests.ui.conftest import ANYBODY, World, held, words
from tests.ui.test_runs import WORKER, finish, work
from tests.unit.own_dataset import ODD_NAMES, own_dataset

View = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of four odd classes; what needs models on disk is left out of the checks."""
    monkeypatch.setattr(checks, "check_settings", lambda *_, **__: [])
    return own_dataset(paths.home())


def test_teacher_and_student_are_queued_as_a_chain(view: View, world: World) -> None:
    page = view("distill", goal="teacher", dataset="plots", teacher_epochs="3", teacher_student="6")
    assert not page.exception
    assert "4 classes" in words(page)
    assert not page.error
    page.button(key="launch").click().run()
    assert not page.exception
    teacher, student = sorted(open_store().list(), key=lambda run: run.created_at)
    assert world.switched == [("views/runs/page.py", {"run": teacher.id})]
    assert world.started == 1
    assert (teacher.config.kind, teacher.config.data.dataset, teacher.config.train.epochs) == ("train", "plots", 3)
    assert student.config.distill is not None
    assert student.config.distill.teacher == teacher.id
    assert student.config.model.arguments == {"base": 6}
    assert student.config.data == teacher.config.data


def test_the_time_of_teacher_student_and_control_is_known_before_launch(view: View) -> None:
    page = view("distill", goal="teacher", dataset="plots", teacher_epochs="30", then_student="false")
    # 30 epochs of 128 views at 50 ms, validations of 2 megapixels, and the start.
    assert (page.metric[0].label, page.metric[0].value) == ("Estimated time", "4 min")
    page.toggle(key="then_student").set_value(True).run()
    assert (page.metric[0].label, page.metric[0].value) == ("Estimated time, with student", "5 min")
    page.toggle(key="then_control").set_value(True).run()
    assert (page.metric[0].label, page.metric[0].value) == ("Estimated time, with student and control", "6 min")
    assert "timed on this machine" in words(page)


def test_a_fresh_teacher_is_timed_as_what_it_is() -> None:
    """A step of it takes longer than its answer, and no weights are fetched for it."""
    found = {
        name: estimates.measure_teacher_pace(teachers.NETWORKS[name][1], outputs=4, crop=64, device="cpu")
        for name in ("small", "fresh")
    }
    assert all(each.step > each.pace.teacher > 0 for each in found.values())
    assert found["fresh"].step > 2 * found["small"].step
    config = replace(teachers.USUAL, data=DataConfig("plots"))
    times = [
        estimates.teacher_seconds(config, found[name], views=64, val_megapixels=1.0) for name in ("small", "fresh")
    ]
    assert times == sorted(times)


def test_an_encoder_of_ones_own_is_timed_without_its_file_and_one_too_large_is_not() -> None:
    def timed(encoder: str) -> estimates.TeacherPace:
        return estimates.measure_teacher_pace(
            teachers.on_encoder(encoder, "none.safetensors"), outputs=4, crop=32, device="cpu"
        )

    found = timed("mobilenetv3_small_050")
    assert found.step > found.pace.teacher > 0
    with pytest.raises(ModelError, match="856 million parameters"):
        timed("convnext_xxlarge")
    with pytest.raises(ModelError, match="tu-no_such_net"):
        timed("no_such_net")


def test_what_is_doubtful_about_a_teacher_is_said_and_does_not_stop_it(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check_settings", lambda *_, **__: ["Nine classes are rare."])
    page = view("distill", goal="teacher", dataset="plots")
    assert [each.value for each in page.warning] == ["Nine classes are rare."]
    assert not page.button(key="launch").disabled


def test_a_student_waits_for_its_teacher_though_a_slot_is_free() -> None:
    config = teachers.USUAL
    request = teachers.TeacherRequest(replace(config, data=DataConfig("plots")), student=4)
    teacher = teachers.launch(request, ANYBODY)
    known = {run.id: run for run in runs.list_runs()}
    (student,) = known.keys() - {teacher}
    needs = {teacher: 100.0, student: 10.0}
    starts = waiting_runs.forecast([known[teacher], known[student]], {}, needs, slots=2)
    assert starts == {teacher: 0.0, student: 100.0}
    work(teacher)
    assert open_store().claim(WORKER, ["cpu"]) is None
    finish(teacher, best_miou5=0.5, test_miou5=0.25)
    claimed = open_store().claim(WORKER, ["cpu"])
    assert claimed is not None
    assert claimed.id == student


def test_the_score_on_the_test_pictures_stands_beside_the_run(view: View) -> None:
    request = teachers.TeacherRequest(replace(teachers.USUAL, data=DataConfig("plots")))
    teacher = teachers.launch(request, ANYBODY)
    work(teacher)
    finish(teacher, best_miou5=0.5, test_miou5=0.25)
    page = view("runs", run=teacher)
    assert not page.exception
    assert "On the test pictures: 25.0 %" in words(page)


def test_without_a_model_a_teacher_can_be_trained(view: View, world: World) -> None:
    world.models.clear()
    page = view("distill", goal="teacher", dataset="plots")
    assert not page.exception
    assert not page.button(key="launch").disabled


def test_where_the_data_has_other_classes_each_of_the_teachers_is_asked_for(
    view: View, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "launch", lambda request, _: world.launched.append(request) or "id")
    page = view("distill", teacher="teacher", dataset="plots")
    assert not page.exception
    page.selectbox(key="map_classes_teacher_plots_1").set_value(ODD_NAMES[0]).run()
    assert not page.exception
    page.button(key="launch").click().run()
    mapped = {"Building": "", "Land": ODD_NAMES[0], "Road": "", "Vegetation": "", "Water": ""}
    assert held(world.launched[0], "map_classes") == (mapped,)
    assert [box.label for box in view("distill", dataset="samples").selectbox if "map_classes" in str(box.key)] == []


def test_a_control_of_the_student_is_queued_behind_it_where_it_is_asked_for() -> None:
    own_dataset(paths.home())
    config = RunConfig(kind="train", data=DataConfig("plots", crop=32), model=teachers.NETWORKS["small"][1])
    teachers.launch(teachers.TeacherRequest(config, 2, control=True), ANYBODY)
    queued = {run.id: run.config for run in open_store().list()}
    (student,) = (run_id for run_id, one in queued.items() if one.kind == "distill")
    (control,) = (one for one in queued.values() if one.control_of)
    (teacher,) = (run_id for run_id, one in queued.items() if one.kind == "train" and not one.control_of)
    assert len(queued) == 3
    assert control.control_of == student
    assert control.model == queued[student].model
    assert queued[student].distill is not None
    assert queued[student].distill.teacher == teacher


def test_an_encoder_begins_with_a_file_below_the_opened_folder_and_no_other(view: View, tmp_path: Path) -> None:
    assert "encoder" not in teachers.networks()
    root = tmp_path / "open"
    root.mkdir()
    (root / "r.safetensors").write_bytes(b"")
    (tmp_path / "secret.safetensors").write_bytes(b"")
    (root / "linked.safetensors").symlink_to(tmp_path / "secret.safetensors")
    paths.home().mkdir(parents=True, exist_ok=True)
    (paths.home() / access.FILE).write_text(f"images = {json.dumps(str(root))}\n")
    page = view("distill", goal="teacher", dataset="plots", network="encoder", encoder="resnet18",
                encoder_weights="r.safetensors", then_student="false")  # fmt: skip
    assert not page.exception
    assert not page.error
    assert page.metric[0].label == "Estimated time"
    usual = replace(teachers.USUAL, data=DataConfig("plots"))
    asked = teachers.to_config(
        teachers.TeacherRequest(replace(usual, model=teachers.on_encoder("resnet18", "r.safetensors")))
    )
    assert asked.model.arguments["encoder"] == "tu-resnet18"
    assert asked.model.weights_file == str(root / "r.safetensors")
    for weights in (
        "../secret.safetensors",
        str(tmp_path / "secret.safetensors"),
        "linked.safetensors",
        "none.safetensors",
    ):
        wrong = replace(usual, model=teachers.on_encoder("resnet18", weights))
        assert teachers.check(teachers.TeacherRequest(wrong)).problems
        with pytest.raises(DatasetNotFoundError):
            runs.require_opened(
                replace(wrong, model=replace(wrong.model, arguments={"weights": str(root / weights)})), None
            )
    for name, weights in (("", "r.safetensors"), ("resnet18", "")):
        wrong = replace(usual, model=teachers.on_encoder(name, weights))
        assert "Name the encoder" in teachers.check(teachers.TeacherRequest(wrong)).problems[0]
