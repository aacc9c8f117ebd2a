"""What comes and goes on a page moves nothing else: a control that moves is shown twice until the page stands."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import benchmarks, launch, workers
from app.services.benchmarks import Job
from app.services.stores import open_store
from core.events import Progress
from core.image import encode_png
from tests.ui.conftest import ask
from tests.ui.test_tour import at

View = Callable[..., AppTest]
PNG = ("roof.png", encode_png(np.zeros((40, 40, 3), np.uint8)), "image/png")


def places(page: AppTest) -> dict[str, tuple[int, ...]]:
    """Where each control with a key stands: its positions from the outermost container to itself."""
    found: dict[str, tuple[int, ...]] = {}

    def walk(block: Any, above: tuple[int, ...]) -> None:
        for position, child in block.children.items():
            if key := getattr(child, "key", None):
                found[key] = (*above, position)
            if getattr(child, "children", None):
                walk(child, (*above, position))

    assert not page.exception
    walk(page.main, ())
    return found


def assert_kept(states: list[dict[str, tuple[int, ...]]], *keys: str) -> None:
    """All of a page's states, each after the other; `keys` are there in all of them."""
    assert len(states) > 1
    for before, after in itertools.pairwise(states):
        both = before.keys() & after.keys()
        assert both >= set(keys)
        assert {key: after[key] for key in both} == {key: before[key] for key in both}


def test_images_and_what_came_of_them_move_no_setting(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ensure_worker", lambda: False)
    page = view("map")
    states = [places(page)]
    page.file_uploader[0].set_value([("no.png", b"GIF89a", "image/png")]).run()
    states.append(places(page))
    page.file_uploader[0].set_value([PNG]).run()
    states.append(places(page))
    page.button(key="segment").click().run()
    states.append(places(page))
    assert {"clear", "cancel_map"} <= states[-1].keys()
    page.button(key="clear").click().run()
    states.append(places(page))
    assert_kept(states, "map_extras", "map_model", "map_ground", "segment")
    page.session_state["session_workspace"].close()


def test_the_tour_moves_nothing_of_the_page_below_it() -> None:
    without = places(at())
    for query in ({"tour": "2"}, {"present": "1"}):
        assert_kept([without, places(at(**query)), without], "of the page")


def test_a_model_that_came_or_was_refused_moves_no_other_control(view: View) -> None:
    page = view("models")
    states = [places(page)]
    for told in ({"brought_done": "depot"}, {"brought_problem": ["It is no model."]}):
        for key, value in told.items():
            page.session_state[key] = value
        page.run()
        states.append(places(page))
    assert_kept(states, "brought_file_0")


def test_a_benchmark_at_work_moves_no_control_of_the_form(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for job in (None, Job("a", True, Progress(0, 1), None), Job("a", False, Progress(0, 1), "It failed.")):
        monkeypatch.setattr(benchmarks, "job", lambda _, job=job: job)
        states.append(places(view("benchmark")))
    assert states[0].keys() & states[1].keys()
    assert_kept(states)


def test_what_is_wrong_with_a_setting_moves_no_button(view: View) -> None:
    assert_kept([places(view("distill", temperature=value)) for value in ("2", "99")], "launch")


def test_a_search_without_a_hit_moves_no_control_of_a_run(view: View) -> None:
    open_store().add(launch.to_config(ask()))
    assert_kept([places(view("runs", find=text)) for text in ("", "nothing like it")], "pin", "lines")
