"""Which classes a source has: proposed from what its labels hold and what its lists say, then changed by a person."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.classes import Colour
from core.data.readers.class_lists import parse_colour
from core.data.readers.colour_tables import tables
from core.data.readers.jpeg_colours import colour_peaks, summed
from core.data.readers.source import OUTSIDE, UNLABELLED, Coding, Listed, Source, SourceClass
from core.errors import ConfigError, DataError

MOST_CLASSES = 255
_IGNORED = 255
_EXACT_COLOURS, _MAIN_SHARE, _MOST_BLENDED = 32, 5e-4, 0.25
_LITTLE_OUTSIDE = 0.01
_BLUR, _BINARY_SHARE = 32, 0.8
_NEAR = 12
_ALONE = (
    "No picture has labels: a teacher can speak about them beside labelled ones. Where masks are among them, put these "
    "into a folder called masks."
)
_VOID = re.compile(
    r"^_*(?:un-?(?:label+ed|classified|known)|ignored?|void|no[-_ ]?data|not[-_ ]?label+ed|don'?t[-_ ]?care|none)_*$",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(r"^[_ ]*background[_ ]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Proposed:
    """A class of the dataset to be: its name, the codes that become it, and its colour where the source has one."""

    name: str
    codes: tuple[int, ...]
    colour: Colour | None = None


@dataclass(frozen=True)
class Proposal:
    """Classes in the order of their index, codes that nobody labelled, and what was decided.

    `near` tells of codes that are no class of their own which code they count as: blended colours, blurred numbers.
    """

    coding: Coding
    classes: tuple[Proposed, ...]
    ignored: tuple[Proposed, ...] = ()
    near: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def indices(self) -> dict[int, int]:
        """The index of the class of each code; 255 where it counts as not labelled."""
        found = {code: at for at, each in enumerate(self.classes) for code in each.codes}
        found |= {code: _IGNORED for each in self.ignored for code in each.codes}
        found |= {code: found[main] for code, main in self.near.items()}
        return {**found, UNLABELLED: _IGNORED}


def propose(source: Source, counts: Mapping[int, int]) -> Proposal:
    """The classes of a source whose labels hold these codes so often. Raises `DataError` where they are no classes."""
    present = {code: count for code, count in counts.items() if code >= 0}
    if not any(picture.labels for picture in source.pictures):
        return Proposal(source.coding, (), notes=(_ALONE,))
    if not present and OUTSIDE not in counts:
        raise DataError("No labels were found: add masks or outlines of some pictures; the others may stay without.")
    if source.coding == "values":
        found, near, notes = _by_value(source, present)
    elif source.coding == "colours":
        found, near, notes = _by_colour(source, present)
    else:
        found, near, notes = list(source.classes), {}, []
    found, notes = _with_outside(found, counts, notes)
    if len(found) > MOST_CLASSES + 1:
        raise DataError(f"The labels hold {len(found):,} different {source.coding}, so they are no masks of classes.")
    merged = _merged(found)
    ignored = [each for each in merged if _VOID.match(each.name)]
    kept = [each for each in merged if not _VOID.match(each.name)]
    if not ignored and source.coding == "values" and _IGNORED in present and len(present) > 2:
        ignored = [each for each in kept if each.codes == (_IGNORED,) and each.name == _plain_name(_IGNORED)]
        kept = [each for each in kept if each not in ignored]
        notes.append("255 is taken for pixels that nobody labelled.") if ignored else None
    return Proposal(source.coding, tuple(kept), tuple(ignored), near, tuple(notes))


def mapped(proposal: Proposal, wanted: Mapping[str, str]) -> Proposal:
    """The same with classes named, merged and ignored as a person says.

    Args:
        proposal: what was found.
        wanted: by value, colour (`#3C1098`), name or `outside`: another name, or `ignore`. Two of one name are one.

    Raises:
        ConfigError: a key is none of what was found, or fewer than two classes are left.
    """
    everything = [*proposal.classes, *proposal.ignored]
    names: dict[int, str] = {}
    for key, name in wanted.items():
        codes = _codes_of(key, proposal.coding, everything)
        if not codes:
            known = ", ".join(written(each.codes[0], proposal.coding, each.name) for each in everything[:20])
            raise ConfigError(f"The map names {key}, which the labels do not hold; they hold {known}.")
        names |= dict.fromkeys(codes, name)
    return renamed(proposal, names)


def renamed(proposal: Proposal, names: Mapping[int, str]) -> Proposal:
    """The same with other names for some codes; two of one name are one class, and `ignore` is no class.

    Args:
        proposal: what was found.
        names: by code. A code of which nothing is said keeps its class.
    """
    if not names:
        return proposal
    everything = [*proposal.classes, *proposal.ignored]
    parts = [(code, names.get(code, each.name), each) for each in everything for code in each.codes]
    was_ignored = {code for each in proposal.ignored for code in each.codes} - set(names)
    found: dict[str, list[tuple[int, Proposed]]] = {}
    ignored: list[tuple[int, Proposed]] = []
    for code, name, each in parts:
        if code in was_ignored or (code in names and _VOID.match(name)):
            ignored.append((code, each))
        else:
            found.setdefault(name.casefold(), []).append((code, replace(each, name=name)))
    kept = tuple(_together(members) for members in found.values())
    left = tuple(replace(each, codes=(code,)) for code, each in ignored)
    return replace(proposal, classes=kept, ignored=left)


def check_count(proposal: Proposal) -> None:
    """Raises `DataError` where there are fewer than 2 classes or more than 255; none at all is right without labels."""
    if not proposal.classes and _ALONE in proposal.notes:
        return
    if len(proposal.classes) < 2:
        names = ", ".join(each.name for each in proposal.classes) or "none"
        raise DataError(
            f"A dataset needs two classes at least, and here is {names}: label a second one, or map less away."
        )
    if len(proposal.classes) > MOST_CLASSES:
        raise DataError(
            f"A dataset has {MOST_CLASSES} classes at most, and here are {len(proposal.classes)}: map some together."
        )


def written(code: int, coding: Coding, name: str = "") -> str:
    """A code as a person may write it in a map."""
    if code == OUTSIDE:
        return "outside"
    return f"#{code:06X}" if coding == "colours" else str(code) if coding == "values" else name or str(code)


def _by_value(source: Source, present: dict[int, int]) -> tuple[list[SourceClass], dict[int, int], list[str]]:
    listed = list(source.listed)
    if (binary := _binary(source, present, listed)) is not None:
        return binary
    colours = {each.code: each.colour for each in source.classes}
    names, notes = _names_of_values(listed, set(present), colours)
    codes = sorted(set(present) | {code for code in names if code <= MOST_CLASSES})
    found = [SourceClass(code, names.get(code, _plain_name(code)), colours.get(code)) for code in codes]
    if names and source.listed_in:
        notes.append(f"Classes are named by {source.listed_in}.")
    if 0 in present and names and 0 not in names:
        found[0] = replace(found[0], name="Background")
        notes.append("0 has no name in the list of classes and is taken for background (--map 0=ignore otherwise).")
    return found, {}, notes


def _plain_name(code: int) -> str:
    return f"Class {code}"


def _binary(
    source: Source, present: dict[int, int], listed: Sequence[Listed]
) -> tuple[list[SourceClass], dict[int, int], list[str]] | None:
    """Masks that tell one thing from the rest: 0 and 255, also where JPEG or resampling blurred them, or 0 and 1."""
    whole = sum(present.values())
    ends = sum(count for code, count in present.items() if code < _BLUR or code > 255 - _BLUR)
    high = sum(code > 255 - _BLUR for code in present)
    # Of two numbers below 255 that are both near it none is a class; one alone may stand for what nobody labelled.
    many = len(present) > 40 or (high > 1 and ends == whole)
    blurred = many and min(present) < _BLUR and max(present) > 255 - _BLUR and ends >= _BINARY_SHARE * whole
    if set(present) != {0, 255} and set(present) != {0, 1} and not blurred:
        return None
    top = 1 if set(present) == {0, 1} else 255
    if top == 1 and len(listed) > 2:
        return None
    low_name, high_name = _names_of_ends(listed) or ("Background", source.single or "Foreground")
    found = [SourceClass(0, low_name), SourceClass(top, high_name)]
    near = {code: 255 if code >= 128 else 0 for code in present if code not in (0, 255)} if blurred else {}
    held = "numbers around 0 and 255" if blurred else f"0 and {top}"
    notes = [f"The masks hold {held} alone: they tell {high_name} from the rest."]
    return found, near, notes


def _names_of_ends(listed: Sequence[Listed]) -> tuple[str, str] | None:
    """The names of the lower and the higher number: as a list of two has them, by number or else by how bright they
    are, or those of black and white in a longer one; None where no list tells both."""
    white, grey = (255, 255, 255), {entry.colour: entry.name for entry in listed if entry.colour}
    if len(listed) == 2:
        low, high = sorted(listed, key=lambda entry: sum(entry.colour or ()) if entry.value is None else entry.value)
        return low.name, high.name
    return (grey[0, 0, 0], grey[white]) if {(0, 0, 0), white} <= set(grey) else None


def _names_of_values(
    listed: Sequence[Listed], present: set[int], colours: Mapping[int, Colour | None]
) -> tuple[dict[int, str], list[str]]:
    """Names by value: as the list numbers them, by the colours of the palette, or by their place in the list."""
    numbered = {entry.value: entry.name for entry in listed if entry.value is not None}
    if numbered:
        most, plain = max(present - {_IGNORED}, default=0), set(numbered) == set(range(len(numbered)))
        if plain and most == len(numbered):
            return {value + 1: name for value, name in numbered.items()}, [
                "The list of classes is taken to begin at 1."
            ]
        return numbered, []
    by_colour = {entry.colour: entry.name for entry in listed if entry.colour}
    greys = {colour[0]: name for colour, name in by_colour.items() if len(set(colour)) == 1}
    if len(present) > 1 and present <= set(greys):
        return greys, []
    if found := _names_of_palette(by_colour, present, colours):
        return found, []
    if listed and len(present - {_IGNORED}) <= len(listed) + 1:
        most = max(present - {_IGNORED}, default=0)
        first = 1 if most == len(listed) else 0
        if most - first < len(listed):
            return {first + at: entry.name for at, entry in enumerate(listed)}, []
    return {}, []


def _names_of_palette(
    by_colour: Mapping[Colour, str], present: set[int], colours: Mapping[int, Colour | None]
) -> dict[int, str]:
    """Names of values whose colour in the palette is listed, and of the first value of a colour that is not used."""
    known = {code: None if colour is None else by_colour.get(colour) for code, colour in colours.items()}
    found = {code: name for code, name in known.items() if name is not None and code in present}
    met = {colours[code] for code in found}
    for code, colour in sorted(colours.items()) if found else ():
        if colour is not None and colour in by_colour and colour not in met:
            found[code] = by_colour[colour]
            met.add(colour)
    return found


def _by_colour(source: Source, present: dict[int, int]) -> tuple[list[SourceClass], dict[int, int], list[str]]:
    whole = sum(present.values())
    named = {_code(entry.colour): entry.name for entry in source.listed if entry.colour}
    main = set(present)
    if len(present) > _EXACT_COLOURS:
        main = {code for code, count in present.items() if count >= _MAIN_SHARE * whole or code in named}
    notes: list[str] = []
    if source.jpeg and len(present) > _EXACT_COLOURS and (peaks := colour_peaks(present)):
        main = peaks | (set(named) & set(present))
        near = {code: _nearest(code, main) for code in present if code not in main}
        notes.append(
            f"JPEG has changed the colours of the masks: {len(present):,} count as the nearest of {len(main)}."
        )
        return _of_colours(source, named, main, summed(present, near), notes), near, notes
    rest = {code: count for code, count in present.items() if code not in main}
    if (rest and sum(rest.values()) > _MOST_BLENDED * whole) or not main:
        raise DataError(
            f"The masks hold {len(present):,} colours, most of them rare, so they are photos, or JPEG has changed "
            "them: export them as PNG."
        )
    near = {code: _nearest(code, main) for code in rest}
    if rest:
        share = sum(rest.values()) / whole
        notes.append(
            f"{len(rest):,} rare colours ({share:.2%} of the pixels) lie between those of classes: they count as the "
            "nearest."
        )
    return _of_colours(source, named, main, present, notes), near, notes


def _of_colours(
    source: Source, named: dict[int, str], main: set[int], present: dict[int, int], notes: list[str]
) -> list[SourceClass]:
    """The classes of some colours, and in `notes` where their names are from."""
    names, told = _names_of_colours(named, main, present, source.listed_in)
    notes += told
    codes = sorted(
        main | {code for code in names if code not in present}, key=lambda code: _place(code, names, present)
    )
    return [SourceClass(code, names.get(code, _colour_name(code)), _colour(code)) for code in codes]


def _names_of_colours(
    named: dict[int, str], main: set[int], present: dict[int, int], listed_in: str
) -> tuple[dict[int, str], list[str]]:
    """Names by colour: of the list beside the masks where it fits them, else of a well-known table that does."""
    if named:
        found = dict(named)
        for code in main - set(named):
            nearest = _nearest(code, set(named))
            if _apart(code, nearest) <= _NEAR**2:
                found[code] = named[nearest]
        met = sum(present[code] for code in main if code in found)
        if 2 * met >= sum(present[code] for code in main):
            return found, [f"Classes are named by {listed_in}."] if listed_in else []
    if fitting := [(title, table) for title, table in tables().items() if main <= set(table) and _is_told(main, table)]:
        title, table = min(fitting, key=lambda each: len(each[1]))
        named_so = {code: name for code, name in table.items() if code in main}
        return named_so, [f"The colours are those of {title}: its names are taken."]
    if named:
        names = ", ".join(list(named.values())[:12])
        return {}, [
            f"The list of classes ({names}) has other colours than the masks: name them by --map '#RRGGBB=Name'."
        ]
    return {}, []


def _is_told(main: set[int], table: Mapping[int, str]) -> bool:
    """Whether these colours tell which table they are of: most of it, or one that is not black, white, red and so on.

    Many datasets have the plain colours, and each means something else by them.
    """
    ends = {red << 16 | green << 8 | blue for red in (0, 255) for green in (0, 255) for blue in (0, 255)}
    return bool(main - ends) or 2 * len(main) > len(table)


def _with_outside(
    found: list[SourceClass], counts: Mapping[int, int], notes: list[str]
) -> tuple[list[SourceClass], list[str]]:
    """The classes with what no outline covers: of the class called background, ignored where it is little, or first."""
    if OUTSIDE not in counts:
        return found, notes
    labelled = sum(count for code, count in counts.items() if code != UNLABELLED)
    own = next((each for each in found if _BACKGROUND.match(each.name)), None)
    if own is not None:
        return [*found, SourceClass(OUTSIDE, own.name)], notes
    share = counts[OUTSIDE] / labelled
    if share < _LITTLE_OUTSIDE:
        told = (
            f"No outline covers {share:.2%} of the pixels: nobody labelled them (--map outside=Background otherwise)."
        )
        return [*found, SourceClass(OUTSIDE, "Unlabelled")], [*notes, told]
    told = f"No outline covers {share:.1%} of the pixels: they are Background (--map outside=ignore otherwise)."
    return [SourceClass(OUTSIDE, "Background"), *found], [*notes, told]


def _merged(found: Sequence[SourceClass]) -> list[Proposed]:
    """Classes of one name as one."""
    names: dict[str, list[SourceClass]] = {}
    for each in found:
        names.setdefault(each.name.casefold(), []).append(each)
    return [
        Proposed(same[0].name, tuple(each.code for each in same), next((e.colour for e in same if e.colour), None))
        for same in names.values()
    ]


def _together(members: Sequence[tuple[int, Proposed]]) -> Proposed:
    colour = next((each.colour for _, each in members if each.colour is not None), None)
    return Proposed(members[0][1].name, tuple(code for code, _ in members), colour)


def _codes_of(key: str, coding: Coding, everything: Sequence[Proposed]) -> list[int]:
    """What a key of a map means: a value, a colour, a name, or `outside`."""
    text = key.strip()
    codes = [code for each in everything for code in each.codes]
    if text.lower() == "outside" and OUTSIDE in codes:
        return [OUTSIDE]
    colour = parse_colour(text) if coding == "colours" else None
    if colour is not None and _code(colour) in codes:
        return [_code(colour)]
    if coding == "values" and text.isdecimal() and int(text[:9]) in codes:
        return [int(text)]
    named = [code for each in everything if each.name.casefold() == text.casefold() for code in each.codes]
    if not named and text.isdecimal() and int(text[:9]) in codes:
        return [int(text)]
    return named


def _place(code: int, names: Mapping[int, str], present: Mapping[int, int]) -> tuple[int, int, int]:
    """Named colours as their list has them, then the commonest first."""
    order = list(names)
    return (0, order.index(code), 0) if code in names else (1, -present.get(code, 0), code)


def _colour_name(code: int) -> str:
    return "Background" if code == 0 else f"Colour #{code:06X}"


def _code(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255


def _apart(one: int, other: int) -> int:
    return sum((a - b) ** 2 for a, b in zip(_colour(one), _colour(other), strict=True))


def _nearest(code: int, codes: set[int]) -> int:
    return min(codes, key=lambda other: (_apart(code, other), other))
