"""Text from outside on the pages, in tables, plots, reports and files: never markup, a formula or a path of ours."""

import ast
import csv
import io
import re
import tempfile
from pathlib import Path

import pytest

from app.components import say
from app.components.charts import score_chart
from app.components.score_table import table_csv, table_html
from app.services import names
from app.services.plots import Series, svg_plot
from app.services.report import Section, Table, Text, render
from core import paths
from core.infer.outputs.areas import Area, to_csv
from core.spreadsheet import cell
from tests.architecture import modules
from tests.ui.conftest import as_read

MARKUP = (
    "![x](http://evil.example/x.png)",
    "[Sign in](http://evil.example)",
    "<img src=http://evil.example/x.png>",
    "<script>alert(1)</script>",
    "http://evil.example/sign-in",
    "www.evil.example",
    "someone@evil.example",
    "**bold** _italic_ `code` ~~gone~~",
    ":red[warning] :material/lock: :smile: :100:",
    "$x^2$",
    "# A heading",
    "1. first",
    "- point",
    "> quoted",
    "---",
    "| a | b |",
    "a\n\n    code\n\n# heading",
    "&lt;b&gt; &#60;",
)
_MEANT = "\\`*_[]<>|~$&^"


@pytest.mark.parametrize("text", MARKUP)
def test_markdown_is_shown_as_it_was_written(text: str) -> None:
    """Each sign with a meaning stands behind a backslash, and no address stays whole. What is read is the text."""
    made = names.plain(text)
    for at, letter in enumerate(made):
        if letter in _MEANT and letter != "\\":
            assert made[at - 1] == "\\", made
    assert "\n" not in made
    assert made[0] not in "#>-+="
    assert re.match(r"\d+[.)]", made) is None
    for whole in ("://", "www.", "@e", ":red", ":mat", ":smile", ":100"):
        assert whole not in made
    assert as_read(made) == " ".join(text.split())


def test_no_folder_is_resolved_for_a_text_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table has hundreds of cells, and where our own folders lie is asked of the disk."""
    asked: list[str] = []
    home = str(paths.home())
    monkeypatch.setattr(paths, "home", lambda: asked.append("home") or Path(home))
    rows = [{"Student": "Ben\u0000", "mIoU (%)": "71.3", "State": "stopped\u202e early"}]
    assert say.table_rows(rows) == [{"Student": "Ben", "mIoU (%)": "71.3", "State": "stopped early"}]
    assert asked == []
    assert names.public(f"Nothing in {home}/x") == "Nothing in x"
    assert asked == ["home"]


def test_own_sentences_stay_as_they_are() -> None:
    for text in ("Waiting: 3 before you.", "cuda:0 (2 slots), cpu", "12 epochs, alpha 0.5 (± 1.5 %)", "mIoU 71.3 %"):
        assert names.plain(text) == text
    assert names.plain("one", "two") == "one  \ntwo"


def test_letters_that_trick_the_eye_are_left_out() -> None:
    assert names.public("photo\u202egpj.exe\x1b[31m\x00\u200b") == "photogpj.exe[31m"
    assert names.public("two\nlines") == "two\nlines"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{home}/20260101-abc/log.txt is damaged.", "20260101-abc/log.txt is damaged."),
        ("{root}/checkpoints/teacher.json: no.", "checkpoints/teacher.json: no."),
        ("{temp}/terrastill-x1/picture cannot be read", "terrastill-x1/picture cannot be read"),
        ("[Errno 2] No such file or directory: '/srv/my pictures/north.tif'", "… directory: 'north.tif'"),
        ("at /srv/imagery/north.tif, line 3", "at north.tif, line 3"),
        ('File "/usr/lib/python3.11/site.py", line 3', 'File "site.py", line 3'),
        ("see file:///etc/shadow.", "see shadow."),
        ("~/secret/key.pem", "key.pem"),
        (r"C:\Users\ann\maps\a.tif is open", "a.tif is open"),
        (r"\\server\share\a.tif", "a.tif"),
        ("postgresql+psycopg://ann:secret@db/runs is away", "postgresql+psycopg://db/runs is away"),
        ("and/or 1/2 m²/ha 3 / 4 https://arxiv.org/abs/1503.02531", "and/or 1/2 m²/ha 3 / 4 https://arxiv.org/abs/1503.02531"),
    ],
)  # fmt: skip
def test_no_path_of_the_server_is_told(text: str, told: str) -> None:
    text = text.format(home=paths.home(), root=paths.ROOT, temp=tempfile.gettempdir())
    assert names.public(text).endswith(told.removeprefix("…"))
    assert str(Path.home()) not in names.public(text)


FORMULAS = (
    "=",
    "+",
    "-",
    "@",
    "\t=",
    "\r=",
    "\n@",
    " =",
    "|",
    "＝",
    "＋",
    "－",
    "＠",
    "-1+",
    "+4 9",
    "\u200b=",
    "\ufeff=",
    "\u202e@",
)


@pytest.mark.parametrize("begin", FORMULAS)
def test_no_cell_is_a_formula(begin: str) -> None:
    name = f"{begin}cmd|' /C calc'!A0"
    assert cell(name) == "'" + re.sub(r"[\t\r\n]", " ", name)
    row = {"Model": name, "Architecture": name, name: -0.5, "mIoU": 71.3}
    for made in (table_csv([row]), to_csv([Area(name, 5, None, 0.5)])):
        for line in csv.reader(io.StringIO(made, newline="")):
            assert not any(value.strip()[:1] in tuple("=+@|＝＋－＠") for value in line)
            assert all(value[:1] != "-" or float(value) < 0 for value in line)
    texts = [value for pair in say.table_rows([row])[0].items() for value in pair if isinstance(value, str)]
    assert sum(value == names.cell(name) for value in texts) == 3
    assert say.table_rows([row])[0]["mIoU"] == 71.3


@pytest.mark.parametrize("number", ["5", "-5", "+5", "-5.25", "1,234", "-.5", "1e-5", "-3 %", ""])
def test_numbers_stay_numbers(number: str) -> None:
    assert cell(number) == number


def test_html_and_plots_hold_no_tag_of_a_name() -> None:
    name = '"><img src=x onerror=alert(1)>%{x}'
    row = {"Model": name, "Architecture": name, "mIoU": 71.3}
    made = [
        table_html([row]),
        render(name, [Section(name, [Text(name), Table([{name: name}], name)])], subtitle=name),
        svg_plot([Series(name, [(1.0, 2.0)], line=False, labels=[name])], x_title=name, y_title=name),
    ]
    for text in made:
        assert "<img" not in text
        assert "&lt;img" in text
    figure = score_chart({name: [{"epoch": 1, "miou5": 0.5}]}, teacher=0.5, teacher_name=name)
    assert not any("<" in trace.name for trace in figure.data)
    assert not any("%{" in trace.name for trace in figure.data)


def test_a_report_tells_no_path() -> None:
    path = f"{paths.home()}/x"
    made = render(path, [Section(path, [Text(path), Table([{"Value": "/srv/data/secret"}], path)])], subtitle=path)
    assert str(paths.home()) not in made
    assert "/srv" not in made


def test_what_is_chosen_in_a_menu_of_several_is_never_cut_off() -> None:
    """Streamlit keeps what is chosen in one line that scrolls, unless it is told to wrap."""
    calls = [
        (module.name, {word.arg: ast.unparse(word.value) for word in node.keywords})
        for module in modules("app")
        for node in ast.walk(ast.parse(module.text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.multiselect"
    ]
    assert len(calls) > 5
    assert [name for name, words in calls if words.get("wrap") != "True"] == []
