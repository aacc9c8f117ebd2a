"""The studies that come with the project: whole, told in plain sentences, and shown before anybody has run anything."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.services.search_charts import heat_map, size_chart
from app.services.searches import by_settings, spread
from app.services.shipped_studies import ShippedStudy, shipped_study
from benchmarks.search import MAPS
from core import paths
from tests.ui.conftest import World, words

VARIED = {"map": ("temperature", "alpha"), "sizes": ("size", "taught")}
KINDS = tuple(VARIED)


def shipped(kind: str) -> tuple[dict[str, Any], ShippedStudy]:
    """What the file holds, and what is made of it."""
    read = shipped_study(kind)
    assert read is not None
    return json.loads((paths.STUDIES / f"{kind}.json").read_text()), read


@pytest.mark.parametrize("kind", KINDS)
def test_a_shipped_study_has_runs_of_its_grid_and_each_once(kind: str) -> None:
    held, read = shipped(kind)
    axes = MAPS[kind]
    places = set(itertools.product(*(axis.choices for axis in axes)))
    found = [tuple(cell[axis.name] for axis in axes) for cell in read.cells]
    assert len(found) == len(set(found)) == len(held["cells"])
    assert set(found) <= places
    assert len(places) == held["wanted"]
    assert {cell[axes[0].name] for cell in read.cells} == set(axes[0].choices)
    assert {cell[axes[1].name] for cell in read.cells} == set(axes[1].choices)


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_seeds_spread_length_and_command(kind: str) -> None:
    held, read = shipped(kind)
    told = " ".join(read.told)
    places = by_settings(held["cells"], *VARIED[kind]).values()
    counts = sorted({len(values) for values in places})
    seeds = "2" if counts == [2] else f"{counts[0]} to {counts[-1]}"
    halves = [spread(values)[1] for values in places if len(values) > 1]
    assert f"{len(held['cells'])} of {held['wanted']} runs, {seeds} seeds each" in told
    assert f"{100 * sum(halves) / len(halves):.1f} points on average and {100 * max(halves):.1f} at most" in told
    assert f"Runs are short: {held['seconds']:g} seconds of one processor thread each" in told
    assert f"{held['labelled']} of {held['training_pictures']} Dubai pictures keep their labels" in told
    assert f"maps --only {kind} --seconds {held['seconds']:g} --data DIR" in read.command
    assert not re.search(r"(?<![\w.])/\w+/", json.dumps(held)), "a path of the machine it was made on"


def test_its_charts_show_the_mean_of_each_place() -> None:
    _, found = shipped("map")
    cells, _ = heat_map(found.cells).data
    means = {key: spread(values)[0] for key, values in by_settings(found.cells, "temperature", "alpha").items()}
    shown = {
        (float(temperature), float(alpha)): cells.z[row][column]
        for row, alpha in enumerate(cells.y)
        for column, temperature in enumerate(cells.x)
    }
    assert shown == {key: pytest.approx(100 * mean) for key, mean in means.items()}
    _, found = shipped("sizes")
    taught, alone = size_chart(found.cells, found.parameters).data
    means = {key: spread(values)[0] for key, values in by_settings(found.cells, "taught", "size").items()}
    for line, with_teacher in ((taught, True), (alone, False)):
        shown = {found.parameters[size]: 100 * mean for (told, size), mean in means.items() if told is with_teacher}
        assert dict(zip(line.x, line.y, strict=True)) == pytest.approx(shown)


def test_the_page_shows_both_before_anybody_has_run_anything(view: Callable[..., AppTest]) -> None:
    page = view("search")
    assert not page.exception
    assert [len(page.get("plotly_chart")), words(page).count("Comes with the project.")] == [2, 2]
    assert [code.value for code in page.code] == [shipped(kind)[1].command for kind in KINDS]


def test_temperature_leads_there(view: Callable[..., AppTest], world: World) -> None:
    page = view("temperature", scene="scene_02", student="student")
    page.button(key="temperature_map").click().run()
    assert not page.exception
    assert world.switched == [("views/search/page.py", {})]


def _without(held: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in held.items() if key != name}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_read_is_no_study(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: Callable[..., AppTest]
) -> None:
    held, _ = shipped(kind)
    (cell, *_rest) = held["cells"]
    broken: list[Any] = [None, [], {}, *(_without(held, name) for name in held if name not in UNUSED[kind])]
    broken += [{**held, "cells": cells} for cells in ([], [{}], "cells", [{**cell, "miou": miou} for miou in (2, "a")])]
    broken += [{**held, "cells": [_without(cell, name)]} for name in cell]
    broken += [{**held, "parameters": parameters} for parameters in ([1], {"compact 2": "a"})]
    if kind == "sizes":
        broken += [{**held, "parameters": {}}]
    monkeypatch.setattr(paths, "STUDIES", tmp_path)
    assert shipped_study(kind) is None
    for content in broken:
        (tmp_path / f"{kind}.json").write_text(json.dumps(content))
        assert shipped_study(kind) is None, content
    (tmp_path / f"{kind}.json").write_text("{")
    assert shipped_study(kind) is None
    page = view("search")
    assert not page.exception
    assert not page.get("plotly_chart")


UNUSED = {
    "map": ("dataset", "teacher", "temperature", "alpha"),
    "sizes": ("dataset", "teacher", "model"),
}
"""What a file holds for its readers, and no sentence says."""
