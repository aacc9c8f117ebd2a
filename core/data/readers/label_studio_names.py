"""Names of the PNGs that Label Studio exports, one for each label and image: `task-7-annotation-3-by-1-tag-Road-0`."""

import re
from collections.abc import Sequence
from pathlib import Path

from core.data.readers.tree import Tree, natural, read_json
from core.errors import DataError

# Behind the name of who labelled comes that of the control of the labelling page, which is hardly ever hyphenated.
_NAME = re.compile(r"^(?:.*-)?task-(\d+)-annotation-\d+-by-[\w@.]*-[^-]+-(.+)-\d+$")
_MOST_BYTES = 100_000_000


def task_of(stem: str) -> tuple[int, str] | None:
    """The number of the task and the label; None for another name."""
    found = _NAME.match(stem)
    return (int(found[1]), found[2]) if found else None


def task_pictures(tree: Tree, numbers: Sequence[int], images: Sequence[Path]) -> tuple[dict[int, Path], str]:
    """The picture of each task, and a sentence on how that was decided where no file says it.

    A JSON export beside them says it, or the numbers in the names of the pictures. Failing both, the n-th task is
    taken for the n-th picture where there are as many.
    """
    found: dict[int, Path] = {}
    for path in tree.ending(".json"):
        found |= _by_export(tree, path)
    if set(numbers) <= set(found):
        return found, ""
    by_number = {int(bits[-1]): path for path in images if (bits := re.findall(r"\d+", path.stem))}
    if set(numbers) <= set(by_number) and len(by_number) == len(images):
        return by_number, "Tasks are paired with pictures by the numbers in their names."
    if len(numbers) == len(images):
        ordered = sorted(images, key=lambda path: natural(tree.relative(path)))
        text = "No file says which picture a task is of: the first task is taken for the first picture, and so on. Put "
        return dict(zip(numbers, ordered, strict=True)), f"{text}the JSON export beside the masks to be sure."
    return found, ""


def _by_export(tree: Tree, path: Path) -> dict[int, Path]:
    try:
        tasks = read_json(path, _MOST_BYTES)
    except DataError:
        return {}
    found = {}
    for task in tasks if isinstance(tasks, list) else ():
        data = task.get("data", task) if isinstance(task, dict) else None
        if isinstance(data, dict) and isinstance(task.get("id"), int):
            names = (value for value in data.values() if isinstance(value, str))
            picture = next((there for name in names if (there := tree.find(name)) is not None), None)
            if picture is not None:
                found[task["id"]] = picture
    return found
