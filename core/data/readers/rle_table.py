"""A CSV of run lengths, as Kaggle's competitions have them: in each row a picture, its runs, and perhaps a class."""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.data.readers.outlines import Layer, painted
from core.data.readers.pairing import pair_up
from core.data.readers.parts import parts_of
from core.data.readers.run_lengths import pairs_mask
from core.data.readers.source import Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import MOST_TEXT_BYTES, Tree, natural, read_text
from core.errors import DataError

TITLE = "run lengths in a table"
_IMAGES = ("imageid", "image_id", "image_label", "image", "img", "filename", "file_name", "id")
_RUNS = ("encodedpixels", "encoded_pixels", "rle", "rle_mask")
_CLASSES = ("classid", "class_id", "class", "label", "category", "classname", "class_name")
_BOTH = "image_label"
"""A column that holds the name of a picture and a class, as in `a.jpg_Fish`."""
_NONE = ("", "-1", "nan", "none")
_LONGEST_HEADER, _LONGEST_CELL = 1000, 10_000_000
_UNNAMED = "Object"
_Row = tuple[str, str]


def knows(tree: Tree) -> bool:
    """Whether a CSV has a column of pictures and one of run lengths, and no picture has a mask."""
    return bool(_tables(tree)) and bool(tree.pictures) and not pair_up(tree, tree.pictures).masks


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Each picture with the runs of its rows; one of which all rows are empty has none of the classes.

    Raises `DataError`.
    """
    rows: dict[Path, list[_Row]] = defaultdict(list)
    absent: dict[str, None] = {}
    for path in _tables(tree):
        for name, kind, runs in _rows(path):
            picture = tree.find(name, near=path) or tree.find(name, near=path, stem=True)
            if picture is None:
                absent[name] = None
            else:
                rows[picture].append((kind, runs))
    kinds = sorted({kind for own in rows.values() for kind, _ in own}, key=natural)
    codes = {kind: at for at, kind in enumerate(kinds, 1)}
    notes: list[str] = []
    stems, parts = unique_stems(tree, tree.pictures), parts_of(tree, tree.pictures, notes)
    pictures = tuple(
        SourcePicture(
            path, stems[path], parts.get(path), _labels(tree, path, rows[path], codes) if path in rows else None
        )
        for path in tree.pictures
    )
    classes = tuple(SourceClass(code, kind) for kind, code in codes.items())
    misfits = tuple(Misfit("absent", name) for name in absent)
    return Source(TITLE, pictures, "names", classes, notes=tuple(notes), misfits=misfits)


def _tables(tree: Tree) -> list[Path]:
    """Tables of labels; those of answers that are to be handed in hold none."""
    return [path for path in tree.ending(".csv") if "submission" not in path.stem.lower() and _columns(path)]


def _columns(path: Path) -> tuple[str, str, str] | None:
    """The columns of pictures, of run lengths, and of classes (empty: none), as the header writes them."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST_HEADER).decode("utf-8-sig", errors="replace").strip()
    header = {name.strip().lower(): name for name in next(csv.reader([first]), [])}
    images, runs, kinds = (
        next((header[name] for name in known if name in header), "") for known in (_IMAGES, _RUNS, _CLASSES)
    )
    return (images, runs, kinds) if images and runs else None


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """Of each row the picture, the class and the runs. Raises `DataError`."""
    columns = _columns(path)
    assert columns is not None
    images, runs, kinds = columns
    longest = csv.field_size_limit(_LONGEST_CELL)
    try:
        found = list(csv.DictReader(read_text(path, MOST_TEXT_BYTES).splitlines()))
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV, or a cell of it is too long: export it again.") from error
    finally:
        csv.field_size_limit(longest)
    rows = []
    for row in found:
        name, kind = row.get(images) or "", (row.get(kinds) or "").strip() if kinds else ""
        if images.strip().lower() == _BOTH:
            name, _, kind = name.rpartition("_")
        rows.append((name.strip(), kind or _UNNAMED, (row.get(runs) or "").strip()))
    return rows


def _labels(tree: Tree, path: Path, rows: Sequence[_Row], codes: Mapping[str, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        info = tree.decoder.info_of(path)
        layers = [
            Layer(codes[kind], mask=pairs_mask(runs, info.height, info.width))
            for kind, runs in rows
            if runs.lower() not in _NONE
        ]
        return painted(layers, info.height, info.width, smallest_on_top=True)

    return read_labels
