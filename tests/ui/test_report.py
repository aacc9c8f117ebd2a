"""A report opens without a network and says what the page says."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from app.services import report_contents, runs
from app.services.inference import Quality
from app.services.palettes import Palette
from app.services.plots import Series, log_ticks, svg_plot, ticks
from app.services.report import Pictures, ReportPicture, Section, Table, Text, render, settings_table
from tests.ui.test_runs import add_pair, work

from .conftest import MASKS, TRUTH, make_model, make_speed
from .test_benchmark import RESULT


class Links(HTMLParser):
    """Every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def expect_alone(page: str) -> None:
    links = Links()
    links.feed(page)
    assert [link[:40] for link in links.found if not link.startswith("data:")] == []
    assert "<script" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_what_comes_from_outside_is_escaped() -> None:
    bad = '<script>alert("x")</script>'
    page = render(
        bad, [Section(bad, [Text(bad), Table([{bad: bad}], bad), Pictures([ReportPicture(b"x", bad)])])], subtitle=bad
    )
    expect_alone(page)
    assert page.count("&lt;script&gt;") == 10


def test_numbers_are_rounded_and_gaps_are_dashes() -> None:
    rows = [{"a": 0.123456, "b": None, "c": 1234567, "d": float("nan"), "e": True, "f": None}, {"b": 1}]
    page = render("t", [Section("s", [Table(rows)])])
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert cells == ["0.123", "–", "1,234,567", "–", "True", "–", "1", "–", "–", "–"]
    assert ">f<" not in page


def test_settings_are_flattened() -> None:
    rows = settings_table({"train": {"epochs": 12, "lr": 0.1}, "losses": ["a", "b"]}).rows
    assert [(row["Setting"], row["Value"]) for row in rows] == [
        ("train.epochs", "12"),
        ("train.lr", "0.1"),
        ("losses", "a, b"),
    ]


def test_a_benchmark_becomes_a_report() -> None:
    page = report_contents.of_benchmark(RESULT, RESULT.rows, {"student": "Student & co"})
    expect_alone(page)
    assert "Student &amp; co" in page
    assert page.count("<circle") == 3
    assert "There is no C++ compiler here." in page
    assert "A CPU" in page


def of_comparison(palette: Palette) -> str:
    models = [make_model("teacher", parameters=2_000_000), make_model("student")]
    quality = Quality(0.9, 0.7, {"Building": 0.5, "Land": None})
    return report_contents.of_comparison(
        picture_name="scene_01",
        image=np.zeros((2, 4, 3), np.uint8),
        truth=TRUTH,
        models=models,
        masks=MASKS,
        qualities={model.name: quality for model in models},
        speeds={name: make_speed(name) for name in ("teacher", "student")},
        palette=palette,
    )


def test_a_comparison_becomes_a_report() -> None:
    page = of_comparison("safe")
    expect_alone(page)
    assert page.count("<img ") == 4
    assert '<td class="number">4</td>' in page
    assert "Known mask" in page


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.61, 0.75), (-3, 12), (5, 5), (0, 1e-6), (3, 9e8)])
def test_ticks_hold_the_range(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 9
    gaps = np.diff(found)
    assert np.allclose(gaps, gaps[0])


@pytest.mark.parametrize(("low", "high"), [(1, 1), (3, 400), (0.02, 0.03), (1e6, 2e6)])
def test_logarithmic_ticks_hold_the_range(low: float, high: float) -> None:
    found = log_ticks(low, high)
    assert found[0] <= low * 1.001
    assert found[-1] >= high * 0.999


def test_a_plot_is_well_formed_and_puts_points_where_they_belong() -> None:
    plot = svg_plot([Series("a < b", [(1, 0), (10, 1), (100, 0.5)], line=False)], x_title="x", y_title="y", log_x=True)
    circles = [node.attrib for node in ElementTree.fromstring(plot).iter("circle")]
    left, middle, right = (float(circle["cx"]) for circle in circles)
    assert middle - left == pytest.approx(right - middle)
    assert float(circles[1]["cy"]) < float(circles[2]["cy"]) < float(circles[0]["cy"])
    assert "Nothing to plot" in svg_plot([Series("a", [])], x_title="x", y_title="y")


def test_a_run_becomes_a_report_at_any_age() -> None:
    young, _ = add_pair()
    known = {run.id: run for run in runs.list_runs()}
    expect_alone(page := report_contents.of_run(known[young], palette="safe"))
    assert "Nothing to plot" in page
    work(young, epochs=2)
    page = report_contents.of_run(known[young], palette="safe")
    expect_alone(page)
    assert "Run Tiny" in page
    assert page.count("<polyline") >= 2
    assert page.count("<img ") == 3
    assert "distill.temperature" in page
