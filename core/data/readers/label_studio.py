"""Label Studio: a JSON with a task a picture; brush strokes, polygons, boxes and ellipses, in long or short form."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.data.readers.outlines import Layer, box_ring, ellipse_ring, painted, ring_of
from core.data.readers.parts import FolderParts
from core.data.readers.roles import may_be_pictures
from core.data.readers.run_lengths import brush_mask
from core.data.readers.source import Asked, Labels, Misfit, Source, SourceClass, SourcePicture
from core.data.readers.stems import unique_stems
from core.data.readers.tree import Tree, natural
from core.errors import DataError

TITLE = "Label Studio"
_KINDS = ("brushlabels", "polygonlabels", "rectanglelabels", "ellipselabels", "labels")
_Region = Mapping[str, Any]


def knows(tree: Tree) -> bool:
    """Whether a JSON is a list of tasks with regions that have a shape."""
    return bool(_tasks(tree))


def read(tree: Tree, asked: Asked) -> Source:  # noqa: ARG001
    """Each picture with the regions of its newest annotation, the last one on top. Raises `DataError`."""
    misfits: list[Misfit] = []
    regions: dict[Path, list[_Region]] = {}
    several = 0
    for task in _tasks(tree):
        found, count = _regions(task)
        several += count > 1
        picture = next((there for name in _names(task) if (there := tree.find(name)) is not None), None)
        if picture is None:
            if found:
                misfits.append(Misfit("absent", next(iter(_names(task)), "a task without a picture")))
        elif found is not None:
            regions[picture] = found
    names = sorted({_label(region) for each in regions.values() for region in each}, key=natural)
    codes = {name: at for at, name in enumerate(names, start=1)}
    pictures = list(dict.fromkeys([*regions, *may_be_pictures(tree)]))
    stems, folders = unique_stems(tree, pictures), FolderParts(tree)
    taken = tuple(
        SourcePicture(
            path,
            stems[path],
            folders.of(path),
            _labels(tree, path, regions[path], codes) if path in regions else None,
        )
        for path in pictures
    )
    notes = (f"{several:,} tasks have several annotations: the newest is taken.",) if several else ()
    classes = tuple(SourceClass(code, name) for name, code in codes.items())
    return Source(TITLE, taken, "names", classes, notes=notes, misfits=tuple(misfits))


def _tasks(tree: Tree) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for path in tree.largest(".json"):
        document = tree.document(path)
        if isinstance(document, list) and any(isinstance(task, dict) and _regions(task)[0] for task in document):
            found += [task for task in document if isinstance(task, dict)]
    return found


def _regions(task: Mapping[str, Any]) -> tuple[list[_Region] | None, int]:
    """The regions of a task, and how many annotations it has. None: nobody labelled it; empty: nothing to label."""
    annotations = task.get("annotations", task.get("completions"))
    if isinstance(annotations, list):
        kept = [each for each in annotations if isinstance(each, dict) and not each.get("was_cancelled")]
        if not kept:
            return None, 0
        # Of several the one that is marked as the truth, else the newest; the server writes times as text that sorts.
        best = max(kept, key=lambda each: (bool(each.get("ground_truth")), _when(each)))
        return [region for region in _dicts(best.get("result")) if _is_region(_flat(region))], len(kept)
    short = [region for value in task.values() for region in _dicts(value) if _is_region(region)]
    return (short or None), 1


def _when(annotation: Mapping[str, Any]) -> tuple[str, int]:
    number = annotation.get("id")
    return str(annotation.get("updated_at", annotation.get("created_at", ""))), number if isinstance(number, int) else 0


def _dicts(value: Any) -> list[_Region]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _flat(region: _Region) -> _Region:
    """A region as the short form has it: what its value holds beside its size."""
    value = region.get("value")
    return {**region, **value} if isinstance(value, dict) else region


def _is_region(region: _Region) -> bool:
    return any(isinstance(region.get(kind), list) and region[kind] for kind in _KINDS) and (
        "rle" in region or "points" in region or "width" in region or "radiusX" in region
    )


def _names(task: Mapping[str, Any]) -> list[str]:
    """Texts of a task that may name its picture."""
    data = task.get("data", task)
    return [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []


def _label(region: _Region) -> str:
    flat = _flat(region)
    return next(str(flat[kind][0]) for kind in _KINDS if isinstance(flat.get(kind), list) and flat[kind])


def _labels(tree: Tree, picture: Path, regions: Sequence[_Region], codes: Mapping[str, int]) -> Callable[[], Labels]:
    def read_labels() -> Labels:
        sizes = {(region.get("original_height"), region.get("original_width")) for region in regions}
        height, width = sizes.pop() if len(sizes) == 1 else (None, None)
        if not isinstance(height, int) or not isinstance(width, int):
            info = tree.decoder.info_of(picture)
            height, width = info.height, info.width
        layers = [_layer(_flat(region), codes[_label(region)], height, width) for region in regions]
        return painted(layers, height, width, smallest_on_top=False)

    return read_labels


def _layer(region: _Region, code: int, height: int, width: int) -> Layer:
    """Raises `DataError`. Positions are in per cent of the picture."""
    if region.get("image_rotation"):
        raise DataError("it was turned in Label Studio: turn the picture itself and label it again")
    across, down = width / 100, height / 100
    if "rle" in region:
        packed = region["rle"]
        if not isinstance(packed, list):
            raise DataError("a brush stroke is no list of numbers: export it again")
        return Layer(code, mask=brush_mask(packed, height, width))
    if "points" in region:
        return Layer(code, (ring_of(region["points"], scale=(across, down)),))
    try:
        x, y, turned = float(region["x"]) * across, float(region["y"]) * down, float(region.get("rotation", 0))
        if "radiusX" in region:
            radii = float(region["radiusX"]) * across, float(region["radiusY"]) * down
            return Layer(code, (ellipse_ring(x, y, *radii, turned=turned),))
        sides = float(region["width"]) * across, float(region["height"]) * down
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("a region has no place: export it again") from error
    return Layer(code, (box_ring(x, y, *sides, turned=turned),))
