"""The name and its mark, and the few measures that the theme file cannot hold."""

from pathlib import Path

import streamlit as st

MARK = Path(__file__).with_name("mark.svg")
"""The mark alone, for the browser's tab and the closed sidebar: one green that stands on light and dark alike."""

_NAME = """<text x="42" y="27" font-family="'Source Sans', 'Helvetica Neue', Arial, sans-serif" font-size="22"
 font-weight="650" fill="#2a9479">Terrastill</text></svg>"""

_MEASURES = """<style>
[data-testid="stMainBlockContainer"] { padding: 3.25rem 2rem 4rem; max-width: 2400px; }
@media (max-height: 960px) { [data-testid="stHeading"] h1 { font-size: 1.9rem; padding: 0 0 0.25rem; } }
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 3.5rem 1rem 3rem; } }
@media (min-width: 641px) and (max-width: 900px) { [data-testid="stMainBlockContainer"] { padding-inline: 1rem; } }
/* Low windows: a small laptop's, or a phone's on its side. Beside an open sidebar nothing stands at the upper edge. */
@media (max-height: 700px) {
  [data-testid="stHeading"] h1 { font-size: 1.5rem; }
  body:has([data-testid="stSidebar"][data-collapsed="false"]) [data-testid="stMainBlockContainer"] {
    padding-top: 0.75rem; }
  [data-testid="stSidebarHeader"] { height: 3.25rem; margin-bottom: 0.25rem; }
}
@media (max-height: 480px) {
  [data-testid="stHeader"] { height: 2.75rem; min-height: 0; }
  [data-testid="stMainBlockContainer"] { padding-top: 3rem; }
}
/* As high as a menu, so that their names stand in one line; on a phone in two rows sooner than cut off. */
[data-testid="stButtonGroup"] > [role="radiogroup"] { flex-wrap: wrap; row-gap: 0.25rem; }
[data-testid="stButtonGroup"] > [role="radiogroup"] > button { min-height: 2.4rem; }
/* Streamlit stacks columns on phones alone; beside an open sidebar they grow too narrow for their menus before that. */
@media (min-width: 641px) and (max-width: 1150px) {
  body:has([data-testid="stSidebar"][data-collapsed="false"]) [data-testid="stMain"] {
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) { flex-wrap: wrap; }
    [data-testid="stColumn"] { min-width: min(100%, 12rem); flex: 1 1 12rem; }
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] [data-testid="stColumn"]) >
      [data-testid="stColumn"] { min-width: 100%; }
    [data-testid="stColumn"]:has([class*="st-key-card_"]) { min-width: calc(50% - 1rem); }
  }
}
</style>"""


def brand() -> None:
    mark = MARK.read_text(encoding="utf-8").strip()
    named = mark.replace('width="36"', 'width="150"').replace("0 0 36 40", "0 0 150 40").replace("</svg>", _NAME)
    st.logo(named, icon_image=mark, size="large")
    st.html(_MEASURES)
