"""Text in cells of CSV files: a spreadsheet takes what begins like a formula for one, and runs it."""

import re

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?\s*%?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_UNSEEN = re.compile(r"^[\s\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
"""Blanks, and letters that are not seen, some of which spreadsheets take away from the start of a cell."""
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "|", "＝", "＋", "－", "＠")
"""The wide forms count too: spreadsheets set to Japanese or Chinese read them as the narrow ones."""


def cell(text: str) -> str:
    """The text as it may stand in a cell: on one line, behind an apostrophe where it would be a formula.

    Numbers stay numbers. Tabs and line breaks, which part cells and rows, become blanks.
    """
    text = _CONTROL.sub(" ", text)
    if _NUMBER.fullmatch(text.strip()):
        return text
    return f"'{text}" if _UNSEEN.sub("", text).startswith(_BEGINS_A_FORMULA) else text
