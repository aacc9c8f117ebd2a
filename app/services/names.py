"""Text from outside, made fit for the place where it is shown: `plain` in Markdown, `in_chart` in a plot, `in_html` in
HTML, `cell` in a table or a spreadsheet, `public` where text is shown as it is, `shown` and `stem` for names of files.

From outside comes all that we did not write ourselves: names of files, runs, models and classes, messages that quote
them, logs, links. Nothing of it becomes markup, a formula or a path of the server.
"""

import re
import tempfile
import unicodedata
from html import escape
from pathlib import Path

from core import paths
from core.data.datasets import DATASETS
from core.files import size_text
from core.spreadsheet import cell as core_cell

__all__ = ["cell", "in_chart", "in_html", "plain", "public", "shown", "size_text", "stem"]

_LONGEST = 80
_JOINER = "\u2060"
"""Word joiner: not seen, and no address goes on behind it. Streamlit links addresses even where they are escaped."""
_ADDRESS = re.compile(r"(?i):(?=[^\W\d]|[/+-]|\d+:)|www(?=\.)|@")
"""An address (`://`, `www.`, `@`), and what Streamlit adds to Markdown: `:red[…]`, `:smile:`, `:material/home:`."""
_MARKS = re.compile(r"[\\`*_\[\]<>|~$&^]")
_AT_THE_START = re.compile(r"[#+=-]|\d+(?=[.)])")
"""Of a line: headings, lists and rules."""
_CREDENTIALS = re.compile(r"(\b[a-z][\w+.-]*://)[^\s/@]*@", re.IGNORECASE)
_QUOTED_PATH = re.compile(r"""(['"`])(?:file://)?(?:/|~/|[A-Za-z]:[\\/]|\\\\)([^'"`\n]+)\1""")
_POSIX_PATH = re.compile(r"(?:\bfile://|(?<![\w.:/\\~<]))~?/[^\s'\"`<>|:;,()\[\]{}]+")
_WINDOWS_PATH = re.compile(r"(?<![\w/\\])(?:[A-Za-z]:|\\)\\[^\s'\"`<>|:;,()\[\]{}]+")


def plain(*texts: str) -> str:
    """Texts as Markdown that shows each as it is written, one a line: no markup, no link, no path of the server."""
    return "  \n".join(_escaped(text) for text in texts)


def in_chart(text: str) -> str:
    """Text for a name or a label in a plot, which would otherwise take tags for markup and `%{…}` for a value."""
    return escape(_one_line(public(text)), quote=False).replace("%{", f"%{_JOINER}{{")


def in_html(text: str) -> str:
    """Text in HTML or SVG that we write ourselves: no markup, no path of the server."""
    return escape(public(text))


def cell(text: str) -> str:
    """Text for a cell of a table that can be saved as a spreadsheet: no formula, no path of the server."""
    return core_cell(_one_line(public(text)))


def public(text: str) -> str:
    """The text without what tells about the server or tricks the eye.

    Of a path its last part stays, or what lies below one of our own folders; credentials in addresses go, and so do
    control characters (line breaks stay) and those that turn the direction of writing.
    """
    if not text.isprintable():
        text = "".join(
            letter for letter in text if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf")
        )
    if "/" not in text and "\\" not in text:
        # No path and no address: most cells of a table.
        return text
    text = _CREDENTIALS.sub(r"\1", text)
    for root in _roots():
        text = text.replace(f"{root}/", "").replace(f"{root}\\", "")
    text = _QUOTED_PATH.sub(lambda found: f"{found[1]}{_last(found[2])}{found[1]}", text)
    text = _POSIX_PATH.sub(lambda found: _last(found[0]), text)
    return _WINDOWS_PATH.sub(lambda found: _last(found[0]), text)


def shown(name: str) -> str:
    """Letters, digits, spaces and a little punctuation; everything else, with which Markdown or HTML begin, is `?`."""
    last = re.split(r"[\\/]", name)[-1]
    kept = "".join(letter if letter.isalnum() or letter in " ._-,()+" else "?" for letter in last)
    return kept[:_LONGEST].strip(" .-+_") or "picture"


def stem(name: str) -> str:
    """A part of a file name of our own: letters, digits and dashes of plain ASCII, 40 of them at most."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name.rsplit(".", 1)[0]).strip("-")[:40] or "picture"


def _escaped(text: str) -> str:
    line = _ADDRESS.sub(lambda found: f"{found[0]}{_JOINER}", _one_line(public(text)))
    marked = _MARKS.sub(lambda found: f"\\{found[0]}", line)
    if begins := _AT_THE_START.match(marked):
        # A number is no punctuation: its full stop takes the mark.
        at = begins.end() if begins[0].isdigit() else 0
        marked = f"{marked[:at]}\\{marked[at:]}"
    return marked


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _last(path: str) -> str:
    """`/srv/data/x.tif,` → `x.tif`; what ends a sentence stays behind it."""
    found = re.split(r"[\\/]", path.rstrip("\\/"))[-1]
    return found or "/"


def _roots() -> list[str]:
    """Our own folders on this machine, as they may stand in messages; longest first, so that none hides another."""
    places = (dataset.folder() for dataset in DATASETS.values() if not dataset.needs_root)
    known = [paths.home(), paths.ROOT, *places, Path(tempfile.gettempdir()), Path.home()]
    named = {str(form) for path in known for form in (path, path.absolute(), path.resolve())}
    return sorted((name for name in named if len(name) > 1 and name[:1] != "."), key=len, reverse=True)
