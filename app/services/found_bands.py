"""The bands of brought pictures, as the page Datasets offers them to be named."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.services.import_report import ImportReport
from core.band_set import LEFT_OUT, MOST_BANDS, RGB


@dataclass(frozen=True)
class FoundBand:
    """A band of the files: its number from 1, the name that it has or gets, and whether it is taken at first."""

    number: int
    name: str
    taken: bool


def named_bands(names: Sequence[str], taken: Sequence[bool]) -> tuple[str, ...]:
    """`Edits.bands` of the name of each band, and whether it is taken."""
    return tuple(name.strip() if used else LEFT_OUT for name, used in zip(names, taken, strict=True))


def found_bands(report: ImportReport) -> tuple[FoundBand, ...]:
    """The bands of the files, with the names that they give or a proposal; none where no picture is a TIFF."""
    from core.data.import_bands import countable

    counts = Counter(countable(each.bands) for each in report.pictures if each.bands)
    if not counts:
        return ()
    count, _ = counts.most_common(1)[0]
    files = [each.bands[:count] for each in report.pictures if countable(each.bands) == count]
    given = files[0] if len(set(files)) == 1 else ("",) * count
    colours = RGB if count >= len(RGB) and not any(given) else ()
    usual = [*colours, *(f"band {number}" for number in range(len(colours) + 1, count + 1))]
    names = [own or name for own, name in zip(given, usual, strict=True)]
    names = usual if len(set(names)) < count else names
    return tuple(FoundBand(at, name[:60], at <= MOST_BANDS) for at, name in enumerate(names, start=1))
