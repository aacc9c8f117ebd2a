"""Names from outside, as they may be shown: never as markup, never as a path."""

import re

from core.files import size_text

__all__ = ["harmless", "shown", "size_text", "stem"]

_LONGEST = 80


def shown(name: str) -> str:
    """Letters, digits, spaces and a little punctuation; everything else, with which Markdown or HTML begin, is `?`."""
    last = re.split(r"[\\/]", name)[-1]
    plain = "".join(letter if letter.isalnum() or letter in " ._-,()+" else "?" for letter in last)
    return plain[:_LONGEST].strip(" .-+_") or "picture"


def stem(name: str) -> str:
    """A part of a file name of our own: letters, digits and dashes of plain ASCII, 40 of them at most."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name.rsplit(".", 1)[0]).strip("-")[:40] or "picture"


def harmless(text: str) -> str:
    """For a cell of a spreadsheet: what begins like a formula is put behind an apostrophe."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text
