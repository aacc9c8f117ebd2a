"""A small world for the views: two by two class maps, models that answer at once, and runs that need no worker."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from app.services import access, artifacts, datasets, estimates, inference, launch, softening, speeds, workers
from app.services.access import Person
from app.services.artifacts import Model, TrainedOn
from app.services.benchmarks import Row
from app.services.datasets import Picture
from app.services.run_settings import PRESETS, value_of, with_values
from core.data.datasets.dubai import AERIAL
from core.losses.catalogue import LOSSES

ANYBODY = Person("203.0.113.7")
VIEWS = Path(__file__).resolve().parents[2] / "app" / "views"


def file_of(name: str) -> Path:
    """The script of a page."""
    return VIEWS / name / "page.py"


CLASSES = tuple(zip(AERIAL.names, AERIAL.colours, strict=True))
TRUTH = np.array([[0, 1, 2, 3], [0, 1, 2, 5]], np.uint8)
MASKS = {
    "teacher": np.array([[0, 1, 2, 3], [0, 1, 2, 3]], np.uint8),
    "student": np.array([[0, 1, 2, 3], [1, 1, 2, 3]], np.uint8),
    "student-control": np.array([[1, 1, 1, 1], [1, 1, 1, 1]], np.uint8),
}


def make_model(name: str, *, parameters: int = 100_000, **changes: Any) -> Model:
    model = Model(
        name=name,
        title=name,
        architecture="U-Net 4",
        identity=f"{name}@1",
        parameters=parameters,
        macs_256=parameters * 1000,
        bytes=4 * parameters,
        classes=CLASSES,
        ignore_index=AERIAL.ignore_index,
        teacher=None,
        miou5=None,
        from_run=False,
        trained_on=TrainedOn("dubai", "by-image"),
    )
    return replace(model, **changes)


def ask(preset: str = "quick", *, seeds: int = 1, control: bool = True, **values: Any) -> launch.Request:
    """What the form gives for a preset and these values, by the names of `run_settings.FORM` and of the link."""
    named = {"views_per_epoch" if name == "views" else name: value for name, value in values.items()}
    return launch.Request(with_values(PRESETS[preset], named), seeds=seeds, control=control)


def held(request: launch.Request, *names: str) -> tuple[Any, ...]:
    """Some values of what was asked for."""
    return tuple(value_of(request.config, name) for name in names)


def make_speed(name: str, **changes: Any) -> speeds.Speed:
    took = 8.0 if name == "teacher" else 2.0
    row = Row(name, "pytorch", 512, 1, 1, p50_ms=took, megapixels_per_second=262.144 / took / 1000)
    made = speeds.Speed("pytorch", took, 0.02, took + 1, 262.144 / took / 1000, "a CPU", 15, False, row)
    return replace(made, **changes)


@dataclass
class World:
    """What the fakes hold, and what they were asked for."""

    models: dict[str, Model] = field(default_factory=dict)
    starts: dict[str, Model] = field(default_factory=dict)
    predicted: list[str] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    launched: list[launch.Request] = field(default_factory=list)
    switched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    started: int = 0

    def start_worker(self) -> bool:
        self.started += 1
        return True


@pytest.fixture(scope="session", autouse=True)
def _packages_are_not_searched() -> Iterator[None]:
    """AppTest searches all installed packages for Streamlit components before each draw, for most of a second."""
    name = "scan_component_manifests"
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(manifest_scanner, name):
            patch.setattr(manifest_scanner, name, lambda *_, **__: [])
        yield


@pytest.fixture(autouse=True)
def _fresh_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test counts against the limits of another."""
    monkeypatch.setattr(access, "RATES", access.Rates())


def _empty_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def empty_caches() -> Iterator[None]:
    """What this test keeps is not shown to another, nor the other way round."""
    _empty_caches()
    yield
    _empty_caches()


_READ = {
    "train": 10,
    "labelled": 8,
    "crops": 128,
    "val_megapixels": 2.0,
    "note": "Two validate.",
    "leaks": False,
    "warnings": [],
}
"""What `datasets.split_summary` gives of any data."""


@pytest.fixture
def world(empty_caches: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """Replace what takes torch, files or processes. The caches start empty, and keep nothing of it."""
    del empty_caches
    made = World(models={name: make_model(name) for name in MASKS})
    made.models["teacher"] = make_model("teacher", parameters=2_000_000)
    picture = Picture("scene_01", "a" * 64, np.zeros((2, 4, 3), np.uint8), TRUTH, dataset="samples")

    def predict_planes(loaded: str, _: Any) -> inference.Planes:
        made.predicted.append(loaded)
        return inference.Planes(MASKS[loaded], np.full((2, 4), 200, np.uint8), np.full((2, 4), 20, np.uint8))

    monkeypatch.setattr(artifacts, "models", lambda _: made.models)
    monkeypatch.setattr(artifacts, "starting_points", lambda _: made.starts)
    monkeypatch.setattr(datasets, "scene_names", lambda: ["scene_01", "scene_02"])
    monkeypatch.setattr(datasets, "load_scene", lambda name: replace(picture, name=name, sha256=name * 4))
    monkeypatch.setattr(type(st.context), "cookies", {})
    monkeypatch.setattr(inference, "load", lambda name: name)
    monkeypatch.setattr(inference, "predict_planes", predict_planes)
    monkeypatch.setattr(softening, "logits", lambda *_: np.zeros((5, 2, 4), np.float16))
    kept: dict[str, speeds.Speed] = {}
    monkeypatch.setattr(speeds, "kept", lambda model: {"pytorch": kept[model.name]} if model.name in kept else {})
    monkeypatch.setattr(
        speeds,
        "measure",
        lambda models, *_, **__: kept.update({model.name: make_speed(model.name) for model in models}),
    )
    monkeypatch.setattr(
        estimates, "student_size", lambda base, **_: estimates.Size(base * 30_000, base * 30_000_000, base * 125_000)
    )
    monkeypatch.setattr(estimates, "measure_pace", lambda **_: estimates.Pace(256, "a CPU", 0.01, 0.0, 0.02))
    timed = estimates.TeacherPace(0.05, estimates.Pace(256, "a CPU", 0.01, 0.0, 0.02))
    monkeypatch.setattr(estimates, "measure_teacher_pace", lambda *_, **__: timed)
    monkeypatch.setattr(
        estimates, "measure_losses", lambda **_: {name: 0.0001 * at for at, name in enumerate(LOSSES, start=1)}
    )
    monkeypatch.setattr(datasets, "split_summary", lambda data: _READ | {"without": 5 if data["transfer"] else 0})
    monkeypatch.setattr(launch, "devices", lambda: ["auto", "cpu"])
    monkeypatch.setattr(workers, "ensure_worker", made.start_worker)
    monkeypatch.setattr(
        st, "switch_page", lambda page, query_params=None: made.switched.append((page, query_params or {}))
    )
    return made


def header(blob: bytes) -> dict[str, Any]:
    """The JSON in front of what `services.overlays.pack` gives."""
    length = int.from_bytes(blob[:4], "little")
    return dict(json.loads(blob[4 : 4 + length]))


@pytest.fixture
def viewer_payloads(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the viewer is given to show; its drawing is a browser's work (tests/e2e/test_app.py)."""
    import app.components.viewer as component

    monkeypatch.setattr(component, "viewer", lambda packed: world.payloads.append(header(packed.first)))
    return world.payloads


@pytest.fixture
def view(world: World) -> Callable[..., AppTest]:
    """Open a view by name, with query parameters, and run it once."""
    del world

    def open_view(name: str, /, **query: str | list[str]) -> AppTest:
        test = AppTest.from_file(str(file_of(name)), default_timeout=110)
        for key, value in query.items():
            test.query_params[key] = value
        return test.run()

    return open_view


def words(test: AppTest) -> str:
    """Everything that a visitor can read outside widgets."""
    kinds = (
        test.title,
        test.header,
        test.subheader,
        test.markdown,
        test.caption,
        test.info,
        test.success,
        test.warning,
        test.error,
    )
    return as_read("\n".join(str(element.value) for kind in kinds for element in kind))


def as_read(markdown: str) -> str:
    """What a visitor reads of text that `services.names.plain` made harmless."""
    return re.sub(r"\\(?=[!-/:-@\[-`{-~])", "", markdown).replace("\u2060", "")
