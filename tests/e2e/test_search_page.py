"""Search in a browser: what a finished search found is drawn and leads on; a new one starts and stops."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.serving import serve, settled
from core.runs.store.records import RunState
from core.runs.store.studies import StudyStore
from core.search.read import standing
from tests.ui.test_search import fill

pytestmark = [pytest.mark.browser]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    store = StudyStore(home=tmp_path / "home")
    fill(store, 24)
    store.close()
    with serve(tmp_path / "home", log=tmp_path / "server.log", speeds=True) as (at, _):
        yield at


def test_a_search_is_shown_started_and_stopped(page: Page, address: str, tmp_path: Path) -> None:
    store = StudyStore(home=tmp_path / "home")
    page.goto(f"{address}/search?search=depot")
    scores = {row.number: row.summary["best_miou5"] for row in store.trials("depot") if row.summary}
    best = max(scores, key=lambda number: scores[number])
    expect(page.get_by_test_id("stMetric").filter(has_text=f"Best: trial {best}")).to_contain_text(
        f"{100 * scores[best]:.1f} %"
    )
    expect(page.get_by_text("compact 8: 32 ms of at most 20")).to_be_visible()
    for title in ("Accuracy against cost", "Trials", "What decided", "All settings at once"):
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    # Four of the search, and the two studies that come with the project.
    expect(page.locator(".js-plotly-plot")).to_have_count(6)

    opens_the_run_of_a_clicked_point(page, store)
    page.go_back()
    expect(page.locator(".js-plotly-plot")).to_have_count(6)

    settled(page)
    with page.expect_download() as report:
        page.get_by_role("button", name="Report").click()
    text = report.value.path().read_text()
    assert f"The best within the limits is trial {best}" in text
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text) == []

    page.goto(f"{address}/search")
    expect(page).to_have_url(re.compile("search=depot"))
    page.goto(page.url)
    expect(page.get_by_test_id("stMetric").filter(has_text=f"Best: trial {best}")).to_be_visible()

    settled(page).get_by_role("button", name="Take this one").click()
    expect(page.get_by_role("heading", name="In your browser", exact=True)).to_be_visible()
    page.go_back()

    expect(page.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    settled(page).get_by_text("New search").click()
    page.get_by_label("Name").fill("mine")
    page.get_by_label("Name").press("Enter")
    settled(page).get_by_role("button", name="Start the search").click()
    page.get_by_role("button", name="Stop").wait_for()
    settled(page).get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    assert store.study("mine").state == RunState.CANCELLED
    assert all(row.state.final for row in store.trials("mine"))
    store.close()


def opens_the_run_of_a_clicked_point(page: Page, store: StudyStore) -> None:
    """Of the front, and not the best, whose run is offered before anything is clicked."""
    wanted = standing(store, "depot").front[0]
    chart = settled(page).locator(".js-plotly-plot").first
    # Points are drawn in the order of their numbers, which the chart carries.
    numbers = chart.evaluate(
        "plot => Array.from(plot._fullData.find(one => one.name == 'meets the limits').customdata)"
    )
    points = chart.locator(".trace.scatter").filter(has=page.locator(".points path"))
    point = points.first.locator(".points path").nth(numbers.index(wanted.number))
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_text(f"Trial {wanted.number}: ")).to_be_visible()
    settled(page).get_by_role("button", name="Open the run").click()
    expect(page).to_have_url(re.compile(f"run={wanted.run_id}"))
    expect(page.get_by_role("heading", name=store.get(wanted.run_id).name, exact=True)).to_be_visible()
