"""What does not fit in a source, told in groups: one sentence with its remedy for all that share a reason."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.data.readers.source import Misfit

KINDS = ("size", "shape", "picture", "labels", "lonely", "task", "vectors", "format", "absent", "twice", "stray")
_LEAVE = "leave {them} out with --skip, or {mend}"


@dataclass(frozen=True)
class MisfitGroup:
    """Misfits that are mended in one way.

    Attributes:
        kind: one of `KINDS`.
        sentence: what is wrong and what to do.
        names: of whom it is told.
        resample: the least `--resample` that mends it, as a share; None where that does not help.
    """

    kind: str
    sentence: str
    names: tuple[str, ...]
    resample: float | None = None

    @property
    def what(self) -> str:
        """What is wrong, without the remedy and the full stop."""
        return self.sentence.rpartition(": ")[0]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "count": len(self.names)}


def grouped(misfits: Sequence[Misfit]) -> list[MisfitGroup]:
    """The groups of these, the largest first."""
    found: dict[tuple[str, str], list[Misfit]] = {}
    for misfit in misfits:
        own = misfit.reason if misfit.kind in ("size", "format", "stray") else ""
        found.setdefault((misfit.kind, own), []).append(misfit)
    groups = [_group(kind, members) for (kind, _), members in found.items()]
    return sorted(groups, key=lambda group: -len(group.names))


def size_misfit(name: str, picture: tuple[int, int], labels: tuple[int, int]) -> tuple[Misfit, float]:
    """A mask of another size than its picture, both (height, width), and by which share the sides differ most."""
    shares = [label / side - 1 for label, side in zip(labels, picture, strict=True)]
    share = max(map(abs, shares))
    percent = math.ceil(100 * share - 1e-9)
    if min(shares) < 0 < max(shares):
        return Misfit("size", name, f"{percent}|of another shape than"), share
    return Misfit("size", name, f"{percent}|{'larger' if max(shares) > 0 else 'smaller'} than"), share


def _group(kind: str, members: Sequence[Misfit]) -> MisfitGroup:
    names = tuple(misfit.name for misfit in members)
    count, first = len(names), members[0]
    many = count > 1
    them = "them" if many else "it"
    if kind == "size":
        percent, _, how = first.reason.partition("|")
        text = f"{_count(count, 'mask')} {'are' if many else 'is'} {percent} % {how} {'their' if many else 'its'} image"
        share = int(percent) / 100
        remedy = f"resample {them} (nearest) with --resample {share:g}, or leave {them} out with --skip"
        return MisfitGroup(kind, f"{text}: {remedy}.", names, share)
    what, mend = _WORDS[kind]
    words = what.format(
        n=f"{count:,}", s="s" if many else "", have="have" if many else "has", are="are" if many else "is",
        name=first.name, reason=first.reason, lie="lie" if many else "lies", their="their" if many else "its",
        another="; the first: " if many else ": ",
    )  # fmt: skip
    return MisfitGroup(kind, f"{words}: {_LEAVE.format(them=them, mend=mend.format(them=them))}.", names)


_WORDS = {
    "shape": ("{n} picture{s} {have} masks of several sizes", "export {them} again"),
    "picture": ("{n} picture{s} cannot be read{another}{reason}", "export {them} again"),
    "labels": ("The labels of {n} picture{s} cannot be used{another}{reason}", "export {them} again"),
    "lonely": ("{n} mask{s} {have} no picture ({name})", "add the pictures under the same names"),
    "task": ("{n} mask{s} {are} of tasks whose picture{s} no file names ({name})", "put the JSON export beside {them}"),
    "vectors": ("{n} file{s} of polygons cannot be read{another}{reason}", "export {them} again"),
    "format": ("{n} picture{s} {are} {reason}, which is not read ({name})", "convert {them} to PNG or TIFF"),
    "absent": ("{n} picture{s} {are} named and not there ({name})", "add {them}"),
    "twice": ("{n} picture{s} {have} the name of another one ({name})", "rename {them}"),
    "stray": ("{n} {reason} ({name})", "mend {them}"),
}


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
