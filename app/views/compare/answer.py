"""The answer in one strip: how much smaller and faster a student is than its teacher, and what it keeps."""

from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from app.services.artifacts import Model, short_count
from app.services.figure_texts import share, times
from app.services.names import in_html
from app.services.scene_figures import PairFigures
from app.services.speeds import Speed

_STYLE = """<style>
.answers { container-type: inline-size; margin-top: .8rem; }
.st-key-above_viewer { row-gap: .1rem; }
.answer { display: grid; grid-template-columns: 1fr 1.15fr 1fr 1.3fr; gap: .5rem; }
.answer > div { padding: .3rem .65rem .35rem; border-radius: .5rem; min-width: 0; line-height: 1.3;
  background: color-mix(in srgb, #2a9479 11%, transparent); }
.answer b { display: block; font-size: 1.05rem; font-weight: 650; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.answer p { margin: 0; font-size: .78rem; display: -webkit-box; overflow: hidden; min-height: 2.6em;
  -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
.answer a { color: inherit; white-space: nowrap; }
@media (min-width: 1600px) { .answer p { min-height: 0; } }
/* Its longest figure has 29 letters, and stays on one line. */
@container (max-width: 900px) { .answer { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@container (max-width: 520px) {
  .answer { gap: .35rem; }
  .answer > div { padding: .25rem .5rem; }
  .answer b { font-size: clamp(.68rem, 3.2cqi, .95rem); }
}
@container (max-width: 420px) {
  .answer p { display: flex; gap: .4rem; min-height: 0; }
  .answer p span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
}
/* In low windows the masks come before the words: first where it was measured takes one line, then it is left out. */
@media (max-height: 700px) {
  @container (max-width: 900px) {
    .answer p { display: flex; gap: .4rem; min-height: 0; }
    .answer p span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  }
}
@media (max-height: 480px) {
  [data-testid="stMain"]:has(.st-key-above_viewer) [data-testid="stElementContainer"]:has(h1) {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .answers { margin-top: 0; }
  .answer { display: flex; gap: .3rem; overflow-x: auto; scrollbar-width: none; }
  .answer > div { position: relative; flex: 1 0 auto; padding: .15rem .45rem; text-align: center; }
  .answer b { font-size: clamp(.7rem, 2.2cqi, .95rem); text-decoration: underline; }
  .answer p { position: absolute; inset: 0; }
  .answer p span { display: none; }
  .answer a { flex: 1; color: transparent; }
  .st-key-above_viewer { column-gap: .5rem; }
  .st-key-above_viewer [data-has-shortcut] > span:has([data-testid="stIconMaterial"]) { display: none; }
  .st-key-above_viewer button { min-height: 2rem; padding-block: 0; }
  .st-key-above_viewer p { font-size: .75rem; }
}
</style>"""


@dataclass(frozen=True)
class StripFigure:
    """One figure: what it says, where it was measured, and the page (with its link) that shows how."""

    figure: str
    where: str
    how: str


def items(
    pair: PairFigures | None, speeds: dict[str, Speed] | None, *, teacher: Model, student: Model, measuring: bool
) -> list[StripFigure]:
    """What is known of the two. `measuring`: the speed is on its way."""
    found = []
    if student.parameters:
        sizes = f"{short_count(student.parameters)} parameters instead of {short_count(teacher.parameters)}"
        found.append(StripFigure(f"{times(teacher.parameters / student.parameters)} smaller", sizes, "benchmark"))
    ours, theirs = (speeds or {}).get(student.name), (speeds or {}).get(teacher.name)
    if ours and theirs and ours.latency_ms:
        where = f"{ours.where}, {max(ours, theirs, key=lambda one: one.half_width).within}"
        where += ", while it was busy" if ours.disturbed or theirs.disturbed else ""
        found.append(StripFigure(_faster(theirs.latency_ms / ours.latency_ms), where, "benchmark"))
    elif measuring:
        found.append(StripFigure("… × faster", "being measured on this machine", "benchmark"))
    if pair is not None:
        scenes = f"{len(pair.scenes)} test scene{'s' if len(pair.scenes) > 1 else ''} that it never saw"
        link = f"gallery?{urlencode({'teacher': teacher.name, 'student': student.name})}"
        found.append(StripFigure(f"agrees on {share(pair.agreement)}", f"of the pixels of {scenes}", link))
        if pair.retained is not None:
            scores = f"mIoU {share(pair.student_miou5 or 0)} against {share(pair.teacher_miou5 or 0)}"
            figure = f"{share(pair.retained)} of the teacher's score"
            found.append(StripFigure(figure, f"{scores}, same scenes", link))
    return found


def answer(found: list[StripFigure]) -> None:
    """Draw the strip."""
    cells = "".join(_cell(*map(in_html, (one.figure, one.where, one.how))) for one in found)
    label = "What the student keeps of its teacher"
    st.html(f'{_STYLE}<div class="answers"><div class="answer" role="list" aria-label="{label}">{cells}</div></div>')


def _cell(figure: str, where: str, how: str) -> str:
    link = f'<a href="{how}" target="_self" aria-label="How this was measured: {figure}">How</a>'
    return f'<div role="listitem"><b>{figure}</b><p title="{where}"><span>{where}</span> {link}</p></div>'


def _faster(ratio: float) -> str:
    return f"{times(ratio)} faster" if ratio >= 1 else f"{times(1 / ratio)} slower"
