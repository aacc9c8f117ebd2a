"""What a visitor brought, read in a process of its own: `python -m core.data.import_process`, one order on stdin.

It unpacks, parses and decodes with limits on memory, processor time and the clock, without network and without the
server's environment, and writes into one folder alone: `progress.json` while it works, then `report.json` with `seen/`
(a survey) or `made/` (a dataset), or `problem.json` with one sentence. Whoever started it watches that folder.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.confinement import allow_seconds, confine, leave_network
from core.data.dataset_files import write_dataset
from core.data.import_order import MADE, PROBLEM, PROGRESS, REPORT, SEEN, ImportOrder
from core.data.importing import MOST_RESAMPLE, ImportChoices, OnPicture, Survey, survey
from core.data.labelled import LabelCount
from core.data.readers.inferred import Proposal, Proposed
from core.data.readers.source import Asked
from core.data.readers.tree import Decoder, Tree
from core.data.seen import save_seen
from core.errors import DataError, DiskFullError, NoRoomError, TerrastillError
from core.files import write_aside
from core.imagery.archives import DATASET_LIMITS, is_zip, unpack
from core.out_of_memory import DECODING, lacking, out_of_memory_as, set_kill_priority

_UNPACKED = "unpacked"
_TOLD_EVERY = 0.3
_LARGEST_FILE = 8_000_000_000


def choices_json(choices: ImportChoices) -> dict[str, Any]:
    """The choices as JSON values; `_choices` reads them."""
    return {
        **asdict(choices),
        "names": {str(code): name for code, name in choices.names.items()},
        "leave_out": sorted(choices.leave_out),
    }


def _choices(values: dict[str, Any]) -> ImportChoices:
    colours = {name: (int(r), int(g), int(b)) for name, (r, g, b) in values.get("colours", {}).items()}
    return ImportChoices(
        **{
            **values,
            "names": {int(code): name for code, name in values.get("names", {}).items()},
            "leave_out": frozenset(values.get("leave_out", ())),
            "colours": colours,
            "bands": tuple(values.get("bands", ())),
            "shown": tuple(values.get("shown", ())),
            "asked": Asked(**values.get("asked", {})),
        }
    )


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """A proposal as JSON values; `proposal_of` reads them."""
    return {**asdict(proposal), "near": {str(code): main for code, main in proposal.near.items()}}


def proposal_of(values: dict[str, Any]) -> Proposal:
    """The proposal in JSON values of `proposal_json`."""

    def entries(name: str) -> tuple[Proposed, ...]:
        return tuple(
            Proposed(each["name"], tuple(each["codes"]), tuple(each["colour"]) if each["colour"] else None)
            for each in values[name]
        )

    near = {int(code): main for code, main in values["near"].items()}
    return Proposal(values["coding"], entries("classes"), entries("ignored"), near, tuple(values["notes"]))


def carry_out(order: ImportOrder) -> None:
    """Survey the source, or write it as a dataset. Raises `TerrastillError` and `OSError`."""
    folder = Path(order.folder)
    tell = _teller(folder / PROGRESS)
    choices = _choices(order.choices)
    tree = _tree(order, folder, tell)
    if not order.name:
        asked = ImportChoices(asked=choices.asked, resample=MOST_RESAMPLE)
        found = survey(tree, asked, progress=lambda done, total, name: tell(done, total, f"Reading {name}"))
        tell(len(found.usable), len(found.usable), "Drawing the preview")
        _report(found, save_seen(tree, found, folder / SEEN), folder / REPORT)
        return
    found = survey(tree, choices, progress=lambda done, total, name: tell(done, total, f"Checking {name}"))
    made = folder / MADE
    shutil.rmtree(made, ignore_errors=True)
    with _becoming(made) as partial:
        write_dataset(
            found,
            partial,
            order.name,
            choices,
            progress=lambda done, total, name: tell(done, total, f"Writing {name}"),
        )


@contextmanager
def _becoming(target: Path) -> Iterator[Path]:
    """A folder that gets this name when the block ends, and is gone when it fails."""
    partial = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        yield partial
        partial.chmod(0o755)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _tree(order: ImportOrder, folder: Path, tell: OnPicture) -> Tree:
    """The files of the source. Zips are unpacked once, each into a folder of its own where there are several."""
    source, opened = Path(order.source), None if order.opened is None else Path(order.opened)
    files = sorted(source.iterdir()) if opened is None else [source]
    zips = [file for file in files if is_zip(file)]
    for file in files:
        if file.suffix.lower() == ".zip" and file.is_file() and file not in zips:
            raise DataError(f"{file.name} is no zip, whatever its name says: pack the files as a zip again.")
    if not zips:
        return Tree(source, opened=opened, decoder=Decoder())
    root = folder / _UNPACKED
    if not root.is_dir():
        with _becoming(root) as partial:
            left = order.most_bytes
            for number, file in enumerate(zips):
                tell(number, len(zips), f"Unpacking {file.name}")
                target = partial if len(files) == 1 else partial / file.stem
                target.mkdir(exist_ok=True)
                unpack(file, target, limits=replace(DATASET_LIMITS, total_bytes=left))
                left -= sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
            for file in files:
                if file not in zips:
                    (partial / file.name).hardlink_to(file)
    return Tree(root, decoder=Decoder())


def _report(found: Survey, seen: list[dict[str, Any]], path: Path) -> None:
    told = {
        "format": found.source.title,
        "notes": list(dict.fromkeys([*found.source.notes, *found.proposal.notes])),
        "proposal": proposal_json(found.proposal),
        "pictures": [
            {
                "stem": each.picture.stem,
                "height": each.height,
                "width": each.width,
                "labelled": each.labelled,
                "part": each.picture.part,
                **_counted("", each.found),
                "misfit": None if each.misfit is None else each.misfit.reason,
                "metres": each.metres,
                "border": None if each.border is None else {"colour": each.border.colour, "share": each.border.share},
                **_counted("inside", each.inside),
                "bands": list(each.info.bands),
                "depth": each.info.depth,
            }
            for each in found.usable
        ],
        "misfits": [asdict(misfit) for misfit in found.misfits],
        "seen": seen,
    }
    write_aside(path, lambda aside: aside.write_text(json.dumps(told), encoding="utf-8"))


def _counted(name: str, found: LabelCount | None) -> dict[str, Any]:
    """Counts and boxes by code as JSON values; `name` comes before both."""
    found = found or LabelCount()
    before = f"{name}_" if name else ""
    boxes = {str(code): [box.top, box.left, box.height, box.width] for code, box in found.boxes.items()}
    return {f"{before}counts": {str(code): count for code, count in found.counts.items()}, f"{before}boxes": boxes}


def _teller(path: Path) -> OnPicture:
    """Writes how far it is, at most a few times a second."""
    told_at = 0.0

    def tell(done: float, total: int, doing: str) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at > _TOLD_EVERY or done >= total:
            told_at = now
            text = json.dumps({"done": done, "total": total, "doing": doing})
            write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))

    return tell


def main() -> None:
    set_kill_priority(DECODING)
    order = ImportOrder(**json.loads(sys.stdin.buffer.readline()))
    folder = Path(order.folder)
    tempfile.tempdir = str(folder)
    os.dup2(2, 1)
    # GDAL and its tables are loaded before memory is counted; PROJ reads its settings from here.
    from core.imagery.tiff_picture import CACHE_MB, GDAL_SETTINGS

    os.environ.update({**GDAL_SETTINGS, "GDAL_CACHEMAX": str(CACHE_MB)})
    leave_network()
    confine(order.memory, written=_LARGEST_FILE)
    allow_seconds(order.seconds)
    if hasattr(signal, "alarm"):
        signal.alarm(2 * order.seconds)
    try:
        with out_of_memory_as(DataError(lacking("import"))):
            carry_out(order)
    except NoRoomError as error:
        _fail(folder, str(error))
    except DiskFullError:
        _fail(folder, "The server's disk is full: try again tomorrow, or ask its operator.")
    except TerrastillError as error:
        _fail(folder, str(error))
    except OSError as error:
        _fail(folder, f"This cannot be read ({error.strerror or 'unknown'}): bring it again.")


def _fail(folder: Path, sentence: str) -> None:
    write_aside(folder / PROBLEM, lambda aside: aside.write_text(json.dumps({"error": sentence}), encoding="utf-8"))


if __name__ == "__main__":
    main()
