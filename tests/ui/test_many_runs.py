"""A list of many runs: in pages, searched, narrowed, and any number of them side by side."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.components.charts import parallel_chart
from app.services import run_comparison, runs
from app.services.stores import open_store
from app.views.runs import listing
from tests.ui.conftest import words
from tests.ui.test_runs import DISTILL, WORKER

View = Callable[..., AppTest]


def add(name: str, *, score: float | None = None, temperature: float = 2.0) -> str:
    """A run, done where it has a score."""
    assert DISTILL.distill is not None
    config = replace(DISTILL, name=name, distill=replace(DISTILL.distill, temperature=temperature))
    run_id = open_store().add(config).id
    if score is not None:
        claimed = open_store().claim(WORKER, ["cpu"])
        assert claimed is not None
        open_store().finish(claimed.id, WORKER, {"best_miou5": score, "train_seconds": 9.0}, attempt=1)
    return run_id


def listed(page: AppTest) -> list[str]:
    assert not page.exception
    return list(page.dataframe[0].value.get("Run", []))


def test_a_long_list_comes_in_pages_and_words_narrow_it(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 3)
    for name in ("roof 1", "road 1", "roof 2", "road 2", "roof 3", "road 3", "roof 4"):
        add(name)
    assert listed(view("runs")) == ["roof 4", "road 3", "roof 3"]
    last = view("runs", page="3")
    assert listed(last) == ["roof 1"]
    assert "7 runs; 3 on a page." in words(last)
    found = view("runs", find="Roof", page="2")
    assert listed(found) == ["roof 1"]
    assert "4 of 7 runs" in words(found)
    assert listed(view("runs", find="roof 3")) == ["roof 3"]
    none = view("runs", state="done")
    assert listed(none) == []
    assert "No run suits this." in words(none)


def test_the_run_below_the_table_need_not_be_on_its_page(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 2)
    first, *_ = (add(f"run {number}") for number in range(5))
    page = view("runs", run=first)
    assert page.selectbox(key="run").value == first
    assert "run 0" in [header.value for header in page.header]
    none = view("runs", find="nothing of this name", run=first)
    assert none.selectbox(key="run").value == first


def test_rows_chosen_on_two_pages_stay_chosen(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 2)
    ids = [add(f"run {number}", score=0.5) for number in range(4)]
    page = view("runs", page="2")
    page.session_state[listing._PICKED] = [ids[3], ids[0]]
    page.run()
    assert page.button(key="compare_picked").label == "Compare the 2 selected"
    page.button(key="clear_picked").click().run()
    assert "compare_picked" not in [button.key for button in page.button]


def test_settings_that_differ_stand_against_the_results(view: View) -> None:
    for number, (score, temperature) in enumerate([(0.5, 1.0), (0.7, 4.0), (0.6, 2.0)]):
        add(f"run {number}", score=score, temperature=temperature)
    add("waiting")
    page = view("runs", lines="true")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 1
    table = page.dataframe[1].value
    assert list(table["Run"]) == ["run 1", "run 2", "run 0"]
    assert list(table["Temperature"]) == [4.0, 2.0, 1.0]
    assert list(table["mIoU (%)"]) == [70.0, 60.0, 50.0]
    assert "Epochs" not in table
    assert "Two runs or more" in words(view("runs", lines="true", find="run 1"))


def test_each_axis_of_the_lines_has_a_value_for_every_run() -> None:
    for name, score, temperature in (("a", 0.5, 1.0), ("b", 0.6, 2.0)):
        add(name, score=score, temperature=temperature)
    columns = run_comparison.columns(runs.list_runs())
    assert [column.title for column in columns] == ["Temperature", "Trained (s)", "mIoU (%)"]
    names, scores = ["one", "two <b>", "three"], [1.0, 3.0, 2.0]
    chart = parallel_chart([("Kind", ["x<b>", "a", "x<b>"]), ("T", [1, 2, 5])], names, scores)
    lines = {tuple(trace.text[:2]): tuple(trace.y[:2]) for trace in chart.data}
    assert lines == {
        ("one: Kind x&lt;b&gt;", "one: T 1"): (1.0, 0.0),
        ("three: Kind x&lt;b&gt;", "three: T 5"): (1.0, 1.0),
        ("two &lt;b&gt;: Kind a", "two &lt;b&gt;: T 2"): (0.0, 0.25),
    }
    assert [trace.name for trace in chart.data] == ["1.0 %", "2.0 %", "Best, 3.0 %"]
    marks = [note for note in chart.layout.annotations if note.xshift]
    assert len(marks) == 4
    assert all(note.yshift > 0 for note in marks), "a level line would strike the words through"
