"""The Temperature page: its formulas in the browser against core's loss and torch's gradients, its window."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch.nn.functional import softmax

from app.services import softening
from core.losses.catalogue import LOSSES
from core.losses.soft_targets import pixel_divergence, soft_target_kl
from tests.ui.conftest import CLASSES, World, header, words
from tests.ui.test_viewer_js import HERE, NODE

View = Callable[..., AppTest]

TEMPERATURES = (0.5, 1.0, 2.0, 8.0)
PIXELS = 12
RANDOM = np.random.default_rng(2)
TEACHER, STUDENT = (RANDOM.normal(0, 4, (5, PIXELS)).astype(np.float16) for _ in range(2))


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    if NODE is None:
        pytest.skip("node is not here: apt-get install nodejs")
    given = {"teacher": TEACHER.tobytes().hex(), "student": STUDENT.tobytes().hex(), "classes": 5}
    text = json.dumps({**given, "temperatures": TEMPERATURES})
    done = subprocess.run([NODE, str(HERE / "soft.mjs")], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    """(1, 5, 1, pixels) of teacher and student, in float64."""
    teacher, student = (torch.tensor(logits.astype(np.float64)).view(1, 5, 1, PIXELS) for logits in (TEACHER, STUDENT))
    return teacher, student.requires_grad_()


def test_half_precision_is_read_as_it_was_written(shown: dict[str, Any]) -> None:
    assert shown["planes"][0] == TEACHER.astype(float).ravel().tolist()


@pytest.mark.parametrize("index", range(len(TEMPERATURES)))
def test_what_is_shown_is_what_core_teaches(shown: dict[str, Any], index: int) -> None:
    temperature, found = TEMPERATURES[index], shown["at"][index]
    teacher, student = tensors()
    right = softmax(teacher / temperature, dim=1)[0, :, 0].T.numpy()
    assert np.allclose(found["softened"], right, atol=1e-9)
    told = pixel_divergence(student=student, teacher=teacher, temperature=temperature)
    assert np.allclose(found["divergence"], told.detach().numpy().ravel(), atol=1e-9)
    soft_target_kl(student=student, teacher=teacher, temperature=temperature).backward()
    gradient = student.grad[0, :, 0].T.numpy() * PIXELS
    assert np.allclose(found["gradient"], gradient, atol=1e-9)
    assert np.allclose(found["plain"], gradient / temperature**2, atol=1e-9)


@pytest.mark.parametrize("index", range(len(TEMPERATURES)))
def test_the_mistakes_are_the_mistakes_and_flatten_everything(shown: dict[str, Any], index: int) -> None:
    temperature, found = TEMPERATURES[index], shown["at"][index]
    logits = torch.tensor(TEACHER.astype(np.float64).T)
    on_probabilities = softmax(softmax(logits, dim=1) / temperature, dim=1).numpy()
    twice = softmax(softmax(logits / temperature, dim=1), dim=1).numpy()
    assert np.allclose(found["onProbabilities"], on_probabilities, atol=1e-9)
    assert np.allclose(found["softmaxTwice"], twice, atol=1e-9)
    assert np.max(found["softmaxTwice"]) <= np.e / (np.e + 4) + 1e-12


def test_entropy_is_nought_to_one_and_the_map_is_its_bytes(shown: dict[str, Any]) -> None:
    for temperature, found in zip(TEMPERATURES, shown["at"], strict=True):
        shares = softmax(torch.tensor(TEACHER.astype(np.float64)) / temperature, dim=0).numpy()
        expected = -(shares * np.log(shares)).sum(axis=0) / np.log(5)
        assert np.allclose(found["entropy"], expected, atol=1e-9)
        assert np.abs(np.array(found["map"]) / 255 - expected).max() <= 0.51 / 255


@pytest.mark.parametrize(("across", "down"), [(0, 0), (0.5, 0.5), (1, 1), (0.9, 0.2)])
def test_the_window_lies_in_the_picture_and_around_the_point(across: float, down: float) -> None:
    image = np.zeros((700, 1000, 3), np.uint8)
    at = softening.window(image, across=across, down=down)
    assert (at.width, at.height) == (softening.SIDE, softening.SIDE)
    assert 0 <= at.x <= 1000 - at.width
    assert 0 <= at.y <= 700 - at.height
    assert at.x <= across * 1000 <= at.x + at.width
    assert at.y <= down * 700 <= at.y + at.height
    small = softening.window(image[:50, :60], across=across, down=down)
    assert (small.x, small.y, small.width, small.height) == (0, 0, 60, 50)


def test_packed_logits_come_back_bit_for_bit() -> None:
    image = RANDOM.integers(0, 255, (6, 8, 3), np.uint8)
    logits = RANDOM.normal(0, 5, (5, 3, 4)).astype(np.float16)
    at = softening.PictureWindow(2, 1, 4, 3)
    names = [name for name, _ in CLASSES[:5]]
    blob = softening.pack(image, at, teacher=("a", logits), student=("b", -logits), class_names=names, temperature=2.0)
    found = header(blob)
    body = blob[4 + int.from_bytes(blob[:4], "little") :]
    for name, expected in (("teacher", logits), ("student", -logits)):
        start, length = found["parts"][name]
        assert np.array_equal(np.frombuffer(body[start : start + length], "<f2").reshape(5, 3, 4), expected)
    assert found["place"] == {"x": 0.25, "y": 1 / 6, "width": 0.5, "height": 0.5}


def test_the_page_shows_both_models_and_sets_the_formula_right(view: View) -> None:
    page = view("temperature", scene="scene_02", student="student-control", t="4")
    assert not page.exception
    assert page.selectbox(key="student").value == "student-control"
    assert r"\exp(z_i / T)" in words(page)
    assert page.session_state["temperature_start"] == 4


def test_the_temperature_that_is_shown_leads_to_a_student_that_learns_at_it(view: View, world: World) -> None:
    page = view("temperature", scene="scene_02", teacher="teacher", student="student", t="4")
    for loss in LOSSES.values():
        assert loss.temperature in words(page)
    page.button(key="distill_at").click().run()
    assert not page.exception
    ((target, link),) = world.switched
    assert target == "views/distill/page.py"
    form = view("distill", **link)
    assert form.number_input(key="temperature").value == 4
    assert form.selectbox(key="distill_teacher").value == "teacher"


def test_the_page_says_what_is_missing(view: View, world: World) -> None:
    world.models.clear()
    assert "No models yet" in words(view("temperature"))
    assert "No image yet" in words(_with_models(view, world))


def _with_models(view: View, world: World) -> AppTest:
    from tests.ui.conftest import make_model

    world.models.update({name: make_model(name) for name in ("teacher", "student")})
    return view("temperature", **{"from": "upload"})
